// The replicated key-value store: applies commands to an ordered Store, in memory or on disk.
//
//   ASPEN_TRY(auto machine, kv::StateMachine::open(store::open_memory()));
//   ASPEN_TRY(auto replies, machine->apply(entries));   // one batch, whatever the number of entries
//   ASPEN_TRY(WriteReply reply, decode_write_reply(replies[0]));
//   ASPEN_TRY(GetReply got, machine->get({.key = "key"}));
//
// Replies are remembered per session (command.h), in memory for reading and in the Store in the same batch
// as the changes they report, so that after a crash, a restart or a restored snapshot a retried command
// is still applied once. How things lie in the Store is in layout.h.
//
// Invariants: what the Store holds is always the state after exactly applied() entries; equal logs give
// equal states, however apply() cut them into spans.
// Thread safety: as raft::StateMachine; reads belong to the engine thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "core/kv/change.h"
#include "core/kv/command.h"
#include "core/kv/index_read.h"
#include "core/kv/leases.h"
#include "core/kv/quotas.h"
#include "core/kv/read.h"
#include "core/kv/revision.h"
#include "core/kv/session_table.h"
#include "core/raft/state_machine.h"
#include "core/store/store.h"

namespace aspen::kv {

class StateMachine final : public raft::StateMachine {
 public:
  // Takes the whole store. Errors: CORRUPT; UNSUPPORTED when another version of the format wrote it; IO.
  static Result<std::unique_ptr<StateMachine>> open(std::unique_ptr<store::Store> store);

  // Requires: the first entry follows applied().
  Result<std::vector<Bytes>> apply(std::span<const raft::EntryPtr> entries) override;
  raft::Index applied() const override { return applied_.load(std::memory_order_acquire); }
  // Log time: of the last entry applied.
  WallNs last_time() const { return last_time_; }
  Result<raft::Index> flush() override;

  // The oldest revision that can be read.
  uint64_t compacted() const { return compacted_; }

  // Errors: INVALID_ARGUMENT, LIMIT_EXCEEDED (validate_key); COMPACTED.
  Result<GetReply> get(const GetRequest& request) const;
  // A step of a range: one without an entry, but more to come, has passed over limits::kRangeRowsMax keys
  // that there were not at the revision asked for, and is to go on where its continuation says.
  Result<RangeReply> range(const RangeRequest& request) const;

  // Called at the end of every apply() that did something, with all that it changed. A restored snapshot is
  // not among that: then `after` of the next call is not `upto` of the one before. Null: nobody asks.
  using OnChanges = std::function<void(Changes)>;
  void on_changes(OnChanges listener) { on_changes_ = std::move(listener); }

  // Called at the end of every apply() that granted leases or ended some, in this order. A restored snapshot
  // is not among that. Null: nobody asks.
  struct LeaseNews {
    LeaseId id;
    DurationNs ttl;  // 0: it has ended
  };
  using OnLeases = std::function<void(const std::vector<LeaseNews>&)>;
  void on_leases(OnLeases listener) { on_leases_ = std::move(listener); }

  // Changes from the revision `from` on, made from what is kept of them: whole revisions, as many as their
  // keys and values make `bytes_max`, at least one. Nothing when the store is not there yet. The previous
  // records are in only `with_previous`. Errors: COMPACTED.
  Result<Changes> changes(uint64_t from, size_t bytes_max, bool with_previous) const;

  // Errors: NOT_FOUND.
  Result<Lease> lease(LeaseId id) const { return find_lease(*store_, generation_, id); }
  Result<std::vector<Bytes>> lease_keys(LeaseId id, const KeyPage& page) const {
    return keys_of_lease(*store_, generation_, id, page);
  }
  // Those with a higher id than `after`, by id.
  Result<std::vector<Lease>> leases(LeaseId after, size_t limit) const {
    return list_leases(*store_, generation_, after, limit);
  }
  // Whose the session is, all zero: anybody's; nullopt: it is not open.
  std::optional<NodeId> session_owner(SessionId id) const { return sessions_.owner(id); }
  std::vector<Quota> quotas() const { return quotas_.all(); }

  const Indexes& indexes() const { return indexes_; }
  // Errors: NOT_FOUND, also of an index that is still being built (index_read.h).
  Result<IndexScanReply> scan(const IndexScanRequest& request) const;

  // Sources and sinks must not outlive the state machine.
  Result<std::unique_ptr<raft::SnapshotSource>> snapshot() override;
  Result<std::unique_ptr<raft::SnapshotSink>> restore(const raft::SnapshotMeta& meta) override;
  // The same for a store that begins with the state of another one, at meta.index, which is not before what
  // the snapshot stands for: between the two nothing happened. Records, leases (with their full time), quotas
  // and indexes are taken over. Sessions are not: their clients belong to the other store, and a command that
  // is sent again in a session that is unknown is refused. What was before meta.index counts as compacted.
  Result<std::unique_ptr<raft::SnapshotSink>> begin_with(const raft::SnapshotMeta& meta);
  std::optional<raft::SnapshotMeta> restored() const override { return restored_; }
  Result<Bytes> fingerprint() override;

 private:
  class Sink;
  struct Span;

  explicit StateMachine(std::unique_ptr<store::Store> store) : store_(std::move(store)) {}
  Result<> create();
  Result<> load();
  Result<> erase_other_generations();

  // Errors: of the store; one about the command is its reply.
  Result<Bytes> apply_entry(const raft::Entry& entry, Span& span);
  Result<Bytes> apply_in_session(const Command& command, const raft::Entry& entry, Span& span);
  Result<Bytes> apply_command(const Command& command, const raft::Entry& entry, Span& span);
  Result<Bytes> carry_out(const Command& command, WallNs now, Revision& revision);
  Result<uint64_t> compact(uint64_t to, Revision& revision);
  Result<uint64_t> grant_lease(const Command& command, WallNs now, Revision& revision);
  Result<uint64_t> set_quota(const Command& command, Revision& revision);
  Result<> check_revision(uint64_t revision) const;

  std::unique_ptr<store::Store> store_;
  uint32_t generation_ = 0;
  uint32_t last_generation_ = 0;  // the highest ever given to a sink
  std::atomic<raft::Index> applied_ = 0;
  WallNs last_time_ = 0;
  std::optional<raft::SnapshotMeta> restored_;
  uint64_t compacted_ = 0;
  std::atomic<uint64_t> written_compacted_ = 0;  // as the store has it
  // What the store may drop: what was compacted before its last flush, so that no crash brings back a state
  // that needs it.
  const std::shared_ptr<std::atomic<uint64_t>> obsolete_below_ = std::make_shared<std::atomic<uint64_t>>(0);
  size_t leases_ = 0;
  Quotas quotas_;
  Indexes indexes_;
  SessionTable sessions_;
  OnChanges on_changes_;
  OnLeases on_leases_;
};

}  // namespace aspen::kv

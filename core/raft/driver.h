// Runs one Core on an engine thread: gives it time, writes its log, applies what it commits, answers those
// who proposed or asked to read.
//
// Work happens once per turn of the executor, so that whatever arrived meanwhile shares one append to every
// follower, one disk sync and one batch for the state machine. While a sync is in flight further turns go
// on; their writes form the next batch (law 5).
//
// Order of durability (core.h): a write's messages_after_sync and synced() follow its sync, in the order the
// effects were taken. Effects without a write keep that order too: they queue behind writes in flight.
//
// Snapshots. Sending: the state machine's copy at its applied index is handed to the Transport, which streams
// it and reports back by snapshot_sent(). Receiving: the transport asks receive_snapshot() and feeds the
// sink it gets. When the stream breaks, both ends keep what they have for the next one
// (unfinished_snapshots.h). While the state is being replaced the core is frozen: it hears nothing and says
// nothing.
//
// A log that has hardly room on its disk (LogStore::check_room): the leader refuses commands, a follower
// takes no entries, as if they were lost; both go on voting.
//
// Failure: an error of the log store or the state machine stops the driver for good (fail-stop): it answers
// everything that waits with that error, sends nothing more, and tells `on_failure`.
//
// Thread safety: none; the executor's thread. A callback may run inside the call it was given to, when there
// is nothing to wait for; it may call the driver, but not destroy it.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "core/raft/core.h"
#include "core/raft/log_store.h"
#include "core/raft/state_machine.h"
#include "core/raft/unfinished_snapshots.h"
#include "core/rt/offload.h"

namespace aspen::raft {

// Carries messages to other members. Losing or reordering them is allowed, duplicating too.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void send(const Message& message) = 0;
  // Streams `source` after `offer` to offer.to, from the chunk on that the receiver wants, then calls
  // Driver::snapshot_sent.
  virtual void send_snapshot(Message offer, std::shared_ptr<SnapshotSource> source) = 0;
};

struct DriverOptions {
  Options core;
  size_t log_bytes_max = limits::kLogBytesMax;  // compaction starts here and keeps half
  size_t log_entries_max = limits::kLogEntriesMax;
  std::function<void(const Status&)> on_state;  // role, term, leader or configuration changed
  std::function<void(const Error&)> on_failure;
};

// How a read comes to be linearizable.
enum class ReadKind : uint8_t {
  index,   // at the leader, which asks a majority whether it still leads
  lease,   // at the leader; asks nobody while a lease lasts (Options::lease_reads), else as `index`
  member,  // at any member: it asks the leader for the index, and serves the read itself
};

class Driver {
 public:
  using Reply = std::move_only_function<void(Result<Bytes>)>;
  using ReadReady = std::move_only_function<void(Result<>)>;

  // `log` is loaded and the state machine brought in line with it (a restore the log has not heard of).
  // Errors: CORRUPT, IO. All references outlive the driver.
  // `background` is for what takes long (flushes, snapshots) and must not delay the log.
  static Result<std::unique_ptr<Driver>> open(rt::Executor& executor, rt::Lane& background, LogStore& log,
                                              StateMachine& machine, Transport& transport,
                                              DriverOptions options);
  ~Driver();

  // The first member of a new group. Requires: an empty log.
  void bootstrap(const Member& self);
  bool empty() const;

  void step(Message message);
  // The state machine's reply once the command is applied, or an error. NOT_LEADER and SHUTDOWN say in
  // `applied` whether the command may still take effect.
  void propose(Bytes command, Reply reply);
  // Calls back when a read of the state machine is linearizable. NOT_LEADER when this member cannot say: it
  // does not lead, or, for ReadKind::member, no leader answers it.
  void read(ReadKind kind, ReadReady ready);
  // Calls back when the change is committed.
  void change_members(std::vector<Member> members, ReadReady done, ChangeVia via = ChangeVia::least);
  Result<> transfer_leadership(PeerId to);
  void unreachable(PeerId peer) { core_.unreachable(peer); }
  // What send_snapshot() was given, and what became of it.
  void snapshot_sent(const Message& offer, std::shared_ptr<SnapshotSource> source, const Result<>& result);

  // Errors: UNAVAILABLE when the offer is stale, not the leader's, or another one is being received; IO. Feed
  // the sink on the background lane, from the chunk on that it has not; then install_snapshot, which finishes
  // it, resets the log and reports.
  Result<IncomingSnapshot> receive_snapshot(const Message& offer);
  // Instead of install_snapshot, when the stream broke. The next one may go on, unless the sink is null.
  void abandon_snapshot(const Message& offer, IncomingSnapshot incoming);
  // The state machine's store failed in a source or a sink of a snapshot, or the log was found damaged: this
  // member stops, as when they fail in its own hands.
  void storage_failed(const Error& error) { fail_stop(error); }
  // This member is one no more, and stops.
  void removed(const Error& error) { fail_stop(error); }
  void install_snapshot(Message offer, std::shared_ptr<SnapshotSink> sink,
                        std::move_only_function<void(Result<>)> done);

  Status status() const;
  const Core& core() const { return core_; }
  // The leader as this member knows it; nobody once it has failed and hears nothing any more.
  PeerId leader() const { return failure_ ? kNobody : core_.leader(); }
  const std::optional<Error>& failure() const { return failure_; }
  // While it is replaced by a snapshot, the state machine must not be read.
  bool replacing() const { return installing_; }

  // Answers everything that waits with SHUTDOWN, makes the state durable and calls `done`. The driver must
  // not be used afterwards.
  void close(std::move_only_function<void()> done);

 private:
  // Shared by the lanes it passes through.
  struct Install {
    Message offer;
    std::shared_ptr<SnapshotSink> sink;
    std::move_only_function<void(Result<>)> done;
  };
  struct Write {
    LogWrite log;
    uint64_t token;
    std::vector<Message> messages_after_sync;
  };

  Driver(rt::Executor& executor, rt::Lane& background, LogStore& log, StateMachine& machine,
         Transport& transport, DriverOptions options, Durable durable);

  void wake();
  void turn();
  void arm_timer();
  void propose_queued();
  void start_reads();
  void start_reads(ReadKind kind);
  std::vector<ReadReady>& queued(ReadKind kind) { return reads_[static_cast<size_t>(kind)]; }
  void read_by_lease();
  void take_effects();
  void send(std::vector<Message>& messages);
  void send_snapshot(Message offer);
  void start_write();
  void write_done(std::vector<Write> writes, const Result<>& result);
  void apply(const std::vector<EntryPtr>& entries);
  void serve_reads();
  void reject_waiting(const Error& error);
  void maybe_compact();
  void compact_done(const Result<Index>& durable);
  void compact_ended(const Result<>& result);
  void begin_install();
  void install_done(const std::shared_ptr<Install>& install, const Result<>& result);
  void fail_stop(const Error& error);
  void finish_close();
  bool frozen() const { return installing_ || failure_.has_value() || closing_; }

  rt::Executor& executor_;
  rt::Lane& background_;
  LogStore& log_;
  StateMachine& machine_;
  Transport& transport_;
  DriverOptions options_;
  Core core_;
  rt::Deferred turn_;
  rt::Timer timer_;

  std::deque<std::pair<Bytes, Reply>> proposals_;  // not yet given to the core
  size_t proposals_bytes_ = 0;
  std::map<Index, Reply> waiting_;                          // given to the core, not yet applied
  std::map<Index, ReadReady> changes_;                      // membership changes not yet committed
  std::array<std::vector<ReadReady>, 3> reads_;             // by kind, not yet given to the core
  std::map<uint64_t, std::vector<ReadReady>> rounds_;       // given to the core
  std::multimap<Index, std::vector<ReadReady>> confirmed_;  // wait for the index to be applied
  uint64_t next_round_ = 1;

  std::vector<Write> writes_;
  bool write_in_flight_ = false;
  bool compacting_ = false;
  UnfinishedSnapshots unfinished_;
  bool receiving_ = false;
  bool installing_ = false;
  std::shared_ptr<Install> install_;  // waits for the writes in flight
  bool closing_ = false;
  bool was_leader_ = false;
  std::optional<Error> failure_;
  std::move_only_function<void()> closed_;
};

}  // namespace aspen::raft

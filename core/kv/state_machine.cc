#include "core/kv/state_machine.h"

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/kv/evaluator.h"
#include "core/kv/history.h"
#include "core/kv/index_commands.h"
#include "core/kv/layout.h"
#include "core/kv/overlay.h"
#include "core/kv/range_read.h"
#include "core/kv/revision.h"
#include "core/kv/snapshot.h"

namespace aspen::kv {
namespace {

bool is_session(BytesView row_key) {
  auto name = layout::parse_row_name(row_key);
  return name && name->kind == layout::RowKind::session;
}

void raise(std::atomic<uint64_t>& number, uint64_t to) {
  uint64_t was = number.load(std::memory_order_relaxed);
  while (was < to && !number.compare_exchange_weak(was, to, std::memory_order_release)) {
  }
}

// Of the past, or of the clients, of the store that it came from.
bool stays_behind(BytesView row_key) {
  auto name = layout::parse_row_name(row_key);
  if (!name) return false;
  return name->kind == layout::RowKind::session || name->kind == layout::RowKind::history ||
         name->kind == layout::RowKind::changes;
}

}  // namespace

// What one apply() has done so far, before it is written.
struct StateMachine::Span {
  Span(const store::Reader& before, uint32_t generation) : rows(before), generation(generation) {}

  Overlay rows;
  uint32_t generation;
  store::Batch others;  // rows that no command reads
  std::vector<ChangeSet> changes;
  std::vector<LeaseNews> leases;
};

// Writes a snapshot into a generation of its own, and makes that the state.
class StateMachine::Sink final : public raft::SnapshotSink {
 public:
  // The state is another store's, which this one begins with.
  enum class Of : uint8_t { group, other_store };

  Sink(StateMachine& machine, const raft::SnapshotMeta& meta, uint32_t generation, Of of)
      : machine_(machine),
        meta_(meta),
        generation_(generation),
        prefix_(layout::generation_prefix(generation)),
        of_(of) {}

  ~Sink() override {
    if (finished_) return;
    store::Batch batch;
    batch.erase_range(prefix_, layout::generation_prefix(generation_ + 1));
    // Should it fail, the next open() erases what is left.
    (void)machine_.store_->write(std::move(batch), store::Sync::no);
  }

  Result<> write(BytesView chunk) override {
    store::Batch batch;
    ASPEN_CHECK(parser_.parse(chunk, [&](BytesView key, BytesView value) -> Result<> {
      if (ASPEN_MUTANT("kv-snapshot-misses-sessions") && is_session(key)) return {};
      if (of_ == Of::other_store && stays_behind(key)) return {};
      batch.put(prefix_ + Bytes(key), value);
      return {};
    }));
    // So that a crash meets what an unfinished restore has left.
    bool durable = ASPEN_BUGGIFY("kv-restore-synced");
    return machine_.store_->write(std::move(batch), durable ? store::Sync::yes : store::Sync::no);
  }

  Result<> finish() override {
    ASPEN_CHECK(parser_.finish());
    store::Store& store = *machine_.store_;
    ASPEN_TRY(std::optional<Bytes> row, store.get(layout::progress_key(generation_)));
    if (!row) return fail(Code::CORRUPT, "snapshot: it does not say what it has applied");
    ASPEN_TRY(layout::Progress progress, layout::decode_progress(*row));
    bool right = of_ == Of::group ? progress.applied == meta_.index : progress.applied <= meta_.index;
    if (!right && !ASPEN_MUTANT("kv-stale-snapshot-installed")) {
      return fail(Code::CORRUPT, "snapshot: it is of index {}, not {}", progress.applied, meta_.index);
    }
    if (of_ == Of::other_store) {
      progress.applied = meta_.index;
      if (!ASPEN_MUTANT("kv-begun-store-reads-the-past")) progress.compacted = meta_.index;
    }
    ASPEN_TRY(SessionTable sessions, SessionTable::load(store, generation_));
    ASPEN_TRY(Quotas quotas, Quotas::load(store, generation_));
    ASPEN_TRY(Indexes indexes, Indexes::load(store, generation_));
    ASPEN_TRY(size_t leases, count_leases(store, generation_));

    store::Batch batch;
    batch.put(layout::head_key(), encode(layout::Head{.generation = generation_, .restored = meta_}));
    batch.put(layout::progress_key(generation_), encode(progress));
    batch.erase_range(layout::generation_prefix(machine_.generation_),
                      layout::generation_prefix(machine_.generation_ + 1));
    ASPEN_CHECK(store.write(std::move(batch), store::Sync::yes));
    finished_ = true;
    machine_.generation_ = generation_;
    machine_.restored_ = meta_;
    machine_.last_time_ = progress.time;
    machine_.compacted_ = progress.compacted;
    machine_.written_compacted_.store(progress.compacted, std::memory_order_release);
    machine_.leases_ = leases;
    if (!ASPEN_MUTANT("kv-quotas-not-restored")) machine_.quotas_ = std::move(quotas);
    machine_.indexes_ = std::move(indexes);
    machine_.sessions_ = std::move(sessions);
    machine_.applied_.store(meta_.index, std::memory_order_release);
    return {};
  }

 private:
  StateMachine& machine_;
  const raft::SnapshotMeta meta_;
  const uint32_t generation_;
  const Bytes prefix_;
  const Of of_;
  SnapshotParser parser_;
  bool finished_ = false;
};

Result<std::unique_ptr<StateMachine>> StateMachine::open(std::unique_ptr<store::Store> store) {
  std::unique_ptr<StateMachine> machine(new StateMachine(std::move(store)));
  ASPEN_TRY(std::optional<Bytes> head, machine->store_->get(layout::head_key()));
  if (!head) ASPEN_CHECK(machine->create());
  ASPEN_CHECK(machine->load());
  return machine;
}

Result<> StateMachine::create() {
  std::unique_ptr<store::Iterator> any = store_->iterate();
  any->seek("");
  if (any->valid()) return fail(Code::CORRUPT, "the store holds data, but no key-value state");
  ASPEN_CHECK(any->status());
  layout::Head head;
  store::Batch batch;
  batch.put(layout::head_key(), encode(head));
  batch.put(layout::progress_key(head.generation), encode(layout::Progress{}));
  return store_->write(std::move(batch), store::Sync::no);
}

Result<> StateMachine::load() {
  ASPEN_TRY(std::optional<Bytes> head_row, store_->get(layout::head_key()));
  ASPEN_ASSERT(head_row.has_value());
  ASPEN_TRY(layout::Head head, layout::decode_head(*head_row));
  generation_ = last_generation_ = head.generation;
  restored_ = head.restored;
  if (head.version != layout::kFormatVersion) {
    // Nothing may be written that the version in the head does not know.
    store::Batch batch;
    batch.put(layout::head_key(), encode(head));
    ASPEN_CHECK(store_->write(std::move(batch), store::Sync::yes));
  }
  ASPEN_TRY(std::optional<Bytes> progress_row, store_->get(layout::progress_key(generation_)));
  if (!progress_row) return fail(Code::CORRUPT, "the key-value state does not say what it has applied");
  ASPEN_TRY(layout::Progress progress, layout::decode_progress(*progress_row));
  applied_ = progress.applied;
  last_time_ = progress.time;
  compacted_ = written_compacted_ = *obsolete_below_ = progress.compacted;
  store_->drop([below = obsolete_below_](BytesView key, BytesView value) {
    return is_obsolete(key, value, below->load(std::memory_order_acquire));
  });
  ASPEN_TRY(leases_, count_leases(*store_, generation_));
  ASPEN_TRY(quotas_, Quotas::load(*store_, generation_));
  ASPEN_TRY(indexes_, Indexes::load(*store_, generation_));
  ASPEN_TRY(sessions_, SessionTable::load(*store_, generation_));
  return erase_other_generations();
}

Result<> StateMachine::erase_other_generations() {
  const Bytes first = layout::generation_prefix(1);
  const Bytes ours = layout::generation_prefix(generation_);
  const Bytes after = layout::generation_prefix(generation_ + 1);
  store::Batch batch;
  std::unique_ptr<store::Iterator> it = store_->iterate();
  it->seek(first);
  if (it->valid() && it->key() < ours) batch.erase_range(first, ours);
  it->seek(after);
  if (it->valid()) batch.erase_range(after, {});
  ASPEN_CHECK(it->status());
  return batch.empty() ? Result<>() : store_->write(std::move(batch), store::Sync::no);
}

Result<std::vector<Bytes>> StateMachine::apply(std::span<const raft::EntryPtr> entries) {
  std::vector<Bytes> replies;
  if (entries.empty()) return replies;
  replies.reserve(entries.size());
  const raft::Index before = applied();
  raft::Index index = before;
  Span span(*store_, generation_);
  for (const raft::EntryPtr& entry : entries) {
    ASPEN_ASSERT(entry->index == index + 1);
    index = entry->index;
    ASPEN_TRY(replies.emplace_back(), apply_entry(*entry, span));
  }
  last_time_ = entries.back()->time;
  store::Batch batch = std::move(span.others);
  sessions_.write_used(batch);
  quotas_.write_changed(generation_, batch);
  span.rows.move_into(batch);
  if (ASPEN_MUTANT("kv-applied-index-not-in-batch")) {
    ASPEN_CHECK(store_->write(std::exchange(batch, {}), store::Sync::no));
  }
  batch.put(layout::progress_key(generation_), encode(layout::Progress{index, last_time_, compacted_}));
  // Durable before anybody asked for it: nothing is lost by that.
  bool durable = ASPEN_BUGGIFY("kv-apply-synced");
  ASPEN_CHECK(store_->write(std::move(batch), durable ? store::Sync::yes : store::Sync::no));
  // A store flushes by itself when its memory is full, which is at any time.
  if (ASPEN_BUGGIFY("kv-apply-flushed")) ASPEN_CHECK(store_->flush());
  written_compacted_.store(compacted_, std::memory_order_release);
  applied_.store(index, std::memory_order_release);
  if (on_changes_) on_changes_({before, index, std::move(span.changes)});
  if (on_leases_ && !span.leases.empty()) on_leases_(span.leases);
  return replies;
}

Result<Bytes> StateMachine::apply_entry(const raft::Entry& entry, Span& span) {
  if (entry.kind != raft::EntryKind::command) return Bytes();
  Result<Command> command = decode_command(entry.data);
  if (!command) return encode_error_reply(Error(Code::INVALID_ARGUMENT, command.error().message));
  if (Result<> valid = validate(*command); !valid) return encode_error_reply(valid.error());
  switch (command->kind) {
    case Command::Kind::open_session:
      sessions_.open(entry.index, command->owner, entry.time, span.others);
      return encode_session_reply(entry.index);
    case Command::Kind::close_session:
      sessions_.close(command->session, span.others);
      return encode_session_reply(command->session);
    default:
      break;
  }
  if (command->session == 0) return apply_command(*command, entry, span);
  return apply_in_session(*command, entry, span);
}

Result<Bytes> StateMachine::apply_in_session(const Command& command, const raft::Entry& entry, Span& span) {
  auto given = sessions_.admit(command.session, command.sequence, command.acknowledged_below, entry.time);
  if (!given) return encode_error_reply(given.error());
  if (*given && ASPEN_MUTANT("kv-retry-without-session")) return apply_command(command, entry, span);
  if (*given) return Bytes(**given);
  ASPEN_TRY(Bytes reply, apply_command(command, entry, span));
  sessions_.remember(command.session, command.sequence, reply, span.others);
  return reply;
}

// All of the command or nothing.
Result<Bytes> StateMachine::apply_command(const Command& command, const raft::Entry& entry, Span& span) {
  span.rows.mark();
  Revision revision(span.rows, quotas_, indexes_, generation_, entry.index);
  auto run = [&]() -> Result<Bytes> {
    ASPEN_TRY(Bytes reply, carry_out(command, entry.time, revision));
    ASPEN_TRY(ChangeSet changes, revision.finish(on_changes_ != nullptr));
    if (!changes.events.empty()) span.changes.push_back(std::move(changes));
    return reply;
  };
  Result<Bytes> reply = run();
  if (!reply && revision.refused()) {
    span.rows.roll_back();
    return encode_error_reply(reply.error());
  }
  leases_ = static_cast<size_t>(static_cast<int64_t>(leases_) + revision.leases_added());
  if (command.kind == Command::Kind::lease_grant) span.leases.push_back({entry.index, command.ttl});
  for (LeaseId ended : revision.ended_leases()) span.leases.push_back({ended, 0});
  return reply;
}

Result<Bytes> StateMachine::carry_out(const Command& command, WallNs now, Revision& revision) {
  DoneReply done{.revision = revision.index()};
  switch (command.kind) {
    case Command::Kind::open_session:
    case Command::Kind::close_session:
      break;
    case Command::Kind::write: {
      ASPEN_TRY(WriteReply reply, Evaluator(revision, compacted_).run(command.transaction));
      return encode(reply);
    }
    case Command::Kind::compact: {
      ASPEN_TRY(done.result, compact(command.revision, revision));
      return encode(done);
    }
    case Command::Kind::lease_grant: {
      ASPEN_TRY(done.result, grant_lease(command, now, revision));
      return encode(done);
    }
    case Command::Kind::lease_revoke: {
      ASPEN_TRY(done.result, revoke_lease(revision, command.leases.at(0), command.prefix));
      return encode(done);
    }
    case Command::Kind::leases_expire: {
      ASPEN_TRY(done.result, expire_leases(revision, command.leases));
      return encode(done);
    }
    case Command::Kind::quota_set: {
      ASPEN_TRY(done.result, set_quota(command, revision));
      return encode(done);
    }
    case Command::Kind::index_create: {
      const IndexDeclaration declaration{command.name, command.prefix, command.extractor};
      ASPEN_TRY(done.result, create_index(revision, indexes_, declaration));
      return encode(done);
    }
    case Command::Kind::index_drop: {
      ASPEN_TRY(done.result, drop_index(revision, indexes_, command.name));
      return encode(done);
    }
    case Command::Kind::index_step: {
      ASPEN_TRY(done.result, step_indexes(revision, indexes_));
      return encode(done);
    }
  }
  return fail(Code::INTERNAL, "command {} is not carried out here", static_cast<uint8_t>(command.kind));
}

Result<uint64_t> StateMachine::compact(uint64_t to, Revision& revision) {
  if (to > revision.index()) {
    return revision.refuse(Code::INVALID_ARGUMENT, "revision {} has not happened yet; the store is at {}", to,
                           revision.index());
  }
  return compacted_ = std::max(compacted_, to);
}

Result<uint64_t> StateMachine::grant_lease(const Command& command, WallNs now, Revision& revision) {
  if (leases_ >= limits::kLeasesMax) {
    return revision.refuse(Code::LIMIT_EXCEEDED, "there are {} leases; at most {}", leases_,
                           limits::kLeasesMax);
  }
  revision.grant_lease(command.ttl, now, command.prefix);
  return revision.index();
}

// Counts what is there: as long as that takes, no other command is carried out.
Result<uint64_t> StateMachine::set_quota(const Command& command, Revision& revision) {
  if (quotas_.size() >= limits::kQuotasMax && !quotas_.contains(command.prefix)) {
    return revision.refuse(Code::LIMIT_EXCEEDED, "there are {} quotas; at most {}", quotas_.size(),
                           limits::kQuotasMax);
  }
  Quota quota{command.prefix, command.bytes_max, command.keys_max};
  ASPEN_CHECK(for_each_record(revision.rows(), generation_, command.prefix, prefix_end(command.prefix),
                              [&](BytesView key, const RecordView& record) -> Result<bool> {
                                quota.bytes += key.size() + record.value.size();
                                ++quota.keys;
                                return true;
                              }));
  quotas_.set(quota);
  return quota.bytes;
}

Result<raft::Index> StateMachine::flush() {
  // Before the flush, which may cover more.
  const raft::Index index = applied();
  const uint64_t compacted = written_compacted_.load(std::memory_order_acquire);
  if (ASPEN_MUTANT("kv-drop-before-flush")) raise(*obsolete_below_, compacted);
  ASPEN_CHECK(store_->flush());
  raise(*obsolete_below_, compacted);
  return index;
}

Result<> StateMachine::check_revision(uint64_t revision) const {
  if (revision != 0 && revision < compacted_ && !ASPEN_MUTANT("kv-compacted-revision-read")) {
    return fail(Code::COMPACTED, "revision {} is compacted; the oldest that is kept is {}", revision,
                compacted_);
  }
  if (revision <= applied()) return {};
  return fail(Code::INVALID_ARGUMENT, "revision {} has not happened yet; the store is at {}", revision,
              applied());
}

Result<GetReply> StateMachine::get(const GetRequest& request) const {
  ASPEN_CHECK(validate_key(request.key));
  ASPEN_CHECK(check_revision(request.revision));
  GetReply reply;
  reply.revision = applied();
  if (request.revision != 0) {
    ASPEN_TRY(reply.record, record_at(*store_, generation_, request.key, request.revision));
    return reply;
  }
  ASPEN_TRY(std::optional<Bytes> row, store_->get(layout::record_key(generation_, request.key)));
  if (!row) return reply;
  ASPEN_TRY(RecordView record, layout::decode_record(*row));
  reply.record = record.copy();
  return reply;
}

Result<RangeReply> StateMachine::range(const RangeRequest& request) const {
  ASPEN_CHECK(check_revision(request.revision));
  RangeRequest part = request;
  if (ASPEN_BUGGIFY("kv-range-one-entry")) part.limit = 1;  // the caller asks for the rest
  const size_t keys_max = ASPEN_BUGGIFY("kv-range-one-key") ? 1 : limits::kRangeRowsMax;
  ASPEN_TRY(RangeReply reply, read_range(*store_, generation_, part, keys_max));
  reply.revision = applied();
  return reply;
}

Result<IndexScanReply> StateMachine::scan(const IndexScanRequest& request) const {
  const Index* index = indexes_.find(request.index);
  if (index == nullptr) return fail(Code::NOT_FOUND, "there is no index \"{}\"", request.index);
  if (index->state != Index::State::ready) {
    return fail(Code::NOT_FOUND,
                "the index \"{}\" is not built yet: {} records so far; ask again in a moment", request.index,
                index->records);
  }
  IndexScanRequest part = request;
  if (ASPEN_BUGGIFY("kv-index-scan-one-entry")) part.limit = 1;  // the caller asks for the rest
  ASPEN_TRY(IndexScanReply reply, scan_index(*store_, generation_, *index, part));
  reply.revision = applied();
  return reply;
}

Result<Changes> StateMachine::changes(uint64_t from, size_t bytes_max, bool with_previous) const {
  if (from < compacted_) {
    return fail(Code::COMPACTED, "revision {} is compacted; the oldest that is kept is {}", from, compacted_);
  }
  const uint64_t before = from == 0 ? 0 : from - 1;
  Changes found{before, std::max<uint64_t>(before, applied())};
  const Bytes prefix = layout::rows_prefix(generation_, layout::RowKind::changes);
  std::unique_ptr<store::Iterator> it = store_->iterate();
  size_t bytes = 0;
  for (it->seek(layout::changes_key(generation_, from)); it->valid() && it->key().starts_with(prefix);
       it->next()) {
    if (bytes >= bytes_max && !found.sets.empty()) {
      found.upto = found.sets.back().revision;
      break;
    }
    ASPEN_TRY(layout::RowName name, layout::parse_row_name(it->key().substr(layout::kGenerationBytes)));
    ASPEN_TRY(layout::ChangeRow row, layout::decode_changes(it->value()));
    ChangeSet& set = found.sets.emplace_back(name.number);
    for (const layout::ChangeRow::Item& item : row.items) {
      Event& event = set.events.emplace_back(item.kind, Bytes(item.key));
      if (item.kind == Event::Kind::put) {
        ASPEN_TRY(event.record, record_put_at(*store_, generation_, item.key, set.revision));
        bytes += event.record->value.size();
      }
      if (with_previous && item.previous != 0 && set.revision > compacted_) {
        ASPEN_TRY(event.previous, record_put_at(*store_, generation_, item.key, item.previous));
        bytes += event.previous->value.size();
      }
      bytes += item.key.size();
    }
  }
  ASPEN_CHECK(it->status());
  return found;
}

Result<std::unique_ptr<raft::SnapshotSource>> StateMachine::snapshot() {
  size_t chunk_bytes = ASPEN_BUGGIFY("kv-snapshot-chunks-small") ? 500 : limits::kSnapshotChunkBytes;
  return std::make_unique<SnapshotSource>(store_->snapshot(), generation_, chunk_bytes);
}

Result<std::unique_ptr<raft::SnapshotSink>> StateMachine::restore(const raft::SnapshotMeta& meta) {
  if (last_generation_ >= UINT32_MAX - 1) return fail(Code::INTERNAL, "no generation is left for a restore");
  return std::make_unique<Sink>(*this, meta, ++last_generation_, Sink::Of::group);
}

Result<std::unique_ptr<raft::SnapshotSink>> StateMachine::begin_with(const raft::SnapshotMeta& meta) {
  if (last_generation_ >= UINT32_MAX - 1) return fail(Code::INTERNAL, "no generation is left for a restore");
  return std::make_unique<Sink>(*this, meta, ++last_generation_, Sink::Of::other_store);
}

Result<Bytes> StateMachine::fingerprint() {
  // Always in chunks of the same size: the hash covers where they end.
  SnapshotSource source(store_->snapshot(), generation_, limits::kSnapshotChunkBytes);
  Bytes last;
  for (;;) {
    ASPEN_TRY(Bytes chunk, source.next());
    if (chunk.empty()) return last.substr(0, sizeof(Hash));
    last = std::move(chunk);
  }
}

}  // namespace aspen::kv

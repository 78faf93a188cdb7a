#include "core/kv/state_machine.h"

#include <unordered_map>

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/kv/layout.h"
#include "core/kv/snapshot.h"

namespace aspen::kv {
namespace {

// A record as a command finds it, and where its row is.
struct Found {
  Bytes row_key;
  Bytes row;
  bool exists = false;
  uint64_t create_revision = 0;
  uint64_t mod_revision = 0;  // 0 when it does not exist
  uint64_t version = 0;
  size_t value_size = 0;

  BytesView value() const { return BytesView(row).substr(row.size() - value_size); }  // the row's last field
};

bool holds(const Condition& condition, const Found& found) {
  switch (condition.kind) {
    case Condition::Kind::absent:
      return !found.exists;
    case Condition::Kind::present:
      return found.exists;
    case Condition::Kind::value_equals:
      return found.exists && found.value() == condition.value;
    case Condition::Kind::mod_revision_equals:
      return found.mod_revision == condition.revision ||
             (ASPEN_MUTANT("kv-condition-ignored") && found.exists);
  }
  return false;
}

bool is_session(BytesView row_key) {
  auto name = layout::parse_row_name(row_key);
  return name && name->kind == layout::RowKind::session;
}

}  // namespace

// The changes of one apply(): a batch whose records can be read before it is written.
class StateMachine::Changes {
 public:
  Changes(const store::Reader& before, uint32_t generation) : before_(before), generation_(generation) {}

  Result<Found> find(BytesView key) {
    Found found;
    found.row_key = layout::record_key(generation_, key);
    if (auto changed = changed_.find(found.row_key); changed != changed_.end()) {
      const store::Batch::Change& change = batch_.changes()[changed->second];
      if (change.kind == store::Batch::Change::Kind::erase) return found;
      found.row = change.value;
    } else {
      ASPEN_TRY(std::optional<Bytes> row, before_.get(found.row_key));
      if (!row) return found;
      found.row = *std::move(row);
    }
    ASPEN_TRY(RecordView record, layout::decode_record(found.row));
    found.exists = true;
    found.create_revision = record.create_revision;
    found.mod_revision = record.mod_revision;
    found.version = record.version;
    found.value_size = record.value.size();
    return found;
  }

  void put(Bytes row_key, const RecordView& record) {
    wire::Writer row;
    encode(row, record);
    batch_.put(row_key, row.view());
    changed_[std::move(row_key)] = batch_.changes().size() - 1;
  }

  void erase(Bytes row_key) {
    batch_.erase(row_key);
    changed_[std::move(row_key)] = batch_.changes().size() - 1;
  }

  store::Batch& batch() { return batch_; }

 private:
  const store::Reader& before_;
  const uint32_t generation_;
  store::Batch batch_;
  std::unordered_map<Bytes, size_t> changed_;  // row key -> its latest change in the batch
};

// Writes a snapshot into a generation of its own, and makes that the state.
class StateMachine::Sink final : public raft::SnapshotSink {
 public:
  Sink(StateMachine& machine, const raft::SnapshotMeta& meta, uint32_t generation)
      : machine_(machine),
        meta_(meta),
        generation_(generation),
        prefix_(layout::generation_prefix(generation)) {}

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
    if (progress.applied != meta_.index && !ASPEN_MUTANT("kv-stale-snapshot-installed")) {
      return fail(Code::CORRUPT, "snapshot: it is of index {}, not {}", progress.applied, meta_.index);
    }
    ASPEN_TRY(SessionTable sessions, SessionTable::load(store, generation_));

    store::Batch batch;
    batch.put(layout::head_key(), encode(layout::Head{generation_, meta_}));
    batch.erase_range(layout::generation_prefix(machine_.generation_),
                      layout::generation_prefix(machine_.generation_ + 1));
    ASPEN_CHECK(store.write(std::move(batch), store::Sync::yes));
    finished_ = true;
    machine_.generation_ = generation_;
    machine_.restored_ = meta_;
    machine_.last_time_ = progress.time;
    machine_.sessions_ = std::move(sessions);
    machine_.applied_.store(meta_.index, std::memory_order_release);
    return {};
  }

 private:
  StateMachine& machine_;
  const raft::SnapshotMeta meta_;
  const uint32_t generation_;
  const Bytes prefix_;
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
  restored_ = std::move(head.restored);
  ASPEN_TRY(std::optional<Bytes> progress_row, store_->get(layout::progress_key(generation_)));
  if (!progress_row) return fail(Code::CORRUPT, "the key-value state does not say what it has applied");
  ASPEN_TRY(layout::Progress progress, layout::decode_progress(*progress_row));
  applied_ = progress.applied;
  last_time_ = progress.time;
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
  raft::Index index = applied();
  Changes changes(*store_, generation_);
  for (const raft::EntryPtr& entry : entries) {
    ASPEN_ASSERT(entry->index == index + 1);
    index = entry->index;
    ASPEN_TRY(replies.emplace_back(), apply_entry(*entry, changes));
  }
  last_time_ = entries.back()->time;
  sessions_.write_used(changes.batch());
  if (ASPEN_MUTANT("kv-applied-index-not-in-batch")) {
    ASPEN_CHECK(store_->write(std::exchange(changes.batch(), {}), store::Sync::no));
  }
  changes.batch().put(layout::progress_key(generation_), encode(layout::Progress{index, last_time_}));
  // Durable before anybody asked for it: nothing is lost by that.
  bool durable = ASPEN_BUGGIFY("kv-apply-synced");
  ASPEN_CHECK(store_->write(std::move(changes.batch()), durable ? store::Sync::yes : store::Sync::no));
  // A store flushes by itself when its memory is full, which is at any time.
  if (ASPEN_BUGGIFY("kv-apply-flushed")) ASPEN_CHECK(store_->flush());
  applied_.store(index, std::memory_order_release);
  return replies;
}

Result<Bytes> StateMachine::apply_entry(const raft::Entry& entry, Changes& changes) {
  if (entry.kind != raft::EntryKind::command) return Bytes();
  Result<Command> command = decode_command(entry.data);
  if (!command) return encode_error_reply(Error(Code::INVALID_ARGUMENT, command.error().message));
  if (Result<> valid = validate(*command); !valid) return encode_error_reply(valid.error());
  switch (command->kind) {
    case Command::Kind::open_session:
      sessions_.open(entry.index, entry.time, changes.batch());
      return encode_session_reply(entry.index);
    case Command::Kind::close_session:
      sessions_.close(command->session, changes.batch());
      return encode_session_reply(command->session);
    case Command::Kind::write:
      break;
  }
  if (command->session != 0) return apply_in_session(*command, entry, changes);
  ASPEN_TRY(WriteReply reply, apply_write(*command, entry.index, changes));
  return encode(reply);
}

Result<Bytes> StateMachine::apply_in_session(const Command& command, const raft::Entry& entry,
                                             Changes& changes) {
  auto given = sessions_.admit(command.session, command.sequence, command.acknowledged_below, entry.time);
  if (!given) return encode_error_reply(given.error());
  if (*given && ASPEN_MUTANT("kv-retry-without-session")) {
    ASPEN_TRY(WriteReply again, apply_write(command, entry.index, changes));
    return encode(again);
  }
  if (*given) return Bytes(**given);
  ASPEN_TRY(WriteReply reply, apply_write(command, entry.index, changes));
  Bytes encoded = encode(reply);
  sessions_.remember(command.session, command.sequence, encoded, changes.batch());
  return encoded;
}

Result<WriteReply> StateMachine::apply_write(const Command& command, raft::Index index, Changes& changes) {
  WriteReply reply;
  reply.revision = index;
  for (size_t i = 0; i < command.conditions.size(); ++i) {
    ASPEN_TRY(Found found, changes.find(command.conditions[i].key));
    if (holds(command.conditions[i], found)) continue;
    reply.failed_condition = static_cast<uint32_t>(i);
    if (found.exists) {
      reply.current = Record{Bytes(found.value()), found.create_revision, found.mod_revision, found.version};
    }
    return reply;
  }
  reply.succeeded = true;
  reply.results.reserve(command.ops.size());
  for (const Op& op : command.ops) {
    if (ASPEN_MUTANT("kv-transaction-first-only") && !reply.results.empty()) break;
    ASPEN_TRY(Found found, changes.find(op.key));
    reply.results.push_back({found.exists, found.mod_revision});
    if (op.kind == Op::Kind::put) {
      uint64_t create_revision = found.exists ? found.create_revision : index;
      changes.put(std::move(found.row_key), {op.value, create_revision, index, found.version + 1});
    } else if (found.exists) {
      changes.erase(std::move(found.row_key));
    }
  }
  return reply;
}

Result<raft::Index> StateMachine::flush() {
  raft::Index index = applied();  // before the flush, which may cover more
  ASPEN_CHECK(store_->flush());
  return index;
}

Result<GetReply> StateMachine::get(BytesView key) const {
  ASPEN_CHECK(validate_key(key));
  GetReply reply;
  reply.revision = applied();
  ASPEN_TRY(std::optional<Bytes> row, store_->get(layout::record_key(generation_, key)));
  if (!row) return reply;
  ASPEN_TRY(RecordView record, layout::decode_record(*row));
  reply.record = record.copy();
  return reply;
}

Result<RangeReply> StateMachine::range(const RangeRequest& request) const {
  const Bytes records = layout::records_prefix(generation_);
  const Bytes start = records + request.start;
  const Bytes end = request.end.empty() ? prefix_end(records) : records + request.end;
  size_t limit = request.limit == 0 ? limits::kRangeEntriesMax
                                    : std::min<size_t>(request.limit, limits::kRangeEntriesMax);
  if (ASPEN_BUGGIFY("kv-range-one-entry")) limit = 1;  // the caller asks for the rest
  RangeReply reply;
  reply.revision = applied();
  std::unique_ptr<store::Iterator> it = store_->iterate();
  if (request.reverse) {
    it->seek_for_prev(end);
    if (it->valid() && it->key() >= end) it->prev();
  } else {
    it->seek(start);
  }
  size_t bytes = 0;
  for (; it->valid() && it->key() >= start && it->key() < end; request.reverse ? it->prev() : it->next()) {
    ASPEN_TRY(RecordView record, layout::decode_record(it->value()));
    if (request.keys_only) record.value = {};
    BytesView key = it->key().substr(layout::kRecordsPrefixBytes);
    bytes += key.size() + record.value.size();
    if (!reply.entries.empty() && (reply.entries.size() == limit || bytes > limits::kRangeBytesMax)) {
      reply.more = true;
      reply.continuation = reply.entries.back().key;
      if (!request.reverse) reply.continuation.push_back(ASPEN_MUTANT("kv-range-skips") ? '1' : '\0');
      break;
    }
    reply.entries.push_back({Bytes(key), record.copy()});
  }
  ASPEN_CHECK(it->status());
  return reply;
}

Result<std::unique_ptr<raft::SnapshotSource>> StateMachine::snapshot() {
  size_t chunk_bytes = ASPEN_BUGGIFY("kv-snapshot-chunks-small") ? 1 : limits::kSnapshotChunkBytes;
  return std::make_unique<SnapshotSource>(store_->snapshot(), generation_, chunk_bytes);
}

Result<std::unique_ptr<raft::SnapshotSink>> StateMachine::restore(const raft::SnapshotMeta& meta) {
  if (last_generation_ >= UINT32_MAX - 1) return fail(Code::INTERNAL, "no generation is left for a restore");
  return std::make_unique<Sink>(*this, meta, ++last_generation_);
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

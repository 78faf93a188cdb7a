#include "core/kv/state_machine.h"

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/kv/evaluator.h"
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

}  // namespace

// What one apply() has done so far, before it is written.
struct StateMachine::Span {
  Span(const store::Reader& before, uint32_t generation) : rows(before), generation(generation) {}

  Overlay rows;
  uint32_t generation;
  store::Batch others;  // rows that no command reads
  std::vector<ChangeSet> changes;
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
  span.rows.move_into(batch);
  if (ASPEN_MUTANT("kv-applied-index-not-in-batch")) {
    ASPEN_CHECK(store_->write(std::exchange(batch, {}), store::Sync::no));
  }
  batch.put(layout::progress_key(generation_), encode(layout::Progress{index, last_time_}));
  // Durable before anybody asked for it: nothing is lost by that.
  bool durable = ASPEN_BUGGIFY("kv-apply-synced");
  ASPEN_CHECK(store_->write(std::move(batch), durable ? store::Sync::yes : store::Sync::no));
  // A store flushes by itself when its memory is full, which is at any time.
  if (ASPEN_BUGGIFY("kv-apply-flushed")) ASPEN_CHECK(store_->flush());
  applied_.store(index, std::memory_order_release);
  if (on_changes_) on_changes_({before, index, std::move(span.changes)});
  return replies;
}

Result<Bytes> StateMachine::apply_entry(const raft::Entry& entry, Span& span) {
  if (entry.kind != raft::EntryKind::command) return Bytes();
  Result<Command> command = decode_command(entry.data);
  if (!command) return encode_error_reply(Error(Code::INVALID_ARGUMENT, command.error().message));
  if (Result<> valid = validate(*command); !valid) return encode_error_reply(valid.error());
  switch (command->kind) {
    case Command::Kind::open_session:
      sessions_.open(entry.index, entry.time, span.others);
      return encode_session_reply(entry.index);
    case Command::Kind::close_session:
      sessions_.close(command->session, span.others);
      return encode_session_reply(command->session);
    default:
      break;
  }
  if (command->session == 0) return apply_command(*command, entry.index, span);
  return apply_in_session(*command, entry, span);
}

Result<Bytes> StateMachine::apply_in_session(const Command& command, const raft::Entry& entry, Span& span) {
  auto given = sessions_.admit(command.session, command.sequence, command.acknowledged_below, entry.time);
  if (!given) return encode_error_reply(given.error());
  if (*given && ASPEN_MUTANT("kv-retry-without-session")) return apply_command(command, entry.index, span);
  if (*given) return Bytes(**given);
  ASPEN_TRY(Bytes reply, apply_command(command, entry.index, span));
  sessions_.remember(command.session, command.sequence, reply, span.others);
  return reply;
}

// All of the command or nothing.
Result<Bytes> StateMachine::apply_command(const Command& command, raft::Index index, Span& span) {
  span.rows.mark();
  Revision revision(span.rows, generation_, index);
  Result<Bytes> reply = carry_out(command, revision);
  if (!reply && revision.refused()) {
    span.rows.roll_back();
    return encode_error_reply(reply.error());
  }
  if (!reply) return reply;
  ASPEN_TRY(ChangeSet changes, revision.finish(on_changes_ != nullptr));
  if (!changes.events.empty()) span.changes.push_back(std::move(changes));
  return reply;
}

Result<Bytes> StateMachine::carry_out(const Command& command, Revision& revision) {
  if (command.kind == Command::Kind::write) {
    ASPEN_TRY(WriteReply reply, Evaluator(revision, 0).run(command.transaction));
    return encode(reply);
  }
  return revision.refuse(Code::UNSUPPORTED, "this build does not carry out command {}",
                         static_cast<uint8_t>(command.kind));
}

Result<raft::Index> StateMachine::flush() {
  raft::Index index = applied();  // before the flush, which may cover more
  ASPEN_CHECK(store_->flush());
  return index;
}

Result<> StateMachine::check_revision(uint64_t revision) const {
  if (revision <= applied()) return {};
  return fail(Code::INVALID_ARGUMENT, "revision {} has not happened yet; the store is at {}", revision,
              applied());
}

Result<GetReply> StateMachine::get(const GetRequest& request) const {
  ASPEN_CHECK(validate_key(request.key));
  ASPEN_CHECK(check_revision(request.revision));
  if (request.revision != 0) return fail(Code::UNSUPPORTED, "reads of earlier revisions");
  GetReply reply;
  reply.revision = applied();
  ASPEN_TRY(std::optional<Bytes> row, store_->get(layout::record_key(generation_, request.key)));
  if (!row) return reply;
  ASPEN_TRY(RecordView record, layout::decode_record(*row));
  reply.record = record.copy();
  return reply;
}

Result<RangeReply> StateMachine::range(const RangeRequest& request) const {
  ASPEN_CHECK(check_revision(request.revision));
  if (request.revision != 0) return fail(Code::UNSUPPORTED, "reads of earlier revisions");
  RangeRequest part = request;
  if (ASPEN_BUGGIFY("kv-range-one-entry")) part.limit = 1;  // the caller asks for the rest
  ASPEN_TRY(RangeReply reply, read_range(*store_, generation_, part));
  reply.revision = applied();
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

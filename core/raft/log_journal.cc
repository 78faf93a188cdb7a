#include "core/raft/log_journal.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mutant.h"
#include "core/raft/log_appender.h"

namespace aspen::raft {
namespace {

LogRecord beginning(LogRecord::Kind kind, const LogIndex& index) {
  return {.kind = kind,
          .peer = index.peer(),
          .hard_state = index.hard_state(),
          .meta = index.snapshot(),
          .chain = index.snapshot_chain()};
}

}  // namespace

Result<std::unique_ptr<LogJournal>> LogJournal::open(journal::Directory& directory,
                                                     LogJournalOptions options) {
  journal::Options journal_options{.random = std::move(options.random),
                                   .segment_bytes = options.segment_bytes};
  journal_options.segments_max = std::max(limits::kJournalSegmentsMax,
                                          limits::kLogsBytesMax / std::max<size_t>(options.segment_bytes, 1));
  ASPEN_TRY(auto journal, journal::Journal::open(directory, std::move(journal_options)));
  std::unique_ptr<LogJournal> logs(new LogJournal(std::move(journal), options.segment_bytes));
  ASPEN_CHECK(logs->recover());
  return logs;
}

// What is left undone by a failure is done at the next opening.
LogJournal::~LogJournal() {
  if (!failure_) (void)journal_->close();
}

Result<> LogJournal::recover() {
  std::map<GroupId, LogReplay> replays;
  journal::Cursor cursor = journal_->read(journal_->first_sequence());
  for (;;) {
    ASPEN_TRY(std::optional<journal::Entry> record, cursor.next());
    if (!record) break;
    LogReplay& replay = replays.try_emplace(record->user, record->user).first->second;
    ASPEN_CHECK(replay.add(record->sequence, record->payload));
  }
  for (auto& [group, replay] : replays) {
    ASPEN_TRY(LogReplay::Log log, std::move(replay).finish([this](uint64_t at) { return file_of(at); }));
    Group& known = groups_[group];
    known.index = log.index;
    known.recovered = std::move(log).durable();
    ASPEN_CHECK(journal_->need(group, known.index.needed()));
  }
  return journal_->reclaim();
}

std::vector<GroupId> LogJournal::groups() const {
  std::lock_guard lock(mutex_);
  std::vector<GroupId> groups;
  for (const auto& [group, known] : groups_) groups.push_back(group);
  return groups;
}

std::optional<PeerId> LogJournal::peer(GroupId group) const {
  std::lock_guard lock(mutex_);
  auto found = groups_.find(group);
  if (found == groups_.end()) return std::nullopt;
  return found->second.index.peer();
}

Result<> LogJournal::create(GroupId group, PeerId peer) {
  ASPEN_ASSERT(peer != kNobody);
  std::lock_guard lock(mutex_);
  ASPEN_ASSERT(!groups_.contains(group));
  ASPEN_CHECK(check_usable());
  LogRecord record{.kind = LogRecord::Kind::whole, .peer = peer};
  LogAppender out(*journal_);
  auto begin = [&]() -> Result<> {
    ASPEN_TRY(LogAppender::Place place, out.add(group, encode(record)));
    ASPEN_CHECK(out.flush());
    ASPEN_CHECK(journal_->sync());
    groups_[group].index.begin(record, place.sequence);
    return journal_->need(group, place.sequence);
  };
  return or_stop(begin());
}

Result<Durable> LogJournal::load(GroupId group) {
  std::lock_guard lock(mutex_);
  Group& known = groups_.at(group);
  if (known.recovered) return *std::exchange(known.recovered, std::nullopt);
  ASPEN_TRY(LogReplay::Log log, read(group));
  return std::move(log).durable();
}

Result<LogReplay::Log> LogJournal::read(GroupId group) const {
  LogReplay replay(group);
  journal::Cursor cursor = journal_->read(groups_.at(group).index.needed(), group);
  for (;;) {
    ASPEN_TRY(std::optional<journal::Entry> record, cursor.next());
    if (!record) break;
    ASPEN_CHECK(replay.add(record->sequence, record->payload));
  }
  return std::move(replay).finish([this](uint64_t at) { return file_of(at); });
}

Result<> LogJournal::check_usable() const {
  if (!failure_) return {};
  return fail(Code::IO, "the logs take no more writes after a failure, open them again: {}",
              failure_->message);
}

Result<> LogJournal::or_stop(Result<> result) {
  if (!result) failure_ = result.error();
  return result;
}

Result<> LogJournal::write(std::span<const Batch> batches) {
  std::lock_guard lock(mutex_);
  ASPEN_CHECK(check_usable());
  ASPEN_CHECK(or_stop(append(batches)));
  ASPEN_CHECK(or_stop(release(batches)));
  return or_stop(move_slowest());
}

Result<> LogJournal::append(std::span<const Batch> batches) {
  LogAppender out(*journal_);
  for (const Batch& batch : batches) {
    groups_.at(batch.group).recovered.reset();
    for (const LogWrite& write : batch.writes) ASPEN_CHECK(append(out, batch.group, write));
    if (ASPEN_MUTANT("raft-log-first-group-synced")) {
      ASPEN_CHECK(out.flush());
      if (&batch == batches.data()) ASPEN_CHECK(journal_->sync());
    }
  }
  ASPEN_CHECK(out.flush());
  if (ASPEN_MUTANT("raft-log-not-synced") || ASPEN_MUTANT("raft-log-first-group-synced")) return {};
  return journal_->sync();
}

Result<> LogJournal::append(LogAppender& out, GroupId group, const LogWrite& write) {
  LogIndex& index = groups_.at(group).index;
  bool hard_state = write.hard_state && !ASPEN_MUTANT("raft-log-hard-state-not-stored");
  if (hard_state) {
    index.set_hard_state(*write.hard_state);
    ASPEN_CHECK(out.add(group, encode({.kind = LogRecord::Kind::hard, .hard_state = *write.hard_state})));
  }
  if (write.truncate_from != 0) {
    index.truncate(write.truncate_from);
    ASPEN_CHECK(out.add(group, encode({.kind = LogRecord::Kind::truncate, .index = write.truncate_from})));
  }
  for (const EntryPtr& entry : write.entries) {
    uint64_t chain = chain_after(index.chain_at(entry->index - 1), *entry);
    ASPEN_TRY(LogAppender::Place place,
              out.add(group, encode_log_entry(LogRecord::Kind::entry, chain, *entry)));
    index.append(entry->index, {.sequence = place.sequence, .chain = chain, .size = place.size});
  }
  if (write.compact) {
    LogRecord record = beginning(LogRecord::Kind::start, index);
    record.chain = index.chain_at(write.compact->index);
    record.meta = *write.compact;
    ASPEN_TRY(LogAppender::Place place, out.add(group, encode(record)));
    index.start(record, place.sequence);
  }
  if (write.reset) {
    LogRecord record = beginning(LogRecord::Kind::whole, index);
    record.chain = 0;  // of an entry that this log never had
    record.meta = *write.reset;
    ASPEN_TRY(LogAppender::Place place, out.add(group, encode(record)));
    index.begin(record, place.sequence);
  }
  return {};
}

// Now that it is durable.
Result<> LogJournal::release(std::span<const Batch> batches) {
  for (const Batch& batch : batches) {
    uint64_t needed = groups_.at(batch.group).index.needed();
    ASPEN_CHECK(journal_->need(batch.group, needed));
  }
  return journal_->reclaim();
}

Result<> LogJournal::move_slowest() {
  size_t live = 0;
  for (const auto& [group, known] : groups_) live += known.index.live_bytes();
  size_t enough = 2 * live / segment_bytes_ + limits::kLogsDeadSegmentsMax;
  if (journal_->segments() <= enough || ASPEN_MUTANT("raft-log-idle-group-pins")) return {};
  auto slowest =
      std::ranges::min_element(groups_, {}, [](const auto& known) { return known.second.index.needed(); });
  LogIndex moved;
  if (auto copied = copy_forward(slowest->first, moved); !copied) {
    // Refused for want of room: what was copied counts for nothing without its end.
    return copied.error().applied == Applied::NO ? Result<>() : copied;
  }
  slowest->second.index = std::move(moved);
  ASPEN_CHECK(journal_->need(slowest->first, slowest->second.index.needed()));
  return journal_->reclaim();
}

Result<> LogJournal::copy_forward(GroupId group, LogIndex& moved) {
  const LogIndex& index = groups_.at(group).index;
  LogRecord whole = beginning(LogRecord::Kind::whole, index);
  whole.copies = index.size();
  LogAppender out(*journal_);
  ASPEN_TRY(LogAppender::Place begin, out.add(group, encode(whole)));
  moved.begin(whole, begin.sequence);
  RecordJoiner joiner;
  journal::Cursor cursor = journal_->read(index.needed(), group);
  while (moved.size() < index.size()) {
    ASPEN_TRY(std::optional<journal::Entry> record, cursor.next());
    if (!record) return fail(Code::CORRUPT, "raft log of group {}: its end is missing", group);
    auto joined = joiner.add(record->sequence, record->payload);
    auto at = joined ? index.find(joined->sequence) : std::nullopt;
    if (!at) continue;
    ASPEN_CHECK(check_entry(group, *at, *joined));
    Bytes copy(joined->record);
    copy[0] = static_cast<char>(LogRecord::Kind::copy);
    ASPEN_TRY(LogAppender::Place place, out.add(group, std::move(copy)));
    moved.append_copy(*at, {.sequence = place.sequence, .chain = index.at(*at).chain, .size = place.size});
  }
  ASPEN_CHECK(out.flush());
  return journal_->sync();
}

Result<bool> LogJournal::maintain() {
  std::lock_guard lock(mutex_);
  ASPEN_CHECK(check_usable());
  auto more = journal_->maintain();
  // Not a matter of room: the next write is to fail, so that the groups stop.
  if (journal_->failure()) return std::unexpected(*journal_->failure());
  if (!more) {
    short_of_room_ = true;
  } else if (journal_->spares() > 0 || !*more) {
    short_of_room_ = false;
  }
  return more.value_or(false);
}

Result<bool> LogJournal::verify(size_t bytes) {
  std::lock_guard lock(mutex_);
  if (!verification_)
    verification_.emplace(Verification{.cursor = journal_->read(journal_->first_sequence())});
  for (size_t seen = 0; seen < bytes;) {
    auto record = verification_->cursor.next();
    // What it was to read next was given up.
    bool gone = !record && record.error().code == Code::NOT_FOUND;
    if (gone || (record && !*record)) {
      verification_.reset();
      return false;
    }
    if (!record) return forward_error(std::move(record));
    seen += (*record)->payload.size() + journal::kRecordHeaderBytes;
    ASPEN_CHECK(verify_record(**record));
  }
  return true;
}

Result<> LogJournal::verify_record(const journal::Entry& record) {
  if (std::exchange(verification_->group, record.user) != record.user) verification_->joiner = {};
  auto joined = verification_->joiner.add(record.sequence, record.payload);
  auto known = groups_.find(record.user);
  if (!joined || known == groups_.end()) return {};
  auto index = known->second.index.find(joined->sequence);
  return index ? check_entry(record.user, *index, *joined) : Result<>();
}

// It is where the entry is to be, and that is what it has to be.
Result<> LogJournal::check_entry(GroupId group, Index index, const RecordJoiner::Joined& joined) const {
  const LogIndex& log = groups_.at(group).index;
  auto record = decode_log_record(joined.record);
  bool right = record && record->entry && record->index == index && record->chain == log.at(index).chain &&
               chain_after(log.chain_at(index - 1), *record->entry) == record->chain;
  if (right || ASPEN_MUTANT("raft-log-chain-not-verified")) return {};
  return fail(Code::CORRUPT, "raft log of group {}: entry {} in {} is not the one that was written there",
              group, index, file_of(joined.sequence));
}

journal::Stats LogJournal::stats() const {
  std::lock_guard lock(mutex_);
  return journal_->stats();
}

size_t LogJournal::segments() const {
  std::lock_guard lock(mutex_);
  return journal_->segments();
}

}  // namespace aspen::raft

#include "core/raft/log_replay.h"

#include "core/base/mutant.h"

namespace aspen::raft {

Result<> LogReplay::add(uint64_t sequence, BytesView payload) {
  auto joined = joiner_.add(sequence, payload);
  if (!joined) return {};
  auto record = decode_log_record(joined->record);
  if (!record) {
    return fail(record.error().code, "raft log of group {}: journal record {}: {}", group_, joined->sequence,
                record.error().message);
  }
  return take(*joined, *record);
}

Result<> LogReplay::take(const RecordJoiner::Joined& joined, const LogRecord& record) {
  using Kind = LogRecord::Kind;
  // What is not a copy ends the copying: the node stopped in the midst of it, and the log was written on.
  if (record.kind != Kind::copy) copy_.reset();
  switch (record.kind) {
    case Kind::whole:
      copy_.emplace();
      copy_->index.begin(record, joined.sequence);
      copies_left_ = record.copies;
      break;
    case Kind::copy:
      // Without its beginning it is of a whole that was written again since.
      if (!copy_) return {};
      ASPEN_CHECK(append(*copy_, joined, record));
      --copies_left_;
      break;
    case Kind::start: {
      begun_ = true;
      size_t before = log_.index.size();
      log_.index.start(record, joined.sequence);
      log_.entries.erase(log_.entries.begin(),
                         log_.entries.begin() + static_cast<ptrdiff_t>(before - log_.index.size()));
      return {};
    }
    case Kind::hard:
      if (!ASPEN_MUTANT("raft-log-hard-state-not-replayed")) log_.index.set_hard_state(record.hard_state);
      return {};
    case Kind::truncate:
      if (ASPEN_MUTANT("raft-log-truncate-not-replayed")) return {};
      log_.index.truncate(record.index);
      log_.entries.resize(log_.index.size());
      return {};
    default:
      return append(log_, joined, record);
  }
  if (copies_left_ > 0) return {};
  begun_ = true;
  log_ = *std::exchange(copy_, std::nullopt);
  return {};
}

Result<> LogReplay::append(Log& log, const RecordJoiner::Joined& joined, const LogRecord& record) {
  if (!log.index.empty() && record.index != log.index.last_index() + 1) {
    return fail(Code::CORRUPT, "raft log of group {}: entry {} is written after entry {}", group_,
                record.index, log.index.last_index());
  }
  LogIndex::Position position{.sequence = joined.sequence, .chain = record.chain, .size = joined.size};
  bool copy = record.kind == LogRecord::Kind::copy;
  copy ? log.index.append_copy(record.index, position) : log.index.append(record.index, position);
  log.entries.push_back(record.entry);
  return {};
}

Result<LogReplay::Log> LogReplay::finish(const FileOf& file_of) && {
  if (!begun_) return fail(Code::CORRUPT, "raft log of group {}: its beginning is missing", group_);
  ASPEN_CHECK(check_entries(file_of));
  return std::move(log_);
}

Result<> LogReplay::check_entries(const FileOf& file_of) const {
  const LogIndex& index = log_.index;
  if (index.empty()) return {};
  if (index.first_index() != index.snapshot().index + 1) {
    return fail(Code::CORRUPT, "raft log of group {}: entry {} is missing", group_,
                index.snapshot().index + 1);
  }
  uint64_t chain = index.snapshot_chain();
  Term term = index.snapshot().term;
  for (const EntryPtr& entry : log_.entries) {
    const LogIndex::Position& position = index.at(entry->index);
    chain = chain_after(chain, *entry);
    if (chain != position.chain && !ASPEN_MUTANT("raft-log-chain-unchecked")) {
      return fail(Code::CORRUPT, "raft log of group {}: entry {} in {} is not the one that was written there",
                  group_, entry->index, file_of(position.sequence));
    }
    if (entry->term < term || entry->term > index.hard_state().term) {
      return fail(Code::CORRUPT, "raft log of group {}: entry {} has term {}, after term {} and in term {}",
                  group_, entry->index, entry->term, term, index.hard_state().term);
    }
    term = entry->term;
  }
  return {};
}

}  // namespace aspen::raft

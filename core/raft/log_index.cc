#include "core/raft/log_index.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mutant.h"

namespace aspen::raft {

std::optional<Index> LogIndex::find(uint64_t sequence) const {
  auto found = std::ranges::lower_bound(entries_, sequence, {}, &Position::sequence);
  if (found == entries_.end() || found->sequence != sequence) return std::nullopt;
  return first_ + static_cast<Index>(found - entries_.begin());
}

uint64_t LogIndex::needed() const {
  if (empty() || ASPEN_MUTANT("raft-log-need-forgets-entries")) return start_sequence_;
  uint64_t front = entries_.front().sequence;
  if (front <= last_copy_ && !ASPEN_MUTANT("raft-log-copies-need-no-whole")) front = whole_sequence_;
  return std::min(start_sequence_, front);
}

void LogIndex::begin(const LogRecord& record, uint64_t sequence) {
  *this = LogIndex();
  start(record, sequence);
  whole_sequence_ = sequence;
}

void LogIndex::start(const LogRecord& record, uint64_t sequence) {
  peer_ = record.peer;
  hard_state_ = record.hard_state;
  snapshot_ = record.meta;
  snapshot_chain_ = record.chain;
  start_sequence_ = sequence;
  while (!empty() && first_ <= snapshot_.index) drop_front();
  if (empty()) first_ = snapshot_.index + 1;
}

void LogIndex::drop_front() {
  live_bytes_ -= entries_.front().size;
  entries_.pop_front();
  ++first_;
}

void LogIndex::truncate(Index from) {
  while (!empty() && last_index() >= from) {
    live_bytes_ -= entries_.back().size;
    entries_.pop_back();
  }
}

void LogIndex::append_copy(Index index, const Position& position) {
  append(index, position);
  last_copy_ = position.sequence;
}

void LogIndex::append(Index index, const Position& position) {
  if (empty()) first_ = index;
  ASPEN_ASSERT(index == first_ + entries_.size());
  ASPEN_ASSERT(empty() || entries_.back().sequence < position.sequence);
  entries_.push_back(position);
  live_bytes_ += position.size;
}

}  // namespace aspen::raft

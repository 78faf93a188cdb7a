// What the node's journal knows of one group's log: what it begins after, and where each of its entries is.
//
// Invariants: entries are numbered without a gap, and what comes later in the log comes later in the journal.
// Thread safety: none.
#pragma once

#include <deque>
#include <optional>

#include "core/raft/log_record.h"

namespace aspen::raft {

class LogIndex {
 public:
  struct Position {
    uint64_t sequence = 0;  // in the journal, of its first part
    uint64_t chain = 0;
    size_t size = 0;  // that it takes there
  };

  PeerId peer() const { return peer_; }
  const HardState& hard_state() const { return hard_state_; }
  const SnapshotMeta& snapshot() const { return snapshot_; }
  // Of the entry at snapshot().index.
  uint64_t snapshot_chain() const { return snapshot_chain_; }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  // After snapshot().index, but for a log that is still being read (log_replay.h).
  Index first_index() const { return first_; }
  Index last_index() const { return empty() ? snapshot_.index : first_ + entries_.size() - 1; }
  bool contains(Index index) const { return !empty() && index >= first_ && index <= last_index(); }
  // Requires: contains(index).
  const Position& at(Index index) const { return entries_[index - first_]; }
  // Requires: the entry is there, or it is at snapshot().index.
  uint64_t chain_at(Index index) const { return contains(index) ? at(index).chain : snapshot_chain_; }
  // The entry that begins with this record of the journal.
  std::optional<Index> find(uint64_t sequence) const;
  // The oldest record that the log still needs.
  uint64_t needed() const;
  // That its entries take in the journal.
  size_t live_bytes() const { return live_bytes_; }

  // The record was a `whole`, of which no copy has come yet.
  void begin(const LogRecord& record, uint64_t sequence);
  // It was a `start`. Requires: the entry at meta.index was there; or the log is still being read.
  void start(const LogRecord& record, uint64_t sequence);
  void set_hard_state(const HardState& state) { hard_state_ = state; }
  void truncate(Index from);
  // Requires: it is the next one, or there is none.
  void append(Index index, const Position& position);
  // The same for a copy, which counts only together with its whole.
  void append_copy(Index index, const Position& position);

 private:
  void drop_front();

  PeerId peer_ = kNobody;
  HardState hard_state_;
  SnapshotMeta snapshot_;
  uint64_t snapshot_chain_ = 0;
  uint64_t start_sequence_ = 0;  // of the whole or the start
  uint64_t whole_sequence_ = 0;
  uint64_t last_copy_ = 0;  // its sequence
  Index first_ = 1;
  std::deque<Position> entries_;
  size_t live_bytes_ = 0;
};

}  // namespace aspen::raft

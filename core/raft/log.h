// The part of the log a core keeps in memory: every entry after the last snapshot.
//
// Entries are shared with messages in flight and with the writer, so a slice copies pointers, not data.
// The log does not limit itself: it reports its size, and the driver keeps it under limits::kLogBytesMax
// and kLogEntriesMax by compacting behind a flushed state machine.
//
// Invariants: indexes are contiguous and start at snapshot().index + 1; terms never decrease.
// Thread safety: none; owned by one core.
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "core/raft/types.h"

namespace aspen::raft {

class Log {
 public:
  Log() = default;
  // Requires: `entries` follow the snapshot without a gap.
  Log(SnapshotMeta snapshot, std::vector<EntryPtr> entries);

  const SnapshotMeta& snapshot() const { return snapshot_; }
  Index first_index() const { return snapshot_.index + 1; }
  Index last_index() const { return snapshot_.index + entries_.size(); }
  Term last_term() const { return entries_.empty() ? snapshot_.term : entries_.back()->term; }
  WallNs last_time() const { return entries_.empty() ? snapshot_.time : entries_.back()->time; }
  size_t size() const { return entries_.size(); }
  size_t size_bytes() const { return size_bytes_; }

  bool contains(Index index) const { return index >= first_index() && index <= last_index(); }
  // Requires: contains(index).
  const EntryPtr& at(Index index) const;
  // Of an entry, of the snapshot's last entry, or 0 before the first; nullopt when unknown here.
  std::optional<Term> term_at(Index index) const;
  bool matches(Index index, Term term) const { return term_at(index) == term; }
  // Whether a log that ends with this entry is at least as complete as ours (thesis 3.6.1).
  bool up_to_date(Index last, Term last_term) const;
  // The largest index <= `index`, not below the snapshot, whose term is <= `term`: where another log that
  // has `term` at `index` may agree with ours. The snapshot's index when there is no such entry.
  Index last_not_after(Index index, Term term) const;

  // Requires: the entry's index is last_index() + 1 and its term is not below last_term().
  void append(EntryPtr entry);
  // The first of `entries` that this log does not have with the same term; null when it has them all.
  // Entries below the snapshot count as present.
  const EntryPtr* first_missing(std::span<const EntryPtr> entries) const;
  // Removes the entries at and above `from`. Requires: from > snapshot().index.
  void truncate_from(Index from);
  // Entries from..to as far as `bytes_max` allows, but at least one. Requires: from >= first_index().
  std::vector<EntryPtr> slice(Index from, Index to, size_t bytes_max) const;

  // Forgets entries up to meta.index. Requires: snapshot().index <= meta.index <= last_index().
  void compact(const SnapshotMeta& meta);
  // Forgets every entry: the log starts after meta.index.
  void reset(const SnapshotMeta& meta);

 private:
  SnapshotMeta snapshot_;
  std::deque<EntryPtr> entries_;
  size_t size_bytes_ = 0;
};

}  // namespace aspen::raft

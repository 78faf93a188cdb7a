#include "core/raft/log.h"

#include <algorithm>

#include "core/base/assert.h"

namespace aspen::raft {

Log::Log(SnapshotMeta snapshot, std::vector<EntryPtr> entries) : snapshot_(std::move(snapshot)) {
  for (EntryPtr& entry : entries) append(std::move(entry));
}

const EntryPtr& Log::at(Index index) const {
  ASPEN_ASSERT(contains(index));
  return entries_[index - first_index()];
}

std::optional<Term> Log::term_at(Index index) const {
  if (index == snapshot_.index) return snapshot_.term;
  if (!contains(index)) return std::nullopt;
  return at(index)->term;
}

bool Log::up_to_date(Index last, Term term) const {
  return term > last_term() || (term == last_term() && last >= last_index());
}

Index Log::last_not_after(Index index, Term term) const {
  Index top = std::min(index, last_index());
  if (top <= snapshot_.index) return std::min(index, snapshot_.index);
  auto end = entries_.begin() + static_cast<std::ptrdiff_t>(top - snapshot_.index);
  auto after =
      std::partition_point(entries_.begin(), end, [&](const EntryPtr& entry) { return entry->term <= term; });
  return snapshot_.index + static_cast<Index>(after - entries_.begin());
}

void Log::append(EntryPtr entry) {
  ASPEN_ASSERT(entry->index == last_index() + 1);
  ASPEN_ASSERT(entry->term >= last_term());
  size_bytes_ += entry->size_bytes();
  entries_.push_back(std::move(entry));
}

const EntryPtr* Log::first_missing(std::span<const EntryPtr> entries) const {
  for (const EntryPtr& entry : entries) {
    if (entry->index >= snapshot_.index && !matches(entry->index, entry->term)) return &entry;
  }
  return nullptr;
}

void Log::truncate_from(Index from) {
  ASPEN_ASSERT(from > snapshot_.index);
  while (last_index() >= from) {
    size_bytes_ -= entries_.back()->size_bytes();
    entries_.pop_back();
  }
}

std::vector<EntryPtr> Log::slice(Index from, Index to, size_t bytes_max) const {
  ASPEN_ASSERT(from >= first_index());
  std::vector<EntryPtr> out;
  size_t bytes = 0;
  for (Index index = from; index <= std::min(to, last_index()); ++index) {
    const EntryPtr& entry = at(index);
    bytes += entry->size_bytes();
    if (!out.empty() && bytes > bytes_max) break;
    out.push_back(entry);
  }
  return out;
}

void Log::compact(const SnapshotMeta& meta) {
  ASPEN_ASSERT(meta.index >= snapshot_.index && meta.index <= last_index());
  ASPEN_ASSERT(matches(meta.index, meta.term));
  for (Index n = meta.index - snapshot_.index; n > 0; --n) {
    size_bytes_ -= entries_.front()->size_bytes();
    entries_.pop_front();
  }
  snapshot_ = meta;
}

void Log::reset(const SnapshotMeta& meta) {
  entries_.clear();
  size_bytes_ = 0;
  snapshot_ = meta;
}

}  // namespace aspen::raft

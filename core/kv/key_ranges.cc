#include "core/kv/key_ranges.h"

#include <algorithm>

namespace aspen::kv {
namespace {

// Which of two ends is further; an empty one is the furthest.
BytesView later_end(BytesView a, BytesView b) {
  if (a.empty() || b.empty()) return {};
  return std::max(a, b);
}

}  // namespace

KeyRanges::Ranges::const_iterator KeyRanges::first_after(BytesView start) const {
  auto range = ranges_.upper_bound(start);
  if (range == ranges_.begin()) return range;
  auto before = std::prev(range);
  return before_end(start, before->second.end) ? before : range;
}

void KeyRanges::add(Bytes start, Bytes end, uint64_t stamp) {
  if (!before_end(start, end)) return;
  auto range = ranges_.upper_bound(start);
  // The one before takes part when it reaches to `start`.
  if (range != ranges_.begin()) {
    auto before = std::prev(range);
    if (before->second.end.empty() || before->second.end >= start) range = before;
  }
  while (range != ranges_.end() && (end.empty() || range->first <= end)) {
    start = std::min(start, range->first);
    end = later_end(end, range->second.end);
    stamp = std::max(stamp, range->second.stamp);
    bytes_ -= range->first.size() + range->second.end.size();
    range = ranges_.erase(range);
  }
  bytes_ += start.size() + end.size();
  ranges_.emplace_hint(range, std::move(start), Rest{std::move(end), stamp});
}

std::optional<uint64_t> KeyRanges::newest(BytesView start, BytesView end) const {
  std::optional<uint64_t> newest;
  for (auto range = first_after(start); range != ranges_.end() && before_end(range->first, end); ++range) {
    newest = std::max(newest.value_or(0), range->second.stamp);
  }
  return newest;
}

}  // namespace aspen::kv

// A set of keys as disjoint ranges, each with a stamp.
//
// Ranges are [start, end), an empty end means no end. Those that touch become one, which bears the highest
// stamp of its parts.
// Thread safety: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "core/base/bytes.h"

namespace aspen::kv {

// Whether `key` comes before a range's end.
inline bool before_end(BytesView key, BytesView end) {
  return end.empty() || key < end;
}

// The range of one key alone ends here.
inline Bytes key_end(BytesView key) {
  Bytes end(key);
  end.push_back('\0');
  return end;
}

class KeyRanges {
 public:
  // A range without a key in it is not added.
  void add(Bytes start, Bytes end, uint64_t stamp = 0);

  bool contains(BytesView key) const { return overlaps(key, key_end(key)); }
  // Whether a key between `start` and `end` may be in a range with a stamp above `after`.
  bool overlaps(BytesView start, BytesView end) const { return newest(start, end).has_value(); }
  // The highest stamp of the ranges that overlap with this one.
  std::optional<uint64_t> newest(BytesView start, BytesView end) const;

  struct Rest {
    Bytes end;
    uint64_t stamp;
  };
  const std::map<Bytes, Rest, std::less<>>& by_start() const { return ranges_; }
  size_t size() const { return ranges_.size(); }
  // Bytes of all bounds.
  size_t bytes() const { return bytes_; }

 private:
  using Ranges = std::map<Bytes, Rest, std::less<>>;
  // The first range that ends after `start`.
  Ranges::const_iterator first_after(BytesView start) const;

  Ranges ranges_;
  size_t bytes_ = 0;
};

}  // namespace aspen::kv

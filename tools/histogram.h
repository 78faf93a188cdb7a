// Latencies of millions of operations in fixed memory.
//
// Buckets grow with the value: within each power of two there are 128 of equal width, so a percentile is at
// most 0.8% off at any magnitude (the idea of HdrHistogram). Values are nanoseconds, up to about 18 minutes;
// larger ones count in the last bucket.
//
// Invariants: count() is the sum of all buckets.
// Thread safety: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace aspen::tools {

class Histogram {
 public:
  void add(int64_t value_ns);
  uint64_t count() const { return count_; }
  // The value that `fraction` (0 to 1) of all values do not exceed, 0 when there are none.
  int64_t percentile_ns(double fraction) const;

 private:
  static constexpr int kSubBits = 7;
  static constexpr int kPowers = 34;
  static constexpr size_t kBuckets = static_cast<size_t>(kPowers) << kSubBits;

  static size_t bucket_of(uint64_t value);
  static uint64_t highest_in(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
};

}  // namespace aspen::tools

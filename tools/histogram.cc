#include "tools/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace aspen::tools {

// Values below 128 have a bucket each; above, the seven bits after the highest one choose among 128.
size_t Histogram::bucket_of(uint64_t value) {
  const int power = std::bit_width(value >> kSubBits);
  if (power == 0) return value;
  const uint64_t sub = (value >> (power - 1)) & ((1u << kSubBits) - 1);
  return std::min((static_cast<size_t>(power) << kSubBits) + sub, kBuckets - 1);
}

uint64_t Histogram::highest_in(size_t bucket) {
  const uint64_t power = bucket >> kSubBits, sub = bucket & ((1u << kSubBits) - 1);
  if (power == 0) return sub;
  return (((uint64_t{1} << kSubBits) + sub + 1) << (power - 1)) - 1;
}

void Histogram::add(int64_t value_ns) {
  ++buckets_[bucket_of(static_cast<uint64_t>(std::max<int64_t>(value_ns, 0)))];
  ++count_;
}

int64_t Histogram::percentile_ns(double fraction) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(fraction * static_cast<double>(count_));
  const uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count_);
  uint64_t seen = 0;
  for (size_t bucket = 0;; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return static_cast<int64_t>(highest_in(bucket));
  }
}

}  // namespace aspen::tools

// Times and durations are nanoseconds in int64_t. `TimeNs` is a point on a monotonic clock whose zero
// means nothing; `WallNs` counts from the Unix epoch and may jump. Only rt::Env reads a clock.
#pragma once

#include <cstdint>
#include <limits>

namespace aspen {

using TimeNs = int64_t;
using WallNs = int64_t;
using DurationNs = int64_t;

inline constexpr DurationNs kMicrosecond = 1'000;
inline constexpr DurationNs kMillisecond = 1'000'000;
inline constexpr DurationNs kSecond = 1'000'000'000;
inline constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();

// The first multiple of `period` after `now`. What is done again and again at such moments shares a wake-up
// with whatever else is. Requires: `now` is not negative, `period` is positive.
constexpr TimeNs next_multiple(TimeNs now, DurationNs period) {
  return now - now % period + period;
}

}  // namespace aspen

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

}  // namespace aspen

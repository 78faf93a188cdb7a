#include "core/rt/watchdog.h"

#include <utility>

#include "core/base/log.h"
#include "core/base/mutant.h"

namespace aspen::rt {

void Watchdog::report(const char* what, DurationNs took) noexcept {
  if (on_slow_step) on_slow_step(what, took);
  if (begin_ < log_again_ && !ASPEN_MUTANT("rt-watchdog-floods")) {
    ++not_logged_;
    return;
  }
  log_again_ = begin_ + limits::kSlowStepLogInterval;
  ++lines_logged_;
  log(LogLevel::warn,
      "a step of {} held the engine up for {} ms; at most {} is healthy ({} more since the last line)", what,
      took / kMillisecond, limits::kSlowStep / kMillisecond, std::exchange(not_logged_, 0));
}

}  // namespace aspen::rt

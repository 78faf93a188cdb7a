// Reports steps that hold the engine's thread up: every other task, timer and connection waits meanwhile.
//
// Each step costs one look at a coarse clock (2.7 ns; an exact one took 21), so the length is known to a tick
// of that clock, 4 ms on most systems. A step that never ends is never reported.
//
// Only a Loop watches: in the lab a step takes no time.
//
// Thread safety: none; owned by one Executor.
#pragma once

#include <functional>

#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/rt/env.h"

namespace aspen::rt {

class Watchdog {
 public:
  explicit Watchdog(Env& env) : env_(env), begin_(env.coarse_now()) {}

  // A step begins here, and where the one before ended.
  void begin() { begin_ = env_.coarse_now(); }
  void end(const char* what) {
    TimeNs now = env_.coarse_now();
    DurationNs took = now - begin_;
    begin_ = now;
    DurationNs slow = ASPEN_MUTANT("rt-watchdog-late") ? 2 * limits::kSlowStep : limits::kSlowStep;
    if (took >= slow) report(what, took);
  }

  // Called for every step of limits::kSlowStep or longer; the log gets one line in
  // limits::kSlowStepLogInterval. Must not throw.
  std::function<void(const char* what, DurationNs took)> on_slow_step;
  uint64_t lines_logged() const { return lines_logged_; }

 private:
  void report(const char* what, DurationNs took) noexcept;

  Env& env_;
  TimeNs begin_;
  TimeNs log_again_ = 0;
  uint64_t not_logged_ = 0;  // since the last line
  uint64_t lines_logged_ = 0;
};

}  // namespace aspen::rt

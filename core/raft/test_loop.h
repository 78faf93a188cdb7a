// A loop with real threads for tests, and a clock that stands still while the machine has no time for them. A
// pause of the test is then no silence of the leader, which elections would follow.
#pragma once

#include <algorithm>
#include <utility>

#include "core/rt/env.h"
#include "core/rt/loop.h"

namespace aspen::raft {

class SteadyEnv final : public rt::Env {
 public:
  // Between two looks at it the clock goes on by `step_max` at most, which is less than an election's
  // time-out.
  explicit SteadyEnv(DurationNs step_max) : step_max_(step_max), last_(real_.now()), now_(last_) {}

  TimeNs now() override {
    TimeNs now = real_.now();
    now_ += std::min(now - std::exchange(last_, now), step_max_);
    return now_;
  }
  WallNs wall_now() override { return real_.wall_now(); }
  void random(void* out, size_t size) override { real_.random(out, size); }

 private:
  rt::Env& real_ = rt::system_env();
  const DurationNs step_max_;
  TimeNs last_;
  TimeNs now_;
};

// What tests that run on one are made of.
class TestLoop {
 public:
  // Runs the loop until `done`; false after twenty seconds.
  template <typename F>
  bool run_until(F done) {
    TimeNs end = loop_.executor().env().now() + 20 * kSecond;
    rt::Timer check(loop_.executor(), [&] {
      bool over = done() || loop_.executor().now() > end;
      over ? loop_.stop() : check.arm(loop_.executor().now() + kMillisecond / 2);
    });
    check.arm(0);
    loop_.run();
    return done();
  }

  SteadyEnv env_{20 * kMillisecond};
  rt::Loop loop_{env_};
};

}  // namespace aspen::raft

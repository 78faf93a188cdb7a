// A clock for tests with real threads: it stands still while the machine has no time for the test. A pause of
// the test is then no silence of the leader, which elections would follow.
#pragma once

#include <algorithm>
#include <utility>

#include "core/rt/env.h"

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

}  // namespace aspen::raft

// What the kernel's tests share: an executor on a clock that moves only when nothing else can happen, so
// that an hour's sleep takes no time and every run is the same.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "core/rt/region.h"

namespace aspen::rt {

class TestEnv final : public Env {
 public:
  TimeNs time = 1'000 * kSecond;

  TimeNs now() override { return time; }
  WallNs wall_now() override { return time; }
  void random(void* out, size_t size) override {
    for (size_t i = 0; i < size; ++i) static_cast<uint8_t*>(out)[i] = static_cast<uint8_t>(random_());
  }

 private:
  std::minstd_rand random_{1};
};

struct TestWorld {
  TestEnv env;
  Executor executor{env};

  // Turns until only timers are left. False when that does not come about.
  bool turn_all() {
    for (int turns = 0; turns < 100'000; ++turns) {
      if (!executor.turn()) return true;
    }
    return false;
  }
  // The same up to and including time `until`, moving the clock from timer to timer.
  bool run_until(TimeNs until) {
    for (int steps = 0; steps < 100'000; ++steps) {
      if (!turn_all()) return false;
      TimeNs next = executor.next_timer();
      if (next == kNever || next > until) {
        if (until != kNever) env.time = until;
        return true;
      }
      env.time = std::max(env.time, next);
    }
    return false;
  }
  bool run_for(DurationNs duration) { return run_until(env.time + duration); }
  // Until nothing is left to happen.
  bool run() { return run_until(kNever); }
};

template <typename F>
using ValueOf = typename detail::ResultValue<std::invoke_result_t<F, Cx&>>::type;

// Runs `body` as the only task of a root region to its end, and closes the region.
template <typename F>
Outcome<ValueOf<F>> run_task(TestWorld& world, F body) {
  std::optional<Outcome<ValueOf<F>>> outcome;
  bool closed = false;
  Region region(world.executor);
  region.spawn("test", std::move(body)).then([&](Outcome<ValueOf<F>> o) { outcome = std::move(o); });
  region.close([&] { closed = true; });
  EXPECT_TRUE(world.run());
  EXPECT_TRUE(closed) << "left: " << region.pending();  // the region's end then ends the process
  return std::move(*outcome);
}

template <typename F>
auto run_task(F body) {
  TestWorld world;
  return run_task(world, std::move(body));
}

// Counts its living copies, to see that frames and closures are destroyed, and once.
struct Counted {
  explicit Counted(int& alive) : alive_(&alive) { ++*alive_; }
  Counted(const Counted& other) : alive_(other.alive_) { ++*alive_; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*alive_; }

 private:
  int* alive_;
};

}  // namespace aspen::rt

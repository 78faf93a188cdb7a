#include "core/rt/watchdog.h"

#include <thread>

#include "core/rt/loop.h"
#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

struct WatchdogTest : testing::Test {
  TestWorld world;
  std::vector<std::pair<std::string, DurationNs>> slow;

  Watchdog& watch() {
    Watchdog& watchdog = world.executor.watch_steps();
    watchdog.on_slow_step = [this](const char* what, DurationNs took) { slow.emplace_back(what, took); };
    return watchdog;
  }
  void take(DurationNs duration) { world.env.time += duration; }
};

using Slow = std::vector<std::pair<std::string, DurationNs>>;

TEST_F(WatchdogTest, ReportsTheStepThatTookLong) {
  watch();
  Deferred quick([&] { take(limits::kSlowStep - 1); });
  Deferred end([&] { take(3 * limits::kSlowStep); });
  Deferred slow_work([&] {
    take(limits::kSlowStep);
    world.executor.schedule_next(end);
  });
  Timer timer(world.executor, [&] { take(2 * limits::kSlowStep); });
  timer.arm(world.env.time);
  for (Deferred* work : {&quick, &slow_work}) world.executor.schedule(*work);
  world.executor.at_turn_end(quick);
  world.executor.turn();
  EXPECT_EQ(slow, (Slow{{"a timer", 2 * limits::kSlowStep},
                        {"work", limits::kSlowStep},
                        {"work", 3 * limits::kSlowStep}}));
}

TEST_F(WatchdogTest, TimeBetweenTurnsIsNobodys) {
  watch();
  Deferred quick([] {});
  world.executor.schedule(quick);
  take(kSecond);
  world.executor.turn();
  EXPECT_EQ(slow, Slow{});
}

TEST_F(WatchdogTest, NamesTheTask) {
  watch();
  run_task(world, [&](Cx& cx) -> Task<Result<>> {
    take(limits::kSlowStep);
    ASPEN_CO_CHECK(co_await cx.sleep(kMillisecond));
    take(2 * limits::kSlowStep);
    co_return Result<>();
  });
  EXPECT_EQ(slow, (Slow{{"test", limits::kSlowStep}, {"test", 2 * limits::kSlowStep}}));
}

TEST_F(WatchdogTest, TheLogGetsOneLineInAWhile) {
  Watchdog& watchdog = watch();
  Deferred work([&] { take(limits::kSlowStep); });
  for (size_t i = 0; i < 5; ++i) {
    world.executor.schedule(work);
    world.executor.turn();
  }
  EXPECT_EQ(slow.size(), 5u);
  EXPECT_EQ(watchdog.lines_logged(), 1u);
  take(limits::kSlowStepLogInterval);
  world.executor.schedule(work);
  world.executor.turn();
  EXPECT_EQ(watchdog.lines_logged(), 2u);
}

TEST_F(WatchdogTest, ALoopWatchesItsSteps) {
  Loop loop;
  loop.executor().watch_steps().on_slow_step = [this](const char* what, DurationNs took) {
    slow.emplace_back(what, took);
  };
  auto hold_up = [] { std::this_thread::sleep_for(std::chrono::nanoseconds(3 * limits::kSlowStep)); };
  Timer timer(loop.executor(), [&] {
    hold_up();
    loop.stop();
  });
  loop.post(hold_up);
  // Sleeping until this is due is no step.
  timer.arm(system_env().now() + 10 * limits::kSlowStep);
  loop.run();
  ASSERT_EQ(slow.size(), 2u);
  EXPECT_EQ(slow[0].first, "posted work");
  EXPECT_EQ(slow[1].first, "a timer");
  EXPECT_GE(slow[1].second, 2 * limits::kSlowStep);
}

}  // namespace
}  // namespace aspen::rt

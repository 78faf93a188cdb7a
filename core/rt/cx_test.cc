#include "core/rt/cx.h"

#include "core/rt/oneshot.h"
#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

TEST(Cx, SleepTakesItsTime) {
  TestWorld world;
  TimeNs begin = world.env.time;
  auto outcome = run_task(world, [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await cx.sleep(5 * kSecond));
    EXPECT_EQ(cx.now(), begin + 5 * kSecond);
    ASPEN_CO_CHECK(co_await cx.sleep_until(begin + 7 * kSecond));
    EXPECT_EQ(cx.now(), begin + 7 * kSecond);
    ASPEN_CO_CHECK(co_await cx.sleep_until(begin));  // long past
    ASPEN_CO_CHECK(co_await cx.sleep(-1));
    EXPECT_EQ(cx.now(), begin + 7 * kSecond);
    co_return Result<>();
  });
  EXPECT_TRUE(outcome.ok());
}

TEST(Cx, AnEndlessLoopOfSleepsLetsTurnsEnd) {
  TestWorld world;
  Region root(world.executor);
  int rounds = 0;
  auto join = root.spawn("loop", [&](Cx& cx) -> Task<Result<>> {
    for (;;) {
      ASPEN_CO_CHECK(co_await cx.sleep(0));
      ++rounds;
    }
  });
  for (int i = 0; i < 10; ++i) world.executor.turn();
  EXPECT_GT(rounds, 3);
  EXPECT_LE(rounds, 10);
  join.cancel({CancelKind::user, "enough"});
  root.close([] {});
  world.run();
}

TEST(Cx, CancelEndsASleep) {
  TestWorld world;
  TimeNs begin = world.env.time;
  Region root(world.executor);
  auto join = root.spawn("sleeper", [](Cx& cx) -> Task<Result<>> {
    auto slept = co_await cx.sleep(kNever);
    EXPECT_FALSE(slept);
    EXPECT_TRUE(cx.cancelled());
    EXPECT_FALSE(cx.checkpoint());
    EXPECT_FALSE(co_await cx.sleep(kSecond)) << "every later wait fails too";
    co_return slept;
  });
  std::optional<Outcome<>> outcome;
  join.then([&](Outcome<> o) { outcome = std::move(o); });
  world.run_for(kSecond);
  EXPECT_FALSE(outcome);
  join.cancel({CancelKind::user, "stop"});
  world.turn_all();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->severity(), Severity::cancelled);
  EXPECT_EQ(outcome->result().error().code, Code::CANCELLED);
  EXPECT_EQ(outcome->result().error().message, "stop");
  EXPECT_EQ(world.env.time, begin + kSecond);
  EXPECT_EQ(world.executor.next_timer(), kNever);
  root.close([] {});
}

// Cancel and the end of the wait in one turn, in both orders.
TEST(Cx, ASatisfiedWaitKeepsItsValue) {
  for (bool cancel_first : {false, true}) {
    TestWorld world;
    Region root(world.executor);
    Result<> slept;
    bool cancelled = false;
    auto join = root.spawn("sleeper", [&](Cx& cx) -> Task<Result<>> {
      slept = co_await cx.sleep(kSecond);
      cancelled = cx.cancelled();
      co_return Result<>();
    });
    Timer canceller(world.executor, [&] { join.cancel({CancelKind::user, "stop"}); });
    TimeNs at = world.env.time + kSecond;
    if (cancel_first) canceller.arm(at);
    world.turn_all();
    if (!cancel_first) canceller.arm(at);
    world.run();
    EXPECT_EQ(slept.has_value(), !cancel_first);
    EXPECT_TRUE(cancelled);
    root.close([] {});
  }
}

TEST(Cx, AnUncancelledTaskPassesItsCheckpoints) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<>> {
    EXPECT_FALSE(cx.cancelled());
    EXPECT_EQ(cx.deadline(), kNever);
    EXPECT_EQ(cx.region().task_count(), 1u);
    co_return cx.checkpoint();
  });
  EXPECT_TRUE(outcome.ok());
}

// Two waits of one task at a time: the lambda below uses the Cx of the task around it.
TEST(Cx, WaitingTwiceAtOncePanics) {
  TestWorld world;
  Region root(world.executor);
  Cx* stolen = nullptr;
  std::optional<Outcome<>> outcome;
  auto owner = root.spawn("owner", [&](Cx& cx) -> Task<Result<>> {
    stolen = &cx;
    co_return co_await cx.sleep(kSecond);
  });
  root.spawn("thief", [&](Cx&) -> Task<Result<>> { co_return co_await stolen->sleep(kSecond); })
      .then([&](Outcome<> o) { outcome = std::move(o); });
  world.run();
  EXPECT_EQ(outcome->severity(), Severity::panicked);
  EXPECT_TRUE(owner.done());
  root.close([] {});
}

}  // namespace
}  // namespace aspen::rt

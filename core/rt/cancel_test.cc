// How requests to cancel and deadlines travel through regions and tasks.
#include "core/rt/region.h"
#include "core/rt/test_world.h"
#include "core/rt/timeout.h"

namespace aspen::rt {
namespace {

constexpr DurationNs kHour = 3600 * kSecond;

// A task that opens a region whose task opens a region, `depth` times; the innermost sleeps.
Task<Result<>> nest(Cx& cx, int depth, std::vector<Error>& seen) {
  if (depth == 0) {
    auto slept = co_await cx.sleep(kHour);
    if (!slept) seen.push_back(slept.error());
    co_return slept;
  }
  Region region(cx);
  Region inner(region);
  inner.spawn("nested", [&, depth](Cx& cx) { return nest(cx, depth - 1, seen); });
  co_await inner.close();
  co_await region.close();
  auto checked = cx.checkpoint();
  if (!checked) seen.push_back(checked.error());
  co_return checked;
}

TEST(Cancel, ReachesEverythingBelowWithItsReason) {
  TestWorld world;
  TimeNs begin = world.env.time;
  Region root(world.executor);
  std::vector<Error> seen;
  root.spawn("top", [&](Cx& cx) { return nest(cx, 5, seen); });
  world.run_for(kSecond);
  root.cancel({CancelKind::shutdown, "going down"});
  bool closed = false;
  root.close([&] { closed = true; });
  world.run_for(kSecond);
  EXPECT_TRUE(closed);
  EXPECT_LT(world.env.time - begin, kHour);
  ASSERT_EQ(seen.size(), 6u);
  for (const Error& error : seen) {
    EXPECT_EQ(error.code, Code::SHUTDOWN);
    EXPECT_EQ(error.message, "going down");
  }
}

TEST(Cancel, TheStrongestReasonStands) {
  TestWorld world;
  Region root(world.executor);
  std::optional<Outcome<>> outcome;
  auto join = root.spawn("task", [](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(kHour); });
  join.then([&](Outcome<> o) { outcome = std::move(o); });
  join.cancel({CancelKind::user, "first"});
  join.cancel({CancelKind::shutdown, "second", "node", 5});
  join.cancel({CancelKind::deadline, "weaker"});
  root.cancel({CancelKind::shutdown, "later", "node", 6});
  world.run();
  EXPECT_EQ(outcome->result().error().message, "second");
  root.close([] {});
}

TEST(Cancel, TheRegionStaysOpenAndLaterTasksStartCancelled) {
  TestWorld world;
  Region root(world.executor);
  root.cancel({CancelKind::user, "stop"});
  EXPECT_EQ(root.state(), Region::State::open);
  std::vector<Error> seen;
  root.spawn("late", [&](Cx& cx) {
    EXPECT_TRUE(cx.cancelled());
    return nest(cx, 2, seen);
  });
  Region child(root);
  child.spawn("in child", [&](Cx& cx) { return nest(cx, 0, seen); });
  child.close([] {});
  root.close([] {});
  world.run_for(kSecond);
  EXPECT_EQ(root.state(), Region::State::closed);
  EXPECT_EQ(seen.size(), 4u);
}

TEST(Cancel, InAMaskWaits) {
  TestWorld world;
  Region root(world.executor);
  int slept = 0;
  auto join = root.spawn("task", [&](Cx& cx) -> Task<Result<>> {
    {
      Cx::Mask outer(cx);
      {
        Cx::Mask inner(cx);
        if (co_await cx.sleep(kSecond)) ++slept;
      }
      EXPECT_FALSE(cx.cancelled());
      if (co_await cx.sleep(kSecond)) ++slept;
      EXPECT_TRUE(cx.checkpoint());
    }
    EXPECT_TRUE(cx.cancelled());
    co_return co_await cx.sleep(kSecond);
  });
  std::optional<Outcome<>> outcome;
  join.then([&](Outcome<> o) { outcome = std::move(o); });
  world.run_for(1);
  join.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(slept, 2);
  EXPECT_EQ(outcome->severity(), Severity::cancelled);
  root.close([] {});
}

// What runs inside the mask is part of what it protects.
TEST(Cancel, InAMaskReachesTheTasksRegionsOnlyAfterIt) {
  TestWorld world;
  Region root(world.executor);
  std::vector<Error> background;
  auto join = root.spawn("task", [&](Cx& cx) -> Task<Result<>> {
    Region region(cx);
    region.spawn("background", [&](Cx& cx) { return nest(cx, 0, background); });
    {
      Cx::Mask mask(cx);
      for (int i = 0; i < 2; ++i) {  // the cancel comes in the first round, and stands in the second
        auto worked = co_await timeout(
            cx, kHour, [](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(kSecond); });
        EXPECT_TRUE(worked) << i;
      }
      EXPECT_TRUE(background.empty());
    }
    co_await region.close();
    EXPECT_EQ(background.size(), 1u);
    co_return Result<>();
  });
  world.run_for(1);
  join.cancel({CancelKind::user, "stop"});
  world.run_for(kHour / 2);
  EXPECT_TRUE(join.done());
  root.close([] {});
  world.run();
}

TEST(Deadline, IsInheritedAndOnlyShortened) {
  TestWorld world;
  TimeNs now = world.env.time;
  Region root(world.executor, {.deadline = now + 10});
  Region longer(root, {.deadline = now + 20});
  Region shorter(root, {.deadline = now + 5});
  EXPECT_EQ(longer.deadline(), now + 10);
  EXPECT_EQ(shorter.deadline(), now + 5);
  root.spawn(
      "task",
      [&](Cx& cx) -> Task<Result<>> {
        EXPECT_EQ(cx.deadline(), now + 7);
        Region child(cx);
        EXPECT_EQ(child.deadline(), now + 7);
        child.spawn(
            "child",
            [&](Cx& cx) -> Task<Result<>> {
              EXPECT_EQ(cx.deadline(), now + 7);
              co_return Result<>();
            },
            now + 100);
        co_await child.close();
        co_return Result<>();
      },
      now + 7);
  longer.close([] {});
  shorter.close([] {});
  root.close([] {});
  world.run();
  EXPECT_EQ(root.state(), Region::State::closed);
}

TEST(Deadline, CancelsWhenItPasses) {
  TestWorld world;
  TimeNs begin = world.env.time;
  auto outcome = run_task(world, [](Cx& cx) -> Task<Result<>> {
    Region region(cx);
    auto join = region.spawn(
        "slow", [](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(kHour); }, cx.now() + kSecond);
    auto outcome = co_await join.wait(cx);
    EXPECT_EQ(outcome.severity(), Severity::cancelled);
    co_await region.close();
    EXPECT_FALSE(cx.cancelled());
    co_return std::move(outcome).result();
  });
  EXPECT_EQ(outcome.result().error().code, Code::DEADLINE_EXCEEDED);
  EXPECT_NE(outcome.result().error().message.find("slow"), std::string::npos);
  EXPECT_EQ(world.env.time, begin + kSecond);
}

TEST(Deadline, OfATaskThatEndedLeavesNoTimer) {
  TestWorld world;
  Region root(world.executor);
  auto join =
      root.spawn("quick", [](Cx&) -> Task<Result<>> { co_return Result<>(); }, world.env.time + kHour);
  world.executor.turn();
  EXPECT_TRUE(join.done());  // in the turn in which it returned
  EXPECT_EQ(world.executor.next_timer(), kNever);
  root.close([] {});
}

TEST(Timeout, YieldsTheValue) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<int>> {
    co_return co_await timeout(cx, kSecond, [](Cx& cx) -> Task<Result<int>> {
      ASPEN_CO_CHECK(co_await cx.sleep(kSecond / 2));
      co_return 42;
    });
  });
  EXPECT_EQ(*outcome.result(), 42);
}

TEST(Timeout, DrainsTheWork) {
  bool drained = false;
  auto outcome = run_task([&](Cx& cx) -> Task<Result<>> {
    auto result = co_await timeout(cx, kSecond, [&](Cx& cx) -> Task<Result<>> {
      auto slept = co_await cx.sleep(kHour);
      Cx::Mask mask(cx);
      co_await cx.sleep(kSecond);
      drained = true;
      co_return slept;
    });
    EXPECT_TRUE(drained);
    EXPECT_FALSE(cx.cancelled());
    co_return result;
  });
  EXPECT_EQ(outcome.result().error().code, Code::DEADLINE_EXCEEDED);
  EXPECT_EQ(outcome.severity(), Severity::err) << "the task itself was not cancelled";
}

// The deadline of the outer one is the inner one's too; whichever notices first, the answer is the same.
TEST(Timeout, NestedSaysDeadlineExceeded) {
  auto outcome = run_task([&](Cx& cx) -> Task<Result<>> {
    co_return co_await timeout(cx, kSecond, [&](Cx& cx) -> Task<Result<>> {
      co_return co_await timeout(cx, kHour, [&](Cx& cx) -> Task<Result<>> {
        co_return co_await timeout(cx, 2 * kHour,
                                   [](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(kHour); });
      });
    });
  });
  EXPECT_EQ(outcome.result().error().code, Code::DEADLINE_EXCEEDED);
}

TEST(Timeout, OfNeverIsNone) {
  auto outcome = run_task([&](Cx& cx) -> Task<Result<>> {
    co_return co_await timeout(cx, kNever, [&](Cx& cx) -> Task<Result<>> {
      EXPECT_EQ(cx.deadline(), kNever);
      co_return co_await cx.sleep(kSecond);
    });
  });
  EXPECT_TRUE(outcome.ok());
}

TEST(Timeout, OfNothingStillStartsTheWork) {
  auto outcome = run_task([&](Cx& cx) -> Task<Result<int>> {
    co_return co_await timeout(cx, 0, [](Cx&) -> Task<Result<int>> { co_return 42; });
  });
  EXPECT_EQ(*outcome.result(), 42);
}

TEST(Timeout, PassesAPanicAsAnError) {
  auto outcome = run_task([&](Cx& cx) -> Task<Result<>> {
    co_return co_await timeout(cx, kSecond, [](Cx&) -> Task<Result<>> {
      ASPEN_ASSERT(1 + 1 == 3);
      co_return Result<>();
    });
  });
  EXPECT_EQ(outcome.result().error().code, Code::INTERNAL);
}

}  // namespace
}  // namespace aspen::rt

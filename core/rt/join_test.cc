#include "core/rt/region.h"
#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

TEST(Join, YieldsTheOutcome) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<int>> {
    Region region(cx);
    auto value = region.spawn("value", [](Cx& cx) -> Task<Result<int>> {
      co_await cx.sleep(kSecond);
      co_return 42;
    });
    auto error = region.spawn(
        "error", [](Cx&) -> Task<Result<int>> { co_return fail(Code::CORRUPT, "the disk is on fire"); });
    EXPECT_FALSE(value.done());
    auto value_outcome = co_await value.wait(cx);
    auto error_outcome = co_await error.wait(cx);  // done long ago
    EXPECT_TRUE(error.done());
    EXPECT_EQ(error_outcome.severity(), Severity::err);
    EXPECT_EQ(error_outcome.result().error().code, Code::CORRUPT);
    co_await region.close();
    co_return std::move(value_outcome).result();
  });
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(*outcome.result(), 42);
}

TEST(Join, YieldsAPanic) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<>> {
    Region region(cx);
    auto asserts = region.spawn("asserts", [](Cx& cx) -> Task<Result<>> {
      co_await cx.sleep(kSecond);
      ASPEN_ASSERT(1 + 1 == 3);
      co_return Result<>();
    });
    auto throws = region.spawn("throws", [](Cx&) -> Task<Result<>> {
      throw 7;
      co_return Result<>();
    });
    auto early =
        region.spawn("early", [](Cx&) -> Task<Result<>> { throw std::runtime_error("no coroutine"); });
    auto first = co_await asserts.wait(cx);
    auto second = co_await throws.wait(cx);
    auto third = co_await early.wait(cx);
    co_await region.close();
    EXPECT_EQ(first.severity(), Severity::panicked);
    EXPECT_EQ(first.result().error().code, Code::INTERNAL);
    EXPECT_NE(first.result().error().message.find("1 + 1 == 3"), std::string::npos);
    EXPECT_EQ(second.severity(), Severity::panicked);
    EXPECT_EQ(third.severity(), Severity::panicked);
    co_return Result<>();
  });
  EXPECT_TRUE(outcome.ok());
}

TEST(Join, AValueInSpiteOfCancelIsOk) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<int>> {
    Region region(cx);
    auto finishes = region.spawn("finishes", [](Cx& cx) -> Task<Result<int>> {
      EXPECT_FALSE(co_await cx.sleep(kSecond));
      co_return 42;
    });
    auto fails = region.spawn("fails", [](Cx& cx) -> Task<Result<int>> {
      EXPECT_FALSE(co_await cx.sleep(kSecond));
      co_return fail(Code::CORRUPT, "found while draining");
    });
    region.cancel({CancelKind::user, "stop"});
    auto value = co_await finishes.wait(cx);
    auto error = co_await fails.wait(cx);
    co_await region.close();
    EXPECT_EQ(value.severity(), Severity::ok);
    EXPECT_EQ(error.severity(), Severity::err);
    EXPECT_FALSE(cx.cancelled());
    co_return std::move(value).result();
  });
  EXPECT_EQ(*outcome.result(), 42);
}

TEST(Join, ACancelledWaitPassesItOnAndDrains) {
  TestWorld world;
  Region root(world.executor);
  bool drained = false;
  auto outer = root.spawn("outer", [&](Cx& cx) -> Task<Result<int>> {
    // The inner task is not below this one: only the wait leads to it.
    auto inner = root.spawn("inner", [&](Cx& cx) -> Task<Result<int>> {
      auto slept = co_await cx.sleep(3600 * kSecond);
      EXPECT_FALSE(slept);
      {
        Cx::Mask mask(cx);
        co_await cx.sleep(kSecond);
      }
      drained = true;
      co_return forward_error(std::move(slept));
    });
    auto outcome = co_await inner.wait(cx);
    EXPECT_TRUE(drained);
    EXPECT_EQ(outcome.severity(), Severity::cancelled);
    co_return std::move(outcome).result();
  });
  std::optional<Outcome<int>> outcome;
  outer.then([&](Outcome<int> o) { outcome = std::move(o); });
  world.run_for(kSecond);
  outer.cancel({CancelKind::shutdown, "going down"});
  world.run();
  ASSERT_TRUE(outcome);
  // The reason travels as it is, so the outer task ended by its own cancel too.
  EXPECT_EQ(outcome->severity(), Severity::cancelled);
  EXPECT_EQ(outcome->result().error().code, Code::SHUTDOWN);
  EXPECT_EQ(outcome->result().error().message, "going down");
  root.close([] {});
}

TEST(Join, AWaitBegunWhenCancelledPassesItOnToo) {
  TestWorld world;
  TimeNs begin = world.env.time;
  Region root(world.executor);
  auto inner = root.spawn("inner", [](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(kSecond); });
  auto outer =
      root.spawn("outer", [&](Cx& cx) -> Task<Result<>> { co_return (co_await inner.wait(cx)).result(); });
  outer.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_TRUE(outer.done());
  EXPECT_EQ(world.env.time, begin);
  root.close([] {});
}

TEST(Join, AMaskedWaitPassesNothingOn) {
  TestWorld world;
  Region root(world.executor);
  auto inner = root.spawn("inner", [](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(kSecond); });
  auto outer = root.spawn("outer", [&](Cx& cx) -> Task<Result<>> {
    Cx::Mask mask(cx);
    auto outcome = co_await inner.wait(cx);
    EXPECT_TRUE(outcome.ok());
    co_return Result<>();
  });
  world.run_for(1);
  outer.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_TRUE(outer.done());
  root.close([] {});
}

TEST(Join, DroppingItLeavesTheTaskToItsRegion) {
  TestWorld world;
  Region root(world.executor);
  int alive = 0;
  bool finished = false;
  {
    auto dropped = root.spawn("task", [&, counted = Counted(alive)](Cx& cx) -> Task<Result<>> {
      co_await cx.sleep(kSecond);
      finished = true;
      co_return Result<>();
    });
  }
  EXPECT_EQ(alive, 1);
  world.run();
  EXPECT_TRUE(finished);
  EXPECT_EQ(alive, 0);
  root.close([] {});
}

TEST(Join, ThenGetsTheOutcome) {
  TestWorld world;
  Region root(world.executor);
  std::optional<int> got;
  auto join = root.spawn("task", [](Cx&) -> Task<Result<int>> { co_return 42; });
  join.then([&](Outcome<int> outcome) { got = *outcome.result(); });
  EXPECT_FALSE(got);
  world.run();
  EXPECT_EQ(got, 42);
  EXPECT_THROW(join.then([](Outcome<int>) {}), Panic);  // too late: it would never be called
  root.close([] {});
}

TEST(Join, AThenMaySpawn) {
  TestWorld world;
  Region root(world.executor);
  int runs = 0;
  std::function<void()> again = [&] {
    if (++runs == 10) return;
    root.spawn("task", [](Cx&) -> Task<Result<>> { co_return Result<>(); }).then([&](Outcome<>) { again(); });
  };
  bool closed = false;
  again();
  root.close([&] { closed = true; });
  world.run();
  EXPECT_EQ(runs, 10);
  EXPECT_TRUE(closed);
}

}  // namespace
}  // namespace aspen::rt

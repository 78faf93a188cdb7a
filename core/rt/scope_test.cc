#include "core/rt/scope.h"

#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

constexpr DurationNs kHour = 3600 * kSecond;

auto sleeps(DurationNs duration) {
  return [duration](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(duration); };
}
auto fails_after(DurationNs duration) {
  return [duration](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await cx.sleep(duration));
    co_return fail(Code::IO, "no disk");
  };
}

TEST(Scope, YieldsTheBodysValueWhenAllIsDone) {
  TestWorld world;
  TimeNs begin = world.env.time;
  auto outcome = run_task(world, [](Cx& cx) -> Task<Result<int>> {
    co_return co_await scope(cx, {}, [](Cx&, Region& region) -> Task<Result<int>> {
      region.spawn("slow", sleeps(kSecond));
      co_return 42;
    });
  });
  EXPECT_EQ(*outcome.result(), 42);
  EXPECT_EQ(world.env.time, begin + kSecond);
}

TEST(Scope, AnEarlyReturnCancelsTheRest) {
  TestWorld world;
  TimeNs begin = world.env.time;
  auto outcome = run_task(world, [](Cx& cx) -> Task<Result<>> {
    co_return co_await scope(cx, {}, [](Cx&, Region& region) -> Task<Result<>> {
      region.spawn("slow", sleeps(kHour));
      co_return fail(Code::CORRUPT, "the body gave up");
    });
  });
  EXPECT_EQ(outcome.severity(), Severity::err);
  EXPECT_EQ(outcome.error().code, Code::CORRUPT);
  EXPECT_EQ(world.env.time, begin);
}

TEST(Scope, APanicInsideIsContained) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<>> {
    auto result = co_await scope(cx, {}, [](Cx&, Region& region) -> Task<Result<>> {
      region.spawn("slow", sleeps(kHour));
      ASPEN_ASSERT(1 + 1 == 3);
      co_return Result<>();
    });
    EXPECT_EQ(result.error().code, Code::INTERNAL);
    co_return Result<>();
  });
  EXPECT_TRUE(outcome.ok());
}

TEST(Scope, WhatItCapturedOutlivesTheBody) {
  auto held = std::make_shared<int>(7);
  std::weak_ptr<int> watched = held;
  auto outcome = run_task([&](Cx& cx) -> Task<Result<>> {
    auto body = [&watched, held = std::move(held)](Cx&, Region& region) -> Task<Result<>> {
      region.spawn("later", [&watched](Cx& cx) -> Task<Result<>> {
        ASPEN_CO_CHECK(co_await cx.sleep(kSecond));
        EXPECT_FALSE(watched.expired());
        co_return Result<>();
      });
      co_return Result<>();
    };
    co_return co_await scope(cx, {}, std::move(body));
  });
  EXPECT_TRUE(outcome.ok());
  EXPECT_TRUE(watched.expired());
}

TEST(Scope, FailFastYieldsWhatFailed) {
  TestWorld world;
  TimeNs begin = world.env.time;
  for (DurationNs body_takes : {DurationNs{0}, kHour}) {
    auto outcome = run_task(world, [&](Cx& cx) -> Task<Result<>> {
      co_return co_await scope(cx, {.policy = Policy::fail_fast},
                               [&](Cx& cx, Region& region) -> Task<Result<>> {
                                 region.spawn("slow", sleeps(kHour));
                                 region.spawn("fails", fails_after(kSecond));
                                 co_return co_await cx.sleep(body_takes);
                               });
    });
    EXPECT_EQ(outcome.error().code, Code::IO) << body_takes;
  }
  EXPECT_EQ(world.env.time, begin + 2 * kSecond);
}

TEST(Scope, HearsTheCancelOfItsTask) {
  TestWorld world;
  Region root(world.executor);
  int cancelled = 0;
  auto join = root.spawn("task", [&](Cx& cx) -> Task<Result<>> {
    co_return co_await scope(cx, {}, [&](Cx& cx, Region& region) -> Task<Result<>> {
      region.spawn("slow", [&](Cx& cx) -> Task<Result<>> {
        auto slept = co_await cx.sleep(kHour);
        cancelled += !slept;
        co_return slept;
      });
      auto slept = co_await cx.sleep(kHour);
      cancelled += !slept;
      co_return slept;
    });
  });
  std::optional<Outcome<>> outcome;
  join.then([&](Outcome<> o) { outcome = std::move(o); });
  world.turn_all();
  join.cancel({CancelKind::user, "stop"});
  world.turn_all();
  EXPECT_EQ(cancelled, 2);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->severity(), Severity::cancelled);
  root.close([] {});
}

TEST(Scope, WaitingForItsOwnRegionPanicsInsteadOfHanging) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<>> {
    co_return co_await scope(cx, {}, [](Cx&, Region& region) -> Task<Result<>> {
      co_await region.close();
      co_return Result<>();
    });
  });
  EXPECT_EQ(outcome.error().code, Code::INTERNAL);
}

}  // namespace
}  // namespace aspen::rt

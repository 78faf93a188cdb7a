#include "core/rt/rate_limit.h"

#include "core/rt/test_attempts.h"
#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct RateLimitTest : testing::Test, TestAttempts {
  // One token each 10 ns, 5 at once.
  RateLimit limit{world.executor, {.tokens = 100, .period = 1000, .burst = 5, .waiters_max = 3}};
  std::vector<DurationNs> passed;

  auto passes(uint64_t tokens = 1) {
    return [this, tokens](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_CHECK(co_await limit.acquire(cx, tokens));
      passed.push_back(elapsed());
      co_return Result<>();
    };
  }
};

TEST_F(RateLimitTest, ABurstThenTheRate) {
  auto outcome = run([&](Cx& cx) -> Task<Result<>> {
    for (int i = 0; i < 8; ++i) ASPEN_CO_CHECK(co_await passes()(cx));
    co_return Result<>();
  });
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(passed, (std::vector<DurationNs>{0, 0, 0, 0, 0, 10, 20, 30}));
}

TEST_F(RateLimitTest, IdleTimeFillsTheBucketAndNoMore) {
  auto outcome = run([&](Cx& cx) -> Task<Result<>> {
    EXPECT_EQ(limit.available(), 5u);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(limit.try_acquire());
    EXPECT_EQ(limit.try_acquire().error().code, Code::OVERLOADED);
    ASPEN_CO_CHECK(co_await cx.sleep(25));
    EXPECT_EQ(limit.available(), 2u);
    ASPEN_CO_CHECK(co_await cx.sleep(kSecond));
    EXPECT_EQ(limit.available(), 5u);
    EXPECT_TRUE(limit.try_acquire(5));
    EXPECT_EQ(limit.try_acquire().error().code, Code::OVERLOADED);
    co_return Result<>();
  });
  EXPECT_TRUE(outcome.ok());
}

TEST_F(RateLimitTest, FirstComeFirstServedAlsoForMany) {
  Region root(world.executor);
  root.spawn("five", passes(5));
  root.spawn("four", passes(4));
  root.spawn("one", passes(1));
  world.run_for(1);
  EXPECT_EQ(limit.waiting(), 2u);
  EXPECT_EQ(limit.try_acquire().error().code, Code::OVERLOADED);
  root.close([] {});
  world.run();
  EXPECT_EQ(passed, (std::vector<DurationNs>{0, 40, 50}));
}

TEST_F(RateLimitTest, ACancelledWaiterTakesNothingAndLetsOthersGo) {
  Region root(world.executor);
  root.spawn("five", passes(5));
  auto four = root.spawn("four", passes(4));
  root.spawn("one", passes(1));
  world.run_for(15);
  four.cancel({CancelKind::user, "stop"});
  root.close([] {});
  world.run();
  EXPECT_EQ(passed, (std::vector<DurationNs>{0, 15}));
}

TEST_F(RateLimitTest, RefusesWhatItCanNeverGive) {
  EXPECT_EQ(limit.try_acquire(6).error().code, Code::LIMIT_EXCEEDED);
  EXPECT_EQ(run(passes(6)).error().code, Code::LIMIT_EXCEEDED);
}

TEST_F(RateLimitTest, RefusesWhenTooManyWait) {
  Region root(world.executor);
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    root.spawn("passes", passes()).then([&](Outcome<> o) {
      if (!o.ok()) refused += o.error().code == Code::OVERLOADED;
    });
  }
  root.close([] {});
  world.run();
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(passed.size(), 8u);
}

// Arrivals at random, for random amounts: in no window of time more than a burst and what the rate gives.
TEST(RateLimitModel, NeverOvershootsInAnyWindow) {
  std::minstd_rand random(7);
  for (int round = 0; round < 50; ++round) {
    TestWorld world;
    const uint64_t burst = 1 + random() % 8;
    const uint64_t tokens = 1 + random() % 50;
    RateLimit limit(world.executor, {.tokens = tokens, .period = 1000, .burst = burst});
    std::vector<std::pair<TimeNs, uint64_t>> given;
    Region root(world.executor);
    for (int i = 0; i < 60; ++i) {
      const auto at = static_cast<DurationNs>(random() % 3000);
      const uint64_t amount = 1 + random() % burst;
      root.spawn("task", [&, at, amount](Cx& cx) -> Task<Result<>> {
        ASPEN_CO_CHECK(co_await cx.sleep(at));
        ASPEN_CO_CHECK(co_await limit.acquire(cx, amount));
        given.emplace_back(cx.now(), amount);
        co_return Result<>();
      });
    }
    root.close([] {});
    world.run();
    ASSERT_EQ(given.size(), 60u);
    const uint64_t interval = (1000 + tokens - 1) / tokens;
    for (size_t i = 0; i < given.size(); ++i) {
      uint64_t sum = 0;
      for (size_t j = i; j < given.size(); ++j) {
        sum += given[j].second;
        ASSERT_LE(sum, burst + static_cast<uint64_t>(given[j].first - given[i].first) / interval);
      }
    }
  }
}

struct RateLimitWorkload : InjectedWorkload {
  RateLimit limit{world.executor, {.tokens = 1, .period = 2, .burst = 2}};
  void start() override {
    for (int i = 0; i < 4; ++i) {
      part("takes", [this](Cx& cx) -> Task<Result<>> {
        ASPEN_CO_CHECK(co_await limit.acquire(cx));
        co_return co_await limit.acquire(cx, 2);
      });
    }
  }
  void check(bool) override { EXPECT_EQ(limit.waiting(), 0u); }
};

TEST(RateLimitInjection, LosesNoWakeUpWhereverItIsCancelled) {
  EXPECT_GT(inject_cancels<RateLimitWorkload>().runs, 20);
}

}  // namespace
}  // namespace aspen::rt

// Budgets of tasks and limits of regions: what they refuse, what they cancel, what everybody is told.
#include "core/rt/region.h"
#include "core/rt/test_world.h"
#include "core/rt/timeout.h"

namespace aspen::rt {
namespace {

auto sleeps(DurationNs duration) {
  return [duration](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(duration); };
}

struct QuotaTest : testing::Test {
  TestWorld world;
  std::vector<Outcome<>> outcomes;
  auto keep() {
    return [this](Outcome<> o) { outcomes.push_back(std::move(o)); };
  }
  // Closes `region`, which must be possible.
  void finish(Region& region) {
    region.close([] {});
    world.run();
    EXPECT_EQ(region.state(), RegionState::closed) << region.pending();
  }
};

TEST_F(QuotaTest, AFullRegionCompletesWhatItRefuses) {
  Region root(world.executor, {.name = "small", .tasks_max = 2});
  root.spawn("one", sleeps(kSecond));
  root.spawn("two", sleeps(kSecond));
  bool ran = false;
  auto body = [&](Cx&) -> Task<Result<>> {
    ran = true;
    co_return Result<>();
  };
  root.spawn("three", body).then(keep());
  auto waited = root.spawn("four", body);
  EXPECT_TRUE(outcomes.empty()) << "never from inside spawn";
  EXPECT_EQ(root.task_count(), 2u);
  world.turn_all();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].error().code, Code::OVERLOADED);
  EXPECT_NE(outcomes[0].error().message.find("region small holds 2 tasks; at most 2"), std::string::npos)
      << outcomes[0].error().message;
  EXPECT_TRUE(waited.done());
  EXPECT_FALSE(ran);
  world.run_for(2 * kSecond);
  root.spawn("five", body).then(keep());  // there is room again
  finish(root);
  EXPECT_TRUE(ran);
}

TEST_F(QuotaTest, ACloseWaitsForWhatWasRefused) {
  Region root(world.executor, {.tasks_max = 0});
  root.spawn("refused", sleeps(kSecond)).then(keep());
  bool closed = false;
  root.close([&] { closed = true; });
  EXPECT_FALSE(closed);
  world.run();
  EXPECT_TRUE(closed);
  EXPECT_EQ(outcomes.size(), 1u);
}

TEST_F(QuotaTest, ARegionOverTheLimitRefusesAllItsTasks) {
  Region root(world.executor, {.name = "root", .children_max = 2});
  Region first(root);
  auto opens = root.spawn("opens", [&](Cx& cx) -> Task<Result<>> {
    Region second(cx);
    EXPECT_EQ(cx.region().child_count(), 2u);
    auto third = co_await timeout(cx, kSecond, sleeps(1));
    EXPECT_EQ(third.error().code, Code::OVERLOADED);
    EXPECT_NE(third.error().message.find("region root has 2 regions below it; at most 2"), std::string::npos)
        << third.error().message;
    co_await second.close();
    co_return co_await timeout(cx, kSecond, sleeps(1));
  });
  opens.then(keep());
  world.run();
  EXPECT_TRUE(outcomes[0].ok());
  first.close([] {});
  EXPECT_EQ(root.child_count(), 0u);
  finish(root);
}

TEST_F(QuotaTest, ARefusedRegionStillRunsItsFinalizers) {
  Region root(world.executor, {.children_max = 0});
  Region child(root);
  bool finalized = false;
  child.add_finalizer([&](Cx&) -> Task<void> {
    finalized = true;
    co_return;
  });
  child.close([] {});
  finish(root);
  EXPECT_TRUE(finalized);
}

TEST_F(QuotaTest, PollsAreResumes) {
  Region root(world.executor);
  int rounds = 0;
  auto loop = [&](Cx& cx) -> Task<Result<>> {
    for (;;) {
      EXPECT_EQ(cx.budget().polls, static_cast<uint64_t>(2 - rounds));
      ASPEN_CO_CHECK(co_await cx.sleep(1));
      if (++rounds == 3) break;
    }
    EXPECT_EQ(cx.cancel_reason()->kind, CancelKind::poll_quota);
    co_return cx.checkpoint();
  };
  // The start, two more; the wait that ends with the fourth keeps its value.
  root.spawn("loop", loop, Budget{.polls = 3}).then(keep());
  world.run();
  EXPECT_EQ(rounds, 3);
  EXPECT_EQ(outcomes.at(0).severity(), Severity::cancelled);
  EXPECT_EQ(outcomes[0].error().code, Code::CANCELLED);
  finish(root);
}

TEST_F(QuotaTest, EveryWaitAndCloseOfATaskIsAPoll) {
  Region root(world.executor);
  root.spawn(
          "task",
          [&](Cx& cx) -> Task<Result<>> {
            EXPECT_EQ(cx.budget().polls, 9u);
            Region region(cx);
            auto join = region.spawn("child", sleeps(1));
            (void)co_await join.wait(cx);
            EXPECT_EQ(cx.budget().polls, 8u);
            region.spawn("other", sleeps(1));
            co_await region.close();
            EXPECT_EQ(cx.budget().polls, 7u);
            co_return Result<>();
          },
          Budget{.polls = 10})
      .then(keep());
  finish(root);
  EXPECT_TRUE(outcomes.at(0).ok());
}

TEST_F(QuotaTest, CostIsWhatItCharges) {
  Region root(world.executor, {.budget = {.cost = 10}});
  root.spawn("task",
             [&](Cx& cx) -> Task<Result<>> {
               EXPECT_TRUE(cx.charge(7));
               EXPECT_EQ(cx.budget().cost, 3u);
               EXPECT_TRUE(cx.charge(3));
               auto charged = cx.charge(1);
               EXPECT_FALSE(charged);
               EXPECT_EQ(cx.cancel_reason()->kind, CancelKind::cost_budget);
               co_return charged;
             })
      .then(keep());
  root.spawn(
          "unbounded", [&](Cx& cx) -> Task<Result<>> { co_return cx.charge(11); }, Budget{.cost = 100})
      .then(keep());
  finish(root);
  EXPECT_EQ(outcomes.at(0).severity(), Severity::cancelled);
  EXPECT_EQ(outcomes.at(1).severity(), Severity::cancelled) << "the region's budget is narrower";
}

TEST_F(QuotaTest, BudgetsNarrowOnTheWayDown) {
  Region root(world.executor);
  TimeNs now = world.env.time;
  root.spawn(
          "task",
          [&](Cx& cx) -> Task<Result<>> {
            (void)cx.charge(40);
            Region region(cx, {.budget = {.deadline = now + 100, .polls = 7, .priority = 1}});
            EXPECT_EQ(region.budget(), (Budget{now + 50, 7, 60, 3}));
            EXPECT_EQ(region.deadline(), now + 50);
            region.spawn(
                "child",
                [&](Cx& cx) -> Task<Result<>> {
                  EXPECT_EQ(cx.priority(), 9);
                  EXPECT_EQ(cx.budget().cost, 60u) << "what the parent has left";
                  EXPECT_EQ(cx.deadline(), now + 50);
                  co_return Result<>();
                },
                Budget{.cost = 1000, .priority = 9});
            co_await region.close();
            co_return Result<>();
          },
          Budget{.deadline = now + 50, .cost = 100, .priority = 3})
      .then(keep());
  finish(root);
  EXPECT_TRUE(outcomes.at(0).ok());
}

TEST_F(QuotaTest, OneTimerForTheDeadlineOfARegion) {
  Region root(world.executor, {.deadline = world.env.time + kSecond, .name = "limited"});
  for (int i = 0; i < 3; ++i) root.spawn("slow", sleeps(3600 * kSecond)).then(keep());
  world.run_for(2 * kSecond);
  ASSERT_EQ(outcomes.size(), 3u);
  for (const Outcome<>& outcome : outcomes) {
    EXPECT_EQ(outcome.severity(), Severity::cancelled);
    EXPECT_EQ(outcome.error().code, Code::DEADLINE_EXCEEDED);
    EXPECT_NE(outcome.error().message.find("region limited"), std::string::npos);
  }
  finish(root);
}

}  // namespace
}  // namespace aspen::rt

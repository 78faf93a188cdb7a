// Cleanup is bounded: what a cancel cannot end in its cleanup budget is forced, then reported; never
// destroyed.
#include "core/base/limits.h"
#include "core/rt/oneshot.h"
#include "core/rt/region.h"
#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

constexpr DurationNs kHour = 3600 * kSecond;

struct CleanupTest : testing::Test {
  CleanupTest() {
    world.executor.on_stuck = [this](const std::string& text) { stuck.push_back(text); };
  }
  ~CleanupTest() override {
    root.close([this] { closed = true; });
    world.run_for(kSecond);
    EXPECT_TRUE(closed) << root.pending();
  }
  TimeNs now() const { return world.env.time; }

  TestWorld world;
  TimeNs begin = world.env.time;
  std::vector<std::string> stuck;
  Region root{world.executor, {.name = "root"}};
  bool closed = false;
};

// Sleeps in a mask; tells when the sleep ended and how.
auto masked_sleep(TimeNs& ended, Result<>& slept, DurationNs duration = kHour) {
  return [&, duration](Cx& cx) -> Task<Result<>> {
    {
      Cx::Mask mask(cx);
      slept = co_await cx.sleep(duration);
      ended = cx.now();
    }
    co_return cx.checkpoint();
  };
}

TEST_F(CleanupTest, AMaskHoldsForTheBudgetAndNoLonger) {
  for (auto [kind, allowed] : {std::pair(CancelKind::user, limits::kCleanupRequestTime),
                               std::pair(CancelKind::deadline, limits::kCleanupFailureTime),
                               std::pair(CancelKind::shutdown, limits::kCleanupShutdownTime)}) {
    TimeNs ended = 0;
    Result<> slept;
    auto join = root.spawn("masked", masked_sleep(ended, slept));
    world.turn_all();
    TimeNs asked = now();
    world.executor.read_clock();
    join.cancel({kind, "stop"});
    world.run_for(kHour / 2);
    EXPECT_FALSE(slept);
    EXPECT_EQ(ended - asked, allowed) << to_string(kind);
    EXPECT_TRUE(join.done());
  }
  EXPECT_TRUE(stuck.empty());
}

TEST_F(CleanupTest, WhatEndsInTimeIsNotCutShort) {
  TimeNs ended = 0;
  Result<> slept;
  auto join = root.spawn("masked", masked_sleep(ended, slept, limits::kCleanupRequestTime - 1));
  world.turn_all();
  join.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_TRUE(slept);
  EXPECT_EQ(world.executor.next_timer(), kNever) << "no clock is left behind";
}

TEST_F(CleanupTest, AStrongerRequestLeavesLessTime) {
  TimeNs ended = 0;
  Result<> slept;
  auto join = root.spawn("masked", masked_sleep(ended, slept));
  world.turn_all();
  join.cancel({CancelKind::user, "stop"});
  world.run_for(kSecond);
  world.executor.read_clock();
  root.cancel({CancelKind::shutdown, "going down"});
  world.run_for(kHour / 2);
  EXPECT_EQ(ended, begin + kSecond + limits::kCleanupShutdownTime);
  EXPECT_EQ(slept.error().code, Code::SHUTDOWN);
}

// The time counts from the request, for everything below it: depth does not add to it.
TEST_F(CleanupTest, IsOneBudgetForTheWholeTree) {
  std::vector<TimeNs> ended;
  std::function<Task<Result<>>(Cx&, int)> nest = [&](Cx& cx, int depth) -> Task<Result<>> {
    Cx::Mask mask(cx);
    if (depth > 0) {
      Region region(cx);
      region.spawn("deeper", [&, depth](Cx& cx) { return nest(cx, depth - 1); });
      co_await region.close();
    }
    (void)co_await cx.sleep(kHour);
    ended.push_back(cx.now());
    co_return Result<>();
  };
  root.spawn("top", [&](Cx& cx) { return nest(cx, 5); });
  world.turn_all();
  root.cancel({CancelKind::user, "stop"});
  world.run_for(kHour / 2);
  ASSERT_EQ(ended.size(), 6u);
  for (TimeNs at : ended) EXPECT_EQ(at, begin + limits::kCleanupRequestTime);
}

TEST_F(CleanupTest, IsBoundedBesideADeadlineThatIsStillToCome) {
  TimeNs ended = 0;
  Result<> slept;
  auto join = root.spawn("masked", masked_sleep(ended, slept), begin + kHour / 4);
  world.turn_all();
  join.cancel({CancelKind::user, "stop"});
  world.run_for(kHour / 2);
  EXPECT_EQ(ended - begin, limits::kCleanupRequestTime);
  EXPECT_FALSE(slept);
}

TEST_F(CleanupTest, LeavesNoTimeToWhatComesUnderTheForce) {
  std::vector<TimeNs> ended;
  auto masked = [&](Cx& cx) -> Task<Result<>> {
    Cx::Mask mask(cx);
    (void)co_await cx.sleep(kHour);
    ended.push_back(cx.now());
    co_return Result<>();
  };
  root.spawn("late", [&](Cx& cx) -> Task<Result<>> {
    Cx::Mask mask(cx);
    (void)co_await cx.sleep(kHour);
    Region below_task(cx);
    below_task.spawn("below the task", masked);
    co_await below_task.close();
    Region below_region(cx.region());
    below_region.spawn("below the region", masked);
    co_await below_region.close();
    cx.region().spawn("beside", masked);
    co_return Result<>();
  });
  world.turn_all();
  root.cancel({CancelKind::user, "stop"});
  world.run_for(kHour / 2);
  ASSERT_EQ(ended.size(), 3u);
  for (TimeNs at : ended) EXPECT_EQ(at, begin + limits::kCleanupRequestTime);
}

TEST_F(CleanupTest, CountsResumesToo) {
  uint64_t rounds = 0;
  auto join = root.spawn("busy", [&](Cx& cx) -> Task<Result<>> {
    Cx::Mask mask(cx);
    while (co_await cx.sleep(0)) ++rounds;
    co_return Result<>();
  });
  world.executor.turn();
  join.cancel({CancelKind::user, "stop"});
  rounds = 0;
  for (uint64_t i = 0; i < 2 * limits::kCleanupPolls && !join.done(); ++i) world.executor.turn();
  EXPECT_TRUE(join.done());
  EXPECT_NEAR(static_cast<double>(rounds), static_cast<double>(limits::kCleanupPolls), 2);
  EXPECT_EQ(now(), begin) << "no time passed";
}

TEST_F(CleanupTest, ReportsWhatDoesNotReactAndLetsItRun) {
  // A region that belongs to nobody is not reached by the cancel; the wait for its close is not cut short.
  Region other(world.executor, {.name = "other"});
  Oneshot<int> gate;
  other.spawn("holds", [&](Cx& cx) -> Task<Result<int>> { co_return co_await gate.recv(cx); });
  auto join = root.spawn("hangs", [&](Cx&) -> Task<Result<>> {
    co_await other.close();
    co_return Result<>();
  });
  world.turn_all();
  root.cancel({CancelKind::shutdown, "going down"});
  world.run_for(limits::kCleanupShutdownTime);
  EXPECT_TRUE(stuck.empty());
  world.run_for(limits::kCleanupGrace);
  ASSERT_EQ(stuck.size(), 1u);
  EXPECT_NE(stuck[0].find("region root is stuck"), std::string::npos) << stuck[0];
  EXPECT_NE(stuck[0].find("task hangs"), std::string::npos) << stuck[0];
  EXPECT_NE(stuck[0].find("shutdown from region root: going down"), std::string::npos) << stuck[0];
  world.run_for(kHour);
  EXPECT_EQ(stuck.size(), 1u) << "once";
  EXPECT_FALSE(join.done());
  gate.set(1);
  world.run();
  EXPECT_TRUE(join.done());
}

TEST_F(CleanupTest, NamesOneTaskThatIsStuck) {
  Region other(world.executor);
  Oneshot<int> gate;
  other.spawn("holds", [&](Cx& cx) -> Task<Result<int>> { co_return co_await gate.recv(cx); });
  auto join = root.spawn("hangs", [&](Cx&) -> Task<Result<>> {
    co_await other.close();
    co_return Result<>();
  });
  world.turn_all();
  join.cancel({CancelKind::user, "stop"});
  world.run_for(kHour);
  ASSERT_EQ(stuck.size(), 1u);
  EXPECT_NE(stuck[0].find("task hangs is stuck"), std::string::npos) << stuck[0];
  EXPECT_NE(stuck[0].find("in region root"), std::string::npos) << stuck[0];
  gate.set(1);
  world.run();
}

TEST_F(CleanupTest, FinalizersHaveABudgetOfTheirOwn) {
  Region region(root, {.name = "work"});
  std::vector<TimeNs> ended;
  for (int i = 0; i < 2; ++i) {
    region.add_finalizer([&](Cx& cx) -> Task<void> {
      EXPECT_FALSE(co_await cx.sleep(kHour));
      ended.push_back(cx.now());
    });
  }
  region.close([] {});
  world.run_for(kHour);
  EXPECT_EQ(region.state(), RegionState::closed);
  // The second runs when the time of both is over, and its wait fails at once.
  TimeNs end = begin + limits::kCleanupRequestTime;
  EXPECT_EQ(ended, (std::vector<TimeNs>{end, end}));
  EXPECT_TRUE(stuck.empty());
}

TEST_F(CleanupTest, ACancelShortensTheTimeOfRunningFinalizers) {
  Region region(root);
  TimeNs ended = 0;
  region.add_finalizer([&](Cx& cx) -> Task<void> {
    (void)co_await cx.sleep(kHour);
    ended = cx.now();
  });
  region.close([] {});
  world.run_for(kSecond);
  world.executor.read_clock();
  root.cancel({CancelKind::shutdown, "going down"});
  world.run_for(kHour);
  EXPECT_EQ(ended, begin + kSecond + limits::kCleanupShutdownTime);
}

// The time counts from the request, whatever the number of regions that clean up after it.
TEST_F(CleanupTest, NestedFinalizersShareOneBudget) {
  for (size_t depth : {1, 2, 5, 20}) {
    world.executor.read_clock();
    TimeNs asked = now();
    std::vector<TimeNs> closed_at;
    std::vector<std::unique_ptr<Region>> regions;
    regions.push_back(std::make_unique<Region>(root));
    while (regions.size() < depth) regions.push_back(std::make_unique<Region>(*regions.back()));
    for (auto& region : regions) {
      region->add_finalizer([](Cx& cx) -> Task<void> { EXPECT_FALSE(co_await cx.sleep(kHour)); });
    }
    regions.front()->cancel({CancelKind::shutdown, "going down"});
    for (auto& region : regions) region->close([&] { closed_at.push_back(now()); });
    world.run_for(kHour);
    EXPECT_EQ(closed_at, std::vector<TimeNs>(depth, asked + limits::kCleanupShutdownTime)) << depth;
    while (!regions.empty()) regions.pop_back();
  }
  EXPECT_TRUE(stuck.empty());
}

TEST_F(CleanupTest, FinalizersHaveWhatTheTasksLeft) {
  Region region(root);
  TimeNs ended = 0;
  TimeNs finalized = 0;
  Result<> slept;
  region.spawn("masked", masked_sleep(ended, slept, 4 * kSecond));
  region.add_finalizer([&](Cx& cx) -> Task<void> {
    EXPECT_TRUE(co_await cx.sleep(kSecond)) << "masked";
    EXPECT_FALSE(co_await cx.sleep(kHour));
    finalized = cx.now();
  });
  world.turn_all();
  region.cancel({CancelKind::shutdown, "going down"});
  region.close([] {});
  world.run_for(kHour);
  EXPECT_EQ(ended, begin + 4 * kSecond);
  EXPECT_EQ(finalized, begin + limits::kCleanupShutdownTime);
  EXPECT_EQ(region.state(), RegionState::closed);
}

// What was cancelled above and comes to its finalizers after the end: told of, once it hangs.
TEST_F(CleanupTest, FinalizersUnderTheForceAreReportedAfterTheGrace) {
  Region other(world.executor);
  Oneshot<int> gate;
  other.spawn("holds", [&](Cx& cx) -> Task<Result<int>> { co_return co_await gate.recv(cx); });
  Region outer(root, {.name = "outer"});
  Region inner(outer, {.name = "inner"});
  inner.add_finalizer([](Cx& cx) -> Task<void> { (void)co_await cx.sleep(kHour); });
  outer.add_finalizer([&](Cx&) -> Task<void> { co_await other.close(); });
  outer.cancel({CancelKind::shutdown, "going down"});
  inner.close([] {});
  outer.close([] {});
  world.run_for(limits::kCleanupShutdownTime);
  EXPECT_EQ(inner.state(), RegionState::closed);
  EXPECT_EQ(outer.state(), RegionState::finalizing);
  EXPECT_TRUE(stuck.empty());
  world.run_for(kHour);
  ASSERT_EQ(stuck.size(), 1u);
  EXPECT_NE(stuck[0].find("region outer is stuck"), std::string::npos) << stuck[0];
  gate.set(1);
  world.run();
}

TEST_F(CleanupTest, ALaterStrongerRequestGivesNoMoreTime) {
  TimeNs ended = 0;
  Result<> slept;
  auto join = root.spawn("masked", masked_sleep(ended, slept));
  world.turn_all();
  join.cancel({CancelKind::user, "stop"});
  world.run_for(limits::kCleanupRequestTime - kSecond);
  world.executor.read_clock();
  join.cancel({CancelKind::shutdown, "going down"});
  world.run_for(kHour / 2);
  EXPECT_EQ(ended, begin + limits::kCleanupRequestTime);
}

// It changes nothing, so no second clock tells of what is stuck.
TEST_F(CleanupTest, AWeakerRequestBoundsNothing) {
  Region other(world.executor);
  Oneshot<int> gate;
  other.spawn("holds", [&](Cx& cx) -> Task<Result<int>> { co_return co_await gate.recv(cx); });
  auto join = root.spawn("hangs", [&](Cx&) -> Task<Result<>> {
    co_await other.close();
    co_return Result<>();
  });
  world.turn_all();
  root.cancel({CancelKind::shutdown, "going down"});
  join.cancel({CancelKind::user, "stop"});
  world.run_for(kHour);
  EXPECT_EQ(stuck.size(), 1u);
  gate.set(1);
  world.run();
}

TEST_F(CleanupTest, WaitingForTheLedgerHasTheBudgetOfTheCancelThatStood) {
  Region region(root, {.broken_promise = BrokenPromise::recover});
  Obligation forgotten(region, ObligationKind::permit, "place");
  region.cancel({CancelKind::shutdown, "going down"});
  region.close([] {});
  world.run_for(limits::kCleanupShutdownTime - 1);
  EXPECT_EQ(region.state(), RegionState::finalizing);
  world.run_for(1);
  EXPECT_EQ(region.state(), RegionState::closed);
}

// The quota of polls, and those of the cancel that follows from it.
TEST_F(CleanupTest, FinalizersAreBoundedInResumesToo) {
  constexpr uint64_t kMost = 2 * limits::kCleanupPolls + 2;
  Region region(root);
  uint64_t rounds = 0;
  region.add_finalizer([&](Cx& cx) -> Task<void> {
    while (rounds <= 2 * kMost && co_await cx.sleep(0)) ++rounds;
  });
  region.close([] {});
  for (uint64_t i = 0; i <= 2 * kMost && region.state() != RegionState::closed; ++i) world.executor.turn();
  EXPECT_LE(rounds, kMost);
  EXPECT_GE(rounds, limits::kCleanupPolls - 1);
  EXPECT_EQ(now(), begin) << "no time passed";
  world.run();
}

TEST_F(CleanupTest, MasksInsideEachOtherAreBounded) {
  std::optional<Outcome<>> outcome;
  root.spawn("masks",
             [](Cx& cx) -> Task<Result<>> {
               std::vector<std::unique_ptr<Cx::Mask>> masks;
               for (size_t i = 0; i <= limits::kMaskDepthMax; ++i)
                 masks.push_back(std::make_unique<Cx::Mask>(cx));
               co_return Result<>();
             })
      .then([&](Outcome<> o) { outcome = std::move(o); });
  world.run();
  EXPECT_EQ(outcome->severity(), Severity::panicked);
}

}  // namespace
}  // namespace aspen::rt

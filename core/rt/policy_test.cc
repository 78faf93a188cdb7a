// What the end of one task means for its region, and how a cancel goes down.
#include "core/rt/oneshot.h"
#include "core/rt/region.h"
#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

constexpr DurationNs kHour = 3600 * kSecond;

auto sleeps(DurationNs duration) {
  return [duration](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(duration); };
}

struct PolicyTest : testing::Test {
  TestWorld world;
  TimeNs begin = world.env.time;
  std::optional<CancelReason> told;  // the sibling's reason
  std::optional<Outcome<>> sibling;

  auto waits() {
    return [this](Cx& cx) -> Task<Result<>> {
      auto slept = co_await cx.sleep(kHour);
      if (cx.cancel_reason() != nullptr) told = *cx.cancel_reason();
      co_return slept;
    };
  }
  template <typename F>
  void run(Policy policy, F fails) {
    Region root(world.executor, {.name = "team", .policy = policy});
    root.spawn("sibling", waits()).then([this](Outcome<> o) { sibling = std::move(o); });
    root.spawn("fails", std::move(fails));
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), RegionState::closed);
    EXPECT_EQ(root.failure().has_value(), policy == Policy::fail_fast && told.has_value());
  }
};

TEST_F(PolicyTest, FailFastStopsTheOthersAtTheFirstError) {
  run(Policy::fail_fast, [](Cx&) -> Task<Result<>> { co_return fail(Code::IO, "no disk"); });
  EXPECT_EQ(world.env.time, begin);
  ASSERT_TRUE(told);
  const CancelReason& root = told->root();
  EXPECT_EQ(told->kind, CancelKind::parent_cancelled);
  EXPECT_EQ(root.kind, CancelKind::fail_fast);
  EXPECT_EQ(root.origin, "region team");
  ASSERT_TRUE(root.cause);
  EXPECT_EQ(root.cause->kind, CancelKind::linked_exit);
  EXPECT_EQ(root.cause->origin, "task fails");
  EXPECT_NE(root.cause->message.find("no disk"), std::string::npos);
  EXPECT_EQ(sibling->severity(), Severity::cancelled);
  EXPECT_EQ(sibling->error().code, Code::CANCELLED);
  EXPECT_NE(sibling->error().message.find("task fails failed: IO: no disk"), std::string::npos);
}

TEST_F(PolicyTest, FailFastStopsTheOthersAtAPanic) {
  run(Policy::fail_fast, [](Cx&) -> Task<Result<>> {
    ASPEN_ASSERT(1 + 1 == 3);
    co_return Result<>();
  });
  EXPECT_EQ(world.env.time, begin);
}

TEST_F(PolicyTest, FailFastLeavesTheOthersAtACancelOrAValue) {
  Region root(world.executor, {.policy = Policy::fail_fast});
  root.spawn("sibling", sleeps(kSecond)).then([this](Outcome<> o) { sibling = std::move(o); });
  auto stopped = root.spawn("stopped", sleeps(kHour));
  root.spawn("value", sleeps(1));
  stopped.cancel({CancelKind::user, "stop"});
  root.close([] {});
  world.run();
  EXPECT_TRUE(sibling->ok());
  EXPECT_FALSE(root.failure());
}

TEST_F(PolicyTest, CollectAllLetsEachEndByItself) {
  run(Policy::collect_all, [](Cx&) -> Task<Result<>> { co_return fail(Code::IO, "no disk"); });
  EXPECT_EQ(world.env.time, begin + kHour);
  EXPECT_TRUE(sibling->ok());
}

TEST_F(PolicyTest, ARegionThatClosesDrainsWhenItIsCancelled) {
  Region root(world.executor);
  root.spawn("slow", sleeps(kHour));
  world.turn_all();
  bool closed = false;
  root.close([&] { closed = true; });
  EXPECT_EQ(root.state(), RegionState::closing);
  root.cancel({CancelKind::user, "stop"});
  EXPECT_EQ(root.state(), RegionState::draining);
  world.run();
  EXPECT_TRUE(closed);

  Region other(world.executor);
  other.spawn("slow", sleeps(kHour));
  other.cancel({CancelKind::user, "stop"});
  EXPECT_EQ(other.state(), RegionState::open);
  other.close([] {});
  EXPECT_EQ(other.state(), RegionState::draining);
  world.run();
}

TEST_F(PolicyTest, BelowItIsTheParentThatWasCancelled) {
  Region root(world.executor, {.name = "top"});
  std::vector<CancelReason> seen;
  root.spawn("task", [&](Cx& cx) -> Task<Result<>> {
    Region region(cx);
    region.spawn("deep", [&](Cx& cx) -> Task<Result<>> {
      auto slept = co_await cx.sleep(kHour);
      seen.push_back(*cx.cancel_reason());
      co_return slept;
    });
    co_await region.close();
    seen.push_back(*cx.cancel_reason());
    co_return cx.checkpoint();
  });
  world.turn_all();
  root.cancel({CancelKind::shutdown, "going down"});
  root.close([] {});
  world.run();
  ASSERT_EQ(seen.size(), 2u);
  for (const CancelReason& reason : seen) {
    EXPECT_EQ(reason.kind, CancelKind::parent_cancelled);
    EXPECT_EQ(reason.origin, "region top");
    EXPECT_EQ(reason.root().kind, CancelKind::shutdown);
    EXPECT_EQ(reason.root().time, begin);
  }
}

// Each strengthening goes all the way down, and what a task returned for the weaker one is Cancelled too.
TEST_F(PolicyTest, AStrongerRequestStrengthensEverythingBelow) {
  Region root(world.executor);
  Oneshot<int> gate;
  Oneshot<int> other_gate;
  root.spawn("task",
             [&](Cx& cx) -> Task<Result<>> {
               auto first = cx.checkpoint();
               {
                 Cx::Mask mask(cx);
                 (void)co_await gate.recv(cx);
                 first = co_await cx.sleep(1);
               }
               co_return fail(Code::CANCELLED, "said the first reason");
             })
      .then([this](Outcome<> o) { sibling = std::move(o); });
  Region child(root);
  child.spawn("sibling", [&](Cx& cx) -> Task<Result<>> {
    {
      Cx::Mask mask(cx);
      (void)co_await other_gate.recv(cx);
    }
    told = *cx.cancel_reason();
    co_return cx.checkpoint();
  });
  world.turn_all();
  root.cancel({CancelKind::user, "stop"});
  root.cancel({CancelKind::shutdown, "going down"});
  root.cancel({CancelKind::user, "stop again"});
  gate.set(1);
  other_gate.set(1);
  child.close([] {});
  root.close([] {});
  world.run_for(kSecond);
  EXPECT_EQ(told->root().kind, CancelKind::shutdown);
  EXPECT_EQ(sibling->severity(), Severity::cancelled);
}

// A chain of many regions, and one of tasks that wait for each other.
TEST_F(PolicyTest, ACancelNeedsNoStack) {
  constexpr int kDepth = 50'000;
  std::vector<std::unique_ptr<Region>> chain;
  chain.push_back(std::make_unique<Region>(world.executor));
  for (int i = 0; i < kDepth; ++i) chain.push_back(std::make_unique<Region>(*chain.back()));
  chain.back()->spawn("bottom", sleeps(kHour)).then([this](Outcome<> o) { sibling = std::move(o); });

  Region root(world.executor);
  std::vector<Join<>> joins;
  joins.push_back(root.spawn("first", sleeps(kHour)));
  for (int i = 0; i < kDepth; ++i) {
    joins.push_back(root.spawn("waits", [&joins, i](Cx& cx) -> Task<Result<>> {
      co_return (co_await joins[static_cast<size_t>(i)].wait(cx)).result();
    }));
  }
  world.turn_all();
  chain.front()->cancel({CancelKind::user, "stop"});
  joins.back().cancel({CancelKind::user, "stop"});
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) (*it)->close([] {});
  world.turn_all();
  EXPECT_EQ(sibling->severity(), Severity::cancelled);
  EXPECT_TRUE(joins.front().done());
  EXPECT_TRUE(joins.back().done());
  EXPECT_EQ(world.env.time, begin);
  while (!chain.empty()) chain.pop_back();
  root.close([] {});
  world.run();
}

}  // namespace
}  // namespace aspen::rt

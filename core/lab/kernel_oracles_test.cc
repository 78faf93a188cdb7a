#include "core/lab/kernel_oracles.h"

#include <gtest/gtest.h>

#include "core/rt/channel.h"
#include "core/rt/event.h"
#include "core/rt/race.h"
#include "core/rt/scope.h"
#include "core/rt/test_world.h"

namespace aspen::lab {
namespace {

using rt::Cx;
using rt::Obligation;
using rt::ObligationKind;
using rt::Region;
using rt::RegionState;
using rt::Task;
using rt::TaskBase;

const rt::CancelReason kStop{.kind = rt::CancelKind::user, .message = "stop", .origin = "test", .time = 2};

// What the executor tells goes through here to the oracles, except what the test holds back.
class Tap final : public rt::Observer {
 public:
  explicit Tap(KernelOracles& oracles) : oracles_(oracles) {}
  // "task a begins", "task a ends", "region r opens", "region r closed", "p ends", "task a hears".
  std::string held_back;

 private:
  bool passes(const std::string& what) const { return what != held_back; }
  void task_spawned(const TaskBase& task) override {
    if (passes(task.describe() + " begins")) oracles_.task_spawned(task);
  }
  void task_ended(const TaskBase& task) override {
    if (passes(task.describe() + " ends")) oracles_.task_ended(task);
  }
  void cancel_requested(const rt::CancelNode& node, const rt::CancelReason& reason) override {
    if (passes(node.describe() + " is asked")) oracles_.cancel_requested(node, reason);
  }
  void cancel_delivered(const TaskBase& task) override {
    if (passes(task.describe() + " hears")) oracles_.cancel_delivered(task);
  }
  void region_opened(const Region& region) override {
    if (passes(region.describe() + " opens")) oracles_.region_opened(region);
  }
  void region_changed(const Region& region, RegionState from) override {
    if (passes(region.describe() + " " + rt::to_string(region.state()))) {
      oracles_.region_changed(region, from);
    }
  }
  void obligation_made(const Obligation& obligation) override { oracles_.obligation_made(obligation); }
  void obligation_ended(const Obligation& obligation) override {
    if (passes(std::string(obligation.name()) + " ends")) oracles_.obligation_ended(obligation);
  }
  void promise_broken(const Obligation& obligation, const std::string& text) override {
    oracles_.promise_broken(obligation, text);
  }

  KernelOracles& oracles_;
};

// Says it is a task of a region that knows nothing of it.
class FakeTask final : public TaskBase {
 public:
  explicit FakeTask(Region& region, TimeNs deadline = kNever)
      : TaskBase(region, "fake", {.deadline = deadline}) {}
  rt::Severity severity() const override { return rt::Severity::ok; }
  const Error& error() const override { return error_; }

 private:
  Root body() override { std::abort(); }
  void store_refusal(Error) override {}
  void notify_done() override {}
  Error error_{Code::INTERNAL, ""};
};

struct KernelOraclesTest : testing::Test {
  KernelOraclesTest() { world.executor.observer = &tap; }
  ~KernelOraclesTest() override { oracles.stop(); }

  void run_for(DurationNs duration) {
    for (TimeNs end = world.env.time + duration;;) {
      bool more = world.executor.turn();
      oracles.after_turn();
      if (more) continue;
      TimeNs next = std::min(world.executor.next_timer(), end);
      if (world.env.time >= end) return;
      world.env.time = std::max(world.env.time, next);
    }
  }
  // To the orderly end.
  void close(Region& region) {
    region.close([] {});
    run_for(kSecond);
    ASSERT_EQ(region.state(), RegionState::closed) << region.pending();
    oracles.ended();
  }
  void expect_fine() const { EXPECT_EQ(violation, ""); }

  rt::TestWorld world;
  std::string violation;
  KernelOracles oracles{world.executor, [this](std::string_view oracle, const std::string& text) {
                          violation = fmt::format("{}: {}", oracle, text);
                        }};
  Tap tap{oracles};
  Region root{world.executor, {.name = "root"}};
};

auto sleeps(DurationNs duration) {
  return [duration](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(duration); };
}

// Asleep under a mask: hears of a cancel when it wakes.
auto masked(DurationNs duration) {
  return [duration](Cx& cx) -> Task<Result<>> {
    Cx::Mask mask(cx);
    co_return co_await cx.sleep(duration);
  };
}

// --- what is fine ---

Task<Result<>> nest(Cx& cx, int depth) {
  Region inner(cx, {.deadline = cx.after(10 * kMillisecond), .name = "nested"});
  Region below(inner, {.name = "below"});
  below.add_finalizer([](Cx& cx) -> Task<void> { (void)co_await cx.sleep(kMillisecond); });
  inner.spawn("slow", sleeps(depth * kMillisecond));
  inner.spawn("masked", masked(15 * kMillisecond));
  if (depth > 0) below.spawn("nest", [depth](Cx& cx) { return nest(cx, depth - 1); });
  below.spawn("late", sleeps(kSecond), cx.after(5 * kMillisecond));
  (void)co_await cx.sleep(kMillisecond);
  co_await below.close();
  co_await inner.close();
  co_return cx.checkpoint();
}

// Cancelled after so long, whatever that meets.
TEST_F(KernelOraclesTest, AnEngineThatIsInOrder) {
  for (int at = 0; at < 40; ++at) {
    Region busy(root, {.name = "busy", .tasks_max = 4});
    rt::Channel<int> channel(busy, 1);
    busy.add_finalizer([](Cx& cx) -> Task<void> { (void)co_await cx.sleep(kMillisecond); });
    busy.spawn("nest", [](Cx& cx) { return nest(cx, 3); });
    for (int i = 0; i < 4; ++i) {
      busy.spawn("sends", [&channel](Cx& cx) -> Task<Result<>> {
        ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
        ASPEN_CO_CHECK(co_await cx.sleep(kMillisecond));
        std::move(permit).send(1);
        co_return Result<>();
      });
    }
    run_for(at * kMillisecond / 2);
    busy.cancel(kStop);
    run_for(kMillisecond / 2);
    busy.cancel({rt::CancelKind::shutdown, "stop now"});
    busy.close([] {});
    run_for(kSecond);
    ASSERT_EQ(busy.state(), RegionState::closed) << busy.pending();
  }
  close(root);
  expect_fine();
}

TEST_F(KernelOraclesTest, ACleanupThatIsForced) {
  root.spawn("stubborn", masked(3600 * kSecond));
  root.add_finalizer([](Cx& cx) -> Task<void> { (void)co_await cx.sleep(3600 * kSecond); });
  run_for(kSecond);
  root.cancel(kStop);
  run_for(100 * kSecond);
  root.close([] {});
  run_for(100 * kSecond);
  EXPECT_EQ(root.state(), RegionState::closed) << root.pending();
  expect_fine();
}

// After a power cut nobody asks what became of things.
TEST_F(KernelOraclesTest, NothingIsSaidAfterTheEndOfTheWatch) {
  tap.held_back = "task a ends";
  root.spawn("a", sleeps(0));
  run_for(kSecond);
  oracles.stop();
  close(root);
  expect_fine();
}

// --- what is not ---

TEST_F(KernelOraclesTest, TaskLeak) {
  tap.held_back = "task a ends";
  root.spawn("a", sleeps(0));
  close(root);
  EXPECT_EQ(violation, "task-leak: region root (1) is finalizing while task a (2) runs in it");
}

TEST_F(KernelOraclesTest, TaskLeakAtTheEnd) {
  root.spawn("a", sleeps(kSecond));
  run_for(1);
  oracles.ended();
  EXPECT_EQ(violation, "task-leak: task a (2) in region root (1) is left at the end");
  close(root);
}

TEST_F(KernelOraclesTest, ObligationLeak) {
  tap.held_back = "p ends";
  Obligation(root, "p").commit();
  close(root);
  EXPECT_TRUE(violation.starts_with("obligation-leak: region root (1) is closed over p, made at "))
      << violation;
}

TEST_F(KernelOraclesTest, ObligationHoldsUpTheClose) {
  Obligation held(root, "held");
  root.close([] {});
  run_for(kSecond);
  held.commit();
  close(root);
  expect_fine();
}

TEST_F(KernelOraclesTest, ObligationLeakAtTheEnd) {
  Obligation held(root, "held");
  oracles.ended();
  EXPECT_TRUE(violation.starts_with("obligation-leak: held, made at ")) << violation;
}

TEST_F(KernelOraclesTest, ObligationThatIsForgotten) {
  {
    Obligation ack(root, ObligationKind::ack, "ack");
  }
  EXPECT_TRUE(violation.starts_with("obligation-leak: ack ack, made at ")) << violation;
  EXPECT_TRUE(violation.ends_with(" is dropped without a word")) << violation;
}

TEST_F(KernelOraclesTest, QuiescenceOfFinalizers) {
  tap.held_back = "task finalizers begins";
  root.add_finalizer([](Cx&) -> Task<void> { co_return; });
  root.close([] {});
  EXPECT_EQ(violation, "");
  world.run();
  EXPECT_EQ(violation, "quiescence: task finalizers (2) ends, and it had not begun or has ended");
}

TEST_F(KernelOraclesTest, QuiescenceOfAClosedRegion) {
  Region inner(root, {.name = "inner"});
  inner.spawn("a", sleeps(0));
  inner.close([] {});
  run_for(kSecond);
  expect_fine();
  FakeTask fake(inner);
  oracles.task_spawned(fake);
  EXPECT_EQ(violation, "quiescence: task fake (4) begins in region inner (2), which is closed");
}

TEST_F(KernelOraclesTest, QuiescenceAtTheEnd) {
  root.spawn("a", sleeps(0));
  Obligation held(root, "held");
  root.close([] {});
  tap.held_back = "region root closed";
  held.commit();
  run_for(kSecond);
  oracles.ended();
  EXPECT_EQ(violation, "quiescence: region root (1) is finalizing at the end");
}

TEST_F(KernelOraclesTest, LoserDrain) {
  auto loser = root.spawn("loser", masked(kSecond / 2));
  root.spawn("combinator", [&](Cx&) -> Task<Result<>> {
    loser.cancel({rt::CancelKind::race_lost, "another was faster"});
    co_return Result<>();
  });
  close(root);
  EXPECT_EQ(violation,
            "loser-drain: task combinator (3) ends before task loser (2), which lost a race it decided");
}

TEST_F(KernelOraclesTest, LoserDrainWhenItIsAwaited) {
  auto loser = root.spawn("loser", masked(kSecond / 2));
  root.spawn("combinator", [&](Cx& cx) -> Task<Result<>> {
    loser.cancel({rt::CancelKind::race_lost, "another was faster"});
    (void)co_await loser.wait(cx);
    co_return Result<>();
  });
  close(root);
  expect_fine();
}

TEST_F(KernelOraclesTest, LoserDrainOfARace) {
  root.spawn("races", [](Cx& cx) -> Task<Result<int>> {
    auto fast = [](Cx&) -> Task<Result<int>> { co_return 1; };
    auto slow = [](Cx& cx) -> Task<Result<int>> {
      Cx::Mask mask(cx);
      ASPEN_CO_CHECK(co_await cx.sleep(kSecond / 2));
      co_return 2;
    };
    co_return co_await rt::race(cx, rt::attempts(fast, slow));
  });
  close(root);
  expect_fine();
}

TEST_F(KernelOraclesTest, LoserDrainOfARegion) {
  tap.held_back = "task loser ends";
  root.spawn("combinator", [](Cx& cx) -> Task<Result<>> {
    Region race(cx, {.name = "race"});
    race.spawn("loser", masked(kMillisecond));
    race.cancel({rt::CancelKind::race_lost, "another was faster"});
    co_await race.close();
    co_return Result<>();
  });
  close(root);
  EXPECT_EQ(violation, "loser-drain: region race (3) is finalizing while task loser (4) runs in it");
}

TEST_F(KernelOraclesTest, RegionTree) {
  tap.held_back = "region inner closed";
  Region inner(root, {.name = "inner"});
  inner.close([] {});
  root.close([] {});
  run_for(kSecond);
  EXPECT_EQ(violation,
            "region-tree: region root (1) is finalizing while region inner (2) below it is finalizing");
}

TEST_F(KernelOraclesTest, RegionTreeWaitsForWhatIsBelow) {
  Region inner(root, {.name = "inner"});
  inner.spawn("a", sleeps(kSecond / 2));
  root.close([] {});
  run_for(1);
  inner.close([] {});
  close(root);
  expect_fine();
}

TEST_F(KernelOraclesTest, RegionTreeGoesForwards) {
  root.close([] {});
  run_for(kSecond);
  oracles.region_changed(root, RegionState::finalizing);
  EXPECT_EQ(violation, "region-tree: region root (1) goes from finalizing to closed, and it was closed");
}

TEST_F(KernelOraclesTest, RegionTreeHasNoGaps) {
  tap.held_back = "region middle opens";
  Region middle(root, {.name = "middle"});
  Region inner(middle, {.name = "inner"});
  EXPECT_EQ(violation, "region-tree: region inner (3) opens below region middle (2), which is closed");
}

TEST_F(KernelOraclesTest, DeadlineMonotone) {
  Region timed(root, {.deadline = 10, .name = "timed"});
  FakeTask fake(timed, 20);
  oracles.task_spawned(fake);
  EXPECT_EQ(violation,
            "deadline-monotone: task fake (3) has the deadline 20 in region timed (2), which has 10");
}

TEST_F(KernelOraclesTest, DeadlineMonotoneBelow) {
  auto opens = [](Cx& cx) -> Task<Result<>> {
    Region inner(cx, {.name = "inner"});
    auto join = inner.spawn("b", sleeps(10 * kSecond));
    auto outcome = co_await join.wait(cx);
    co_await inner.close();
    co_return std::move(outcome).result();
  };
  root.spawn("a", opens, world.env.time + kSecond);
  run_for(10 * kSecond);
  close(root);
  expect_fine();
}

TEST_F(KernelOraclesTest, CancelProtocolHearsWhatWasAsked) {
  FakeTask fake(root);
  oracles.task_spawned(fake);
  oracles.cancel_delivered(fake);
  EXPECT_EQ(violation, "cancel-protocol: task fake (2) hears of a cancel nobody asked for");
}

TEST_F(KernelOraclesTest, CancelProtocolHearsBeforeItEnds) {
  FakeTask fake(root);
  oracles.task_spawned(fake);
  oracles.cancel_requested(fake, kStop);
  oracles.task_ended(fake);
  EXPECT_EQ(
      violation,
      "cancel-protocol: task fake (2) ends and has not heard that it is cancelled: user from test: stop");
}

TEST_F(KernelOraclesTest, CancelProtocolHearsNothingAfterTheEnd) {
  FakeTask fake(root);
  oracles.task_spawned(fake);
  oracles.task_ended(fake);
  oracles.cancel_delivered(fake);
  EXPECT_EQ(violation, "cancel-protocol: task fake (2) hears of a cancel after its end");
}

TEST_F(KernelOraclesTest, CancelProtocolAsksNobodyAfterTheEnd) {
  FakeTask fake(root);
  oracles.task_spawned(fake);
  oracles.task_ended(fake);
  oracles.cancel_requested(fake, kStop);
  EXPECT_EQ(violation, "cancel-protocol: task fake (2) is asked to stop after its end: user from test: stop");
}

TEST_F(KernelOraclesTest, CancelProtocolOnlyStrengthens) {
  rt::CancelReason later = kStop;
  later.time = 3;
  FakeTask fake(root);
  oracles.task_spawned(fake);
  oracles.cancel_requested(fake, kStop);
  oracles.cancel_requested(fake, later);
  EXPECT_EQ(violation,
            "cancel-protocol: task fake (2) is asked again, and not stronger: user from test: stop; "
            "before: user from test: stop");
}

TEST_F(KernelOraclesTest, CancelProtocolOfTwoAtOnce) {
  auto join = root.spawn("a", masked(kSecond / 2));
  run_for(1);
  join.cancel({rt::CancelKind::shutdown, "stop"});
  run_for(1);
  join.cancel({rt::CancelKind::user, "stop"});
  close(root);
  expect_fine();
}

TEST_F(KernelOraclesTest, CancelProtocolReachesTasks) {
  FakeTask fake(root);
  oracles.task_spawned(fake);
  run_for(1);
  root.cancel(kStop);
  run_for(1);
  EXPECT_EQ(
      violation,
      "cancel-protocol: region root (1) is cancelled (user from test: stop), and task fake (2) below it "
      "is not");
}

TEST_F(KernelOraclesTest, CancelProtocolReachesRegions) {
  Region inner(root, {.name = "inner"});
  inner.spawn("a", sleeps(kSecond));
  root.spawn("opens", [](Cx& cx) -> Task<Result<>> {
    Region own(cx, {.name = "own"});
    own.spawn("b", sleeps(kSecond));
    co_await own.close();
    co_return Result<>();
  });
  run_for(1);
  root.cancel(kStop);
  run_for(1);
  inner.close([] {});
  close(root);
  expect_fine();
}

// --- futurelock ---

struct FuturelockTest : KernelOraclesTest {
  // Turns happen.
  void start_ticks() {
    root.spawn("ticks", [](Cx& cx) -> Task<Result<>> {
      for (;;) ASPEN_CO_CHECK(co_await cx.sleep(500 * kMillisecond));
    });
  }
  // A task that takes a promise in its region and waits for an event that does not come.
  template <typename Wait>
  void start_holder(ObligationKind kind, TimeNs deadline, Wait wait) {
    root.spawn(
        "holds",
        [this, kind, wait](Cx& cx) -> Task<Result<>> {
          Obligation held(root, kind, "held");
          auto result = co_await wait(cx);
          held.resolve();
          co_return result;
        },
        deadline);
  }
  auto for_event() {
    return [this](Cx& cx) -> Task<Result<>> { co_return co_await event.wait(cx); };
  }
  void end() {
    root.cancel(kStop);
    close(root);
  }
  rt::Event event;
};

TEST_F(FuturelockTest, AHolderThatNothingWakes) {
  start_ticks();
  start_holder(ObligationKind::permit, kNever, for_event());
  run_for(kFuturelockAfter);
  expect_fine();
  run_for(3 * kSecond);
  EXPECT_TRUE(violation.starts_with("futurelock: task holds (3) in region root (1) holds held, made at "))
      << violation;
  EXPECT_TRUE(violation.ends_with(" and has waited for 60 s, with nothing to end it")) << violation;
  end();
}

TEST_F(FuturelockTest, AHolderThatGoesOnInTime) {
  start_ticks();
  start_holder(ObligationKind::permit, kNever, [this](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await event.wait(cx));
    event.reset();
    co_return co_await event.wait(cx);
  });
  run_for(kFuturelockAfter - 5 * kSecond);
  event.set();
  run_for(kFuturelockAfter - 5 * kSecond);
  end();
  expect_fine();
}

TEST_F(FuturelockTest, ATimerOrADeadlineOrALeaseIsNone) {
  start_ticks();
  start_holder(ObligationKind::permit, kNever, sleeps(3600 * kSecond));
  start_holder(ObligationKind::permit, world.env.time + 3600 * kSecond, for_event());
  start_holder(ObligationKind::lease, kNever, for_event());
  start_holder(ObligationKind::permit, kNever, [](Cx& cx) -> Task<Result<>> {
    co_return co_await rt::scope(cx, {}, [](Cx& cx, Region&) { return sleeps(3600 * kSecond)(cx); });
  });
  run_for(2 * kFuturelockAfter);
  end();
  expect_fine();
}

// A host that stood still has not waited.
TEST_F(FuturelockTest, APauseIsNone) {
  start_ticks();
  start_holder(ObligationKind::permit, kNever, for_event());
  run_for(kSecond);
  world.env.time += 3600 * kSecond;
  run_for(kSecond);
  end();
  expect_fine();
}

TEST_F(FuturelockTest, WhoIsServedIsWoken) {
  start_ticks();
  rt::Channel<int> channel(root, 1);
  for (const char* name : {"first", "second"}) {
    root.spawn(name, [&](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
      co_return co_await cx.sleep(kSecond);
    });
  }
  run_for(2 * kFuturelockAfter);
  expect_fine();
  end();
}

// Not the task's that gave it up.
TEST_F(FuturelockTest, APermitIsWhoseItWasServed) {
  start_ticks();
  rt::Channel<int> channel(root, 1);
  root.spawn("first", [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
    ASPEN_CO_CHECK(co_await cx.sleep(kSecond));
    co_return Result<>();
  });
  root.spawn("second", [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
    co_return co_await event.wait(cx);
  });
  run_for(2 * kFuturelockAfter);
  EXPECT_TRUE(
      violation.starts_with("futurelock: task second (4) in region root (1) holds channel permit, made at "))
      << violation;
  end();
}

}  // namespace
}  // namespace aspen::lab

#include "core/rt/region.h"

#include "core/rt/channel.h"
#include "core/rt/oneshot.h"
#include "core/rt/test_world.h"
#include "core/rt/timeout.h"

namespace aspen::rt {
namespace {

using State = Region::State;
using Log = std::vector<std::string>;

// Ends when `gate` is set or the task is cancelled.
auto waits_for(Oneshot<int>& gate) {
  return [&gate](Cx& cx) -> Task<Result<int>> { co_return co_await gate.recv(cx); };
}
auto sleeps(DurationNs duration) {
  return [duration](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(duration); };
}

struct RegionTest : testing::Test {
  TestWorld world;
  bool closed = false;
  std::move_only_function<void()> note_closed() {
    return [this] { closed = true; };
  }
};

TEST_F(RegionTest, AnIdleRegionClosesAtOnce) {
  Region region(world.executor);
  EXPECT_EQ(region.state(), State::open);
  region.close(note_closed());
  EXPECT_TRUE(closed);
  EXPECT_EQ(region.state(), State::closed);
}

TEST_F(RegionTest, ClosingAgainCallsBackAgain) {
  Region region(world.executor);
  Oneshot<int> gate;
  region.spawn("gate", waits_for(gate));
  int calls = 0;
  region.close([&] { ++calls; });
  region.close([&] { ++calls; });
  EXPECT_EQ(calls, 0);
  gate.set(1);
  world.run();
  EXPECT_EQ(calls, 2);
  region.close([&] { ++calls; });
  EXPECT_EQ(calls, 3);
}

TEST_F(RegionTest, GoesThroughItsStates) {
  Region region(world.executor);
  Oneshot<int> task_gate;
  Oneshot<int> finalizer_gate;
  auto obligation = std::make_unique<Obligation>(region, "ack");
  region.spawn("gate", waits_for(task_gate));
  region.add_finalizer([&](Cx& cx) -> Task<void> { (void)co_await finalizer_gate.recv(cx); });
  world.run();
  EXPECT_EQ(region.state(), State::open);
  EXPECT_EQ(region.task_count(), 1u);
  EXPECT_EQ(region.obligation_count(), 1u);

  region.close(note_closed());
  world.run();
  EXPECT_EQ(region.state(), State::closing);
  task_gate.set(1);
  world.run();
  EXPECT_EQ(region.state(), State::finalizing);
  finalizer_gate.set(1);
  world.run();
  EXPECT_FALSE(closed) << "the obligation is not resolved";
  obligation.reset();
  world.run();
  EXPECT_TRUE(closed);
  EXPECT_EQ(region.state(), State::closed);
  EXPECT_EQ(region.task_count(), 0u);
  EXPECT_EQ(region.obligation_count(), 0u);
}

TEST_F(RegionTest, CloseWaitsForChildren) {
  Region parent(world.executor);
  Region child(parent);
  Region grandchild(child);
  parent.close(note_closed());
  world.run();
  EXPECT_FALSE(closed);
  child.close([] {});
  world.run();
  EXPECT_FALSE(closed);
  EXPECT_EQ(child.state(), State::closing);
  grandchild.close([] {});
  world.run();
  EXPECT_TRUE(closed);
}

TEST_F(RegionTest, AnEmptyRegionThatGoesLetsItsParentClose) {
  Region parent(world.executor);
  auto child = std::make_unique<Region>(parent);
  parent.close(note_closed());
  child.reset();
  world.run();
  EXPECT_TRUE(closed);
}

TEST_F(RegionTest, FinalizersRunLastAddedFirstOneAfterTheOther) {
  Region region(world.executor);
  Log log;
  auto finalizer = [&](std::string name) {
    return [&log, name](Cx& cx) -> Task<void> {
      log.push_back(name + " begins");
      EXPECT_TRUE(co_await cx.sleep(kSecond));
      log.push_back(name + " ends");
    };
  };
  region.add_finalizer(finalizer("first"));
  region.add_finalizer(finalizer("second"));
  region.spawn("task", [&](Cx& cx) -> Task<Result<>> {
    EXPECT_TRUE(co_await cx.sleep(kSecond));
    log.push_back("task ends");
    co_return Result<>();
  });
  region.close(note_closed());
  world.run();
  EXPECT_TRUE(closed);
  EXPECT_EQ(log, (Log{"task ends", "second begins", "second ends", "first begins", "first ends"}));
}

TEST_F(RegionTest, ATaskOfAClosingRegionMayAddAFinalizer) {
  Region region(world.executor);
  bool finalized = false;
  region.spawn("task", [&](Cx& cx) -> Task<Result<>> {
    EXPECT_TRUE(co_await cx.sleep(kSecond));
    cx.region().add_finalizer([&](Cx&) -> Task<void> {
      finalized = true;
      co_return;
    });
    co_return Result<>();
  });
  region.close(note_closed());
  world.run();
  EXPECT_TRUE(closed);
  EXPECT_TRUE(finalized);
}

// Cleanup must get its time although the region's is up and it was cancelled, and may use regions for it.
TEST_F(RegionTest, FinalizersAreMaskedAndHaveTime) {
  RegionOptions options;
  options.deadline = world.env.time + kSecond;
  Region region(world.executor, options);
  int ran = 0;
  region.add_finalizer([&](Cx& cx) -> Task<void> {
    EXPECT_TRUE(co_await cx.sleep(kSecond));
    auto slept = co_await timeout(cx, 10 * kSecond, sleeps(kSecond));
    EXPECT_TRUE(slept) << slept.error().to_string();
    ++ran;
  });
  auto join = region.spawn("task", sleeps(3600 * kSecond));
  region.close(note_closed());
  world.run_for(kSecond + kSecond / 2);
  EXPECT_EQ(region.state(), State::finalizing);
  region.cancel({CancelKind::user, "hurry"});
  world.run_for(kSecond);
  EXPECT_EQ(ran, 0);
  world.run();
  EXPECT_EQ(ran, 1);
  EXPECT_TRUE(closed);
}

TEST_F(RegionTest, AFinalizerOfACancelledRegionMaySpawn) {
  Region region(world.executor);
  std::optional<Outcome<>> outcome;
  region.add_finalizer([&](Cx& cx) -> Task<void> {
    auto join = cx.region().spawn("cleanup", sleeps(kSecond));
    outcome = co_await join.wait(cx);
  });
  region.cancel({CancelKind::user, "stop"});
  region.close(note_closed());
  world.run();
  EXPECT_TRUE(closed);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->ok());
}

TEST_F(RegionTest, APanickingFinalizerDoesNotStopTheOthers) {
  Region region(world.executor);
  Log log;
  region.add_finalizer([&](Cx&) -> Task<void> {
    log.push_back("first");
    co_return;
  });
  region.add_finalizer([&](Cx&) -> Task<void> {
    log.push_back("second");
    ASPEN_ASSERT(1 + 1 == 3);
    co_return;
  });
  region.close(note_closed());
  world.run();
  EXPECT_EQ(log, (Log{"second", "first"}));
  EXPECT_TRUE(closed);
}

TEST_F(RegionTest, SpawnWhileClosingStartsCancelled) {
  Region region(world.executor);
  Oneshot<int> gate;
  region.spawn("gate", waits_for(gate));
  region.close(note_closed());
  Region child(region);
  std::optional<Outcome<>> late;
  std::optional<Outcome<>> in_child;
  region.spawn("late", sleeps(kSecond)).then([&](Outcome<> o) { late = std::move(o); });
  child.spawn("in child", sleeps(kSecond)).then([&](Outcome<> o) { in_child = std::move(o); });
  child.close([] {});
  gate.set(1);
  TimeNs before = world.env.time;
  world.run();
  EXPECT_TRUE(closed);
  EXPECT_EQ(world.env.time, before);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->severity(), Severity::cancelled);
  EXPECT_EQ(late->result().error().code, Code::SHUTDOWN);
  ASSERT_TRUE(in_child);
  EXPECT_EQ(in_child->severity(), Severity::cancelled);
}

TEST_F(RegionTest, SpawnWhileOnlyTheLedgerIsAwaitedStartsCancelled) {
  Region region(world.executor);
  Obligation held(region, "held");
  region.close([] {});
  world.turn_all();
  ASSERT_EQ(region.state(), Region::State::finalizing);
  std::optional<Outcome<>> outcome;
  region.spawn("late", [](Cx& cx) -> Task<Result<>> { co_return cx.checkpoint(); }).then([&](Outcome<> o) {
    outcome = std::move(o);
  });
  world.turn_all();
  EXPECT_EQ(outcome->severity(), Severity::cancelled);
  EXPECT_EQ(outcome->error().code, Code::SHUTDOWN);
  held.resolve();
  world.turn_all();
  EXPECT_EQ(region.state(), Region::State::closed);
}

TEST_F(RegionTest, AClosedRegionAdmitsNothing) {
  Region region(world.executor);
  region.close([] {});
  EXPECT_THROW(region.spawn("late", sleeps(1)), Panic);
  EXPECT_THROW(region.add_finalizer([](Cx&) -> Task<void> { co_return; }), Panic);
  EXPECT_THROW(Region child(region), Panic);
  EXPECT_THROW(Obligation(region, "ack"), Panic);
  EXPECT_EQ(region.task_count(), 0u);
}

TEST_F(RegionTest, ACloserMayDestroyTheRegion) {
  auto parent = std::make_unique<Region>(world.executor);
  auto region = std::make_unique<Region>(*parent);
  Log log;
  region->spawn("task", sleeps(1));
  region->close([&] {
    log.push_back("child");
    region.reset();
    // The parent has nothing left and may go too.
    parent->close([&] {
      log.push_back("parent");
      parent.reset();
    });
  });
  world.run();
  EXPECT_EQ(log, (Log{"child", "parent"}));
  EXPECT_EQ(parent, nullptr);
}

TEST_F(RegionTest, AThenMayCloseAndDestroyTheRegion) {
  auto region = std::make_unique<Region>(world.executor);
  region->spawn("task", sleeps(1)).then([&](Outcome<>) { region->close([&] { region.reset(); }); });
  world.run();
  EXPECT_EQ(region, nullptr);
}

TEST_F(RegionTest, ACloserThatDestroysTheRegionDoesNotDisturbOnesThatWait) {
  auto region = std::make_unique<Region>(world.executor);
  Region other(world.executor);
  Oneshot<int> gate;
  bool waited = false;
  region->spawn("gate", waits_for(gate));
  region->close([&] { region.reset(); });
  other.spawn("waits", [&](Cx&) -> Task<Result<>> {
    co_await region->close();
    waited = true;
    co_return Result<>();
  });
  world.run();
  gate.set(1);
  world.run();
  EXPECT_EQ(region, nullptr);
  EXPECT_TRUE(waited);
  other.close([] {});
}

TEST_F(RegionTest, ThePanicOfOneCloserStaysThere) {
  Region parent(world.executor);
  Region region(parent);
  bool second = false;
  region.spawn("task", sleeps(1));
  region.close([] { ASPEN_ASSERT(1 + 1 == 3); });
  region.close([&] { second = true; });
  parent.close(note_closed());
  world.run();
  EXPECT_TRUE(second);
  EXPECT_TRUE(closed);
}

TEST_F(RegionTest, ThePanicOfAThenStaysThere) {
  Region region(world.executor);
  region.spawn("task", sleeps(1)).then([](Outcome<>) { ASPEN_ASSERT(1 + 1 == 3); });
  region.close(note_closed());
  world.run();
  EXPECT_TRUE(closed);
}

TEST_F(RegionTest, NamesWhatItsCloseWaitsFor) {
  Region region(world.executor);
  Region child(region);
  Oneshot<int> gate;
  child.spawn("slow", waits_for(gate));
  std::unique_ptr<Obligation> obligation(new Obligation(region, "ack"));
  region.close(note_closed());
  std::string text = region.pending();
  EXPECT_NE(text.find("slow"), std::string::npos) << text;
  EXPECT_NE(text.find("ack from"), std::string::npos) << text;
  EXPECT_NE(text.find("region_test.cc"), std::string::npos) << text;
  gate.set(1);
  child.close([] {});
  obligation.reset();
  world.run();
}

TEST_F(RegionTest, ClosuresGoWithTheirTask) {
  Region region(world.executor);
  // The join outlives the task; what its closure holds must not.
  auto join =
      region.spawn("task", [obligation = std::make_unique<Obligation>(region, "ack")](Cx&) -> Task<Result<>> {
        co_return Result<>();
      });
  region.close(note_closed());
  world.run();
  EXPECT_TRUE(join.done());
  EXPECT_TRUE(closed) << region.pending();
}

TEST_F(RegionTest, CloseAwaitedTakesNoCancel) {
  Oneshot<int> gate;
  bool returned = false;
  Region root(world.executor);
  auto join = root.spawn("closes", [&](Cx& cx) -> Task<Result<>> {
    Region region(cx);
    region.spawn("stubborn", [&](Cx& cx) -> Task<Result<int>> {
      Cx::Mask mask(cx);
      co_return co_await gate.recv(cx);
    });
    co_await region.close();
    returned = true;
    EXPECT_EQ(region.state(), State::closed);
    co_return cx.checkpoint();
  });
  world.run();
  join.cancel({CancelKind::user, "stop"});
  world.run_for(kSecond);
  EXPECT_FALSE(returned);
  gate.set(1);
  world.run();
  EXPECT_TRUE(returned);
  root.close(note_closed());
  EXPECT_TRUE(closed);
}

TEST_F(RegionTest, ClosesByTaskAndByCallbackCanMix) {
  auto outcome = run_task(world, [&](Cx& cx) -> Task<Result<int>> {
    Region region(cx);
    int calls = 0;
    region.spawn("task", sleeps(1));
    region.close([&] { ++calls; });
    co_await region.close();
    co_await region.close();
    co_return calls;
  });
  EXPECT_EQ(*outcome.result(), 1);
}

using RegionDeathTest = RegionTest;

TEST_F(RegionDeathTest, ARegionWithWorkMustBeClosed) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH({ Region(world.executor).spawn("task", sleeps(1)); }, "");
  EXPECT_DEATH(
      {
        Region region(world.executor);
        Region child(region);
        region.close([] {});
      },
      "");
  EXPECT_DEATH({ Region(world.executor).add_finalizer([](Cx&) -> Task<void> { co_return; }); }, "");
}

// Its tasks may refer to the frame that is unwound, so there is nothing to contain it in.
TEST_F(RegionDeathTest, APanicMustNotLeaveThroughAnOpenRegion) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        Region root(world.executor);
        root.spawn("panics", [](Cx& cx) -> Task<Result<>> {
          Region region(cx);
          region.spawn("task", sleeps(1));
          ASPEN_ASSERT(1 + 1 == 3);
          co_return Result<>();
        });
        world.run();
      },
      "");
}

TEST_F(RegionDeathTest, ATaskMustCloseItsRegions) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        Region root(world.executor);
        std::unique_ptr<Region> escaped;
        root.spawn("forgets", [&](Cx& cx) -> Task<Result<>> {
          escaped = std::make_unique<Region>(cx);
          co_return Result<>();
        });
        world.run();
      },
      "");
}

}  // namespace
}  // namespace aspen::rt

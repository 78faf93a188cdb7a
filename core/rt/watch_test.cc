#include "core/rt/watch.h"

#include <map>

#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct WatchTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  std::optional<Watch<int>> watch{std::in_place, 1};
  std::string log;

  // Logs every value it sees, until the watch ends.
  Join<> start(std::string name, DurationNs pause = 0) {
    return root.spawn("task", [this, name, pause](Cx& cx) -> Task<Result<>> {
      Watch<int>::Receiver receiver(*watch);
      for (;;) {
        auto changed = co_await receiver.changed(cx);
        if (!changed) {
          log += name + ":" + changed.error().name() + " ";
          co_return changed;
        }
        log += name + std::to_string(receiver.get()) + " ";
        if (pause != 0) ASPEN_CO_CHECK(co_await cx.sleep(pause));
      }
    });
  }
  void TearDown() override {
    watch.reset();
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
  }
};

TEST_F(WatchTest, EveryReceiverSeesTheFirstValueAndEachNewOne) {
  start("a");
  start("b");
  world.run();
  watch->set(2);
  world.run();
  watch->set(2);  // a version is new, also when the value is not
  world.run();
  EXPECT_EQ(log, "a1 b1 a2 b2 a2 b2 ");
}

TEST_F(WatchTest, WhoFallsBehindSkips) {
  start("slow", 10);
  world.turn_all();
  for (int value : {2, 3, 4}) watch->set(value);
  world.run();
  EXPECT_EQ(log, "slow1 slow4 ");
}

TEST_F(WatchTest, SetsBeforeAWokenReceiverRunsCoalesce) {
  start("a");
  world.run();
  watch->set(2);
  watch->set(3);
  world.run();
  EXPECT_EQ(log, "a1 a3 ");
}

TEST_F(WatchTest, CloseComesAfterTheLastValue) {
  start("a");
  start("slow", 10);
  world.turn_all();
  watch->set(2);
  watch->close();
  EXPECT_TRUE(watch->closed());
  EXPECT_THROW(watch->set(3), Panic);
  world.run();
  EXPECT_EQ(log, "a1 slow1 a2 a:UNAVAILABLE slow2 slow:UNAVAILABLE ");
}

TEST_F(WatchTest, GetSeesAndHasChangedAsks) {
  Watch<int>::Receiver receiver(*watch);
  EXPECT_TRUE(receiver.has_changed());
  EXPECT_EQ(receiver.get(), 1);
  EXPECT_FALSE(receiver.has_changed());
  watch->set(2);
  EXPECT_TRUE(receiver.has_changed());
  EXPECT_EQ(watch->version(), 2u);
  EXPECT_EQ(watch->get(), 2);  // the watch's own look is no receiver's
  EXPECT_TRUE(receiver.has_changed());
}

TEST_F(WatchTest, ACancelMissesNoChange) {
  Watch<int>::Receiver receiver(*watch);
  EXPECT_EQ(receiver.get(), 1);
  auto wait = [&](Cx& cx) -> Task<Result<>> { co_return co_await receiver.changed(cx); };
  auto first = root.spawn("first", wait);
  world.run();
  first.cancel({CancelKind::user, "stop"});
  watch->set(2);
  world.run();
  EXPECT_TRUE(receiver.has_changed());
  auto second = root.spawn("second", wait);
  world.run();
  EXPECT_TRUE(second.done());
}

TEST_F(WatchTest, AReceiverMayOutliveTheWatch) {
  Watch<int>::Receiver idle(*watch);
  start("waits");
  start("woken");
  world.run();
  watch->set(2);
  watch.reset();
  world.run();
  EXPECT_EQ(log, "waits1 woken1 waits:UNAVAILABLE woken:UNAVAILABLE ");
  EXPECT_FALSE(idle.has_changed());
  EXPECT_THROW(idle.get(), Panic);
  Result<> waited;
  root.spawn("late", [&](Cx& cx) -> Task<Result<>> {
    waited = co_await idle.changed(cx);
    co_return Result<>();
  });
  world.run();
  EXPECT_EQ(waited.error().message, "the watch is gone");
}

TEST(Watch, NoReceiverMissesTheLatestInAnyOrder) {
  for (uint32_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::minstd_rand random(seed);
    TestWorld world;
    Region root(world.executor);
    Watch<int> watch(0);
    int latest = 0;
    std::map<int, int> seen;  // of each receiver, the value last got
    std::map<int, Join<>> open;
    for (int r = 0; r < 5; ++r) {
      open.emplace(r, root.spawn("receiver", [&, r](Cx& cx) -> Task<Result<>> {
        Watch<int>::Receiver receiver(watch);
        while (co_await receiver.changed(cx)) {
          int value = receiver.get();
          if (seen.contains(r)) EXPECT_GT(value, seen[r]);
          seen[r] = value;
          if (value % 3 == r % 3 && !co_await cx.sleep(r)) break;
        }
        open.erase(r);
        co_return Result<>();
      }));
    }
    for (int i = 0; i < 200; ++i) {
      if (random() % 3 != 0) watch.set(++latest);
      if (random() % 100 == 0 && open.size() > 1) open.begin()->second.cancel({CancelKind::user, "a move"});
      if (random() % 2 == 0) world.executor.turn();
      if (random() % 8 == 0) {
        world.run();
        for (auto& [r, join] : open) ASSERT_EQ(seen[r], latest) << r;
      }
    }
    watch.set(++latest);
    watch.close();
    std::vector<int> left;
    for (auto& [r, join] : open) left.push_back(r);
    root.close([] {});
    world.run();
    EXPECT_TRUE(open.empty());
  }
}

struct WatchWorkload : InjectedWorkload {
  Watch<int> watch{0};
  int seen[2] = {};

  void start() override {
    part("writer", [this](Cx& cx) -> Task<Result<>> {
      Result<> result;
      for (int i = 1; i <= 5 && result; ++i) {
        watch.set(i);
        result = co_await cx.sleep(i % 2);
      }
      watch.close();
      co_return result;
    });
    for (int r = 0; r < 2; ++r) {
      part("receiver", [this, r](Cx& cx) -> Task<Result<>> {
        Watch<int>::Receiver receiver(watch);
        for (;;) {
          ASPEN_CO_CHECK(co_await receiver.changed(cx));
          seen[r] = receiver.get();
          ASPEN_CO_CHECK(co_await cx.sleep(r));
        }
      });
    }
  }
  void check(bool cancelled) override {
    if (cancelled) return;
    EXPECT_EQ(seen[0], 5);
    EXPECT_EQ(seen[1], 5);
  }
};

TEST(Watch, CancelledAnywhereStallsNobody) {
  EXPECT_GT(inject_cancels<WatchWorkload>().runs, 20);
}

}  // namespace
}  // namespace aspen::rt

#include "core/rt/notify.h"

#include <deque>
#include <map>
#include <set>

#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct NotifyTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  std::optional<Notify> notify{std::in_place};
  std::string log;

  Join<> start(std::string name) {
    return root.spawn("task", [this, name](Cx& cx) -> Task<Result<>> {
      auto waited = co_await notify->wait(cx);
      log += name + (waited ? "+" : std::string(":") + waited.error().name() + " ");
      co_return waited;
    });
  }
  void TearDown() override {
    notify.reset();
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
  }
};

TEST_F(NotifyTest, OneWakesTheFirst) {
  start("a");
  start("b");
  world.run();
  notify->notify_one();
  world.run();
  EXPECT_EQ(log, "a+");
  notify->notify_one();
  world.run();
  EXPECT_EQ(log, "a+b+");
}

TEST_F(NotifyTest, OneIsStoredOnce) {
  notify->notify_one();
  notify->notify_one();
  start("a");
  start("b");
  world.run();
  EXPECT_EQ(log, "a+");
}

TEST_F(NotifyTest, AllWakesAllWhoWaitAndStoresNothing) {
  notify->notify_all();
  start("a");
  start("b");
  world.run();
  EXPECT_EQ(log, "");
  notify->notify_all();
  start("c");
  world.run();
  EXPECT_EQ(log, "a+b+");
}

TEST_F(NotifyTest, ACancelledWaiterTakesNoNotification) {
  auto a = start("a");
  start("b");
  world.run();
  a.cancel({CancelKind::user, "stop"});
  notify->notify_one();
  world.run();
  EXPECT_EQ(log, "a:CANCELLED b+");
}

TEST_F(NotifyTest, ANotifiedWaiterThatIsCancelledPassesItOn) {
  auto a = start("a");
  start("b");
  world.run();
  notify->notify_one();
  a.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a:CANCELLED b+");
}

TEST_F(NotifyTest, ANotificationPassedOnToNobodyIsStored) {
  auto a = start("a");
  world.run();
  notify->notify_one();
  a.cancel({CancelKind::user, "stop"});
  world.run();
  start("b");
  world.run();
  EXPECT_EQ(log, "a:CANCELLED b+");
}

TEST_F(NotifyTest, ACancelledTaskLeavesTheStoredOne) {
  notify->notify_one();
  start("a").cancel({CancelKind::user, "stop"});
  start("b");
  world.run();
  EXPECT_EQ(log, "a:CANCELLED b+");
}

TEST_F(NotifyTest, WhoWaitsWhenItGoesHearsIt) {
  auto a = start("a");
  start("b");
  start("c");
  world.run();
  notify->notify_one();
  notify->notify_one();
  a.cancel({CancelKind::user, "stop"});  // has nobody to pass it on to any more
  notify.reset();
  world.run();
  EXPECT_EQ(log, "a+b+c:UNAVAILABLE ");
}

// What a Notify is, with nothing clever about it.
struct NotifyModel {
  bool stored = false;
  std::deque<int> waiting;
  std::set<int> woken_by_one, woken_by_all, cancelled;

  void arrive(int id) {
    if (!stored) return waiting.push_back(id);
    stored = false;
    woken_by_all.insert(id);  // it passes at once, and cannot be cancelled in between
  }
  void one() {
    if (waiting.empty()) {
      stored = true;
    } else {
      woken_by_one.insert(waiting.front());
      waiting.pop_front();
    }
  }
  void all() {
    woken_by_all.insert(waiting.begin(), waiting.end());
    waiting.clear();
  }
  void cancel(int id) {
    cancelled.insert(id);
    std::erase(waiting, id);
  }
  // Whether the wait of `id`, which returns now, succeeds.
  bool returns(int id) {
    if (woken_by_all.contains(id)) return true;
    if (!woken_by_one.contains(id)) return false;
    if (cancelled.contains(id)) one();
    return !cancelled.contains(id);
  }
};

TEST(Notify, AgreesWithItsModelInAnyOrder) {
  for (uint32_t seed = 1; seed <= 200 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::minstd_rand random(seed);
    TestWorld world;
    Region root(world.executor);
    Notify notify;
    NotifyModel model;
    std::map<int, Join<>> open;
    auto start = [&](int id) {
      open.emplace(id, root.spawn("waits", [&, id](Cx& cx) -> Task<Result<>> {
        if (!cx.cancelled()) model.arrive(id);
        auto waited = co_await notify.wait(cx);
        EXPECT_EQ(waited.has_value(), model.returns(id)) << id;
        open.erase(id);
        co_return Result<>();
      }));
    };
    for (int i = 0; i < 300; ++i) {
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          start(i);
          break;
        case 3:
        case 4:
          notify.notify_one(), model.one();
          break;
        case 5:
          if (random() % 3 == 0) notify.notify_all(), model.all();
          break;
        default:
          if (open.empty()) break;
          auto victim = std::next(open.begin(), random() % open.size());
          model.cancel(victim->first);
          victim->second.cancel({CancelKind::user, "a move"});
      }
      if (random() % 3 == 0) world.executor.turn();
      if (random() % 8 == 0) {
        world.turn_all();
        ASSERT_EQ(open.size(), model.waiting.size());
        ASSERT_EQ(notify.waiting(), model.waiting.size());
      }
    }
    world.turn_all();
    notify.notify_all(), model.all();
    world.turn_all();
    EXPECT_TRUE(open.empty());
    root.close([] {});
    world.run();
  }
}

// Workers that sleep until told of work: whoever is cancelled, the work is done while a worker is left.
struct NotifyWorkload : InjectedWorkload {
  Notify notify;
  int queued = 0;
  int done = 0;
  int producers = 1;

  void start() override {
    for (int i = 0; i < 2; ++i) {
      part("worker", [this](Cx& cx) -> Task<Result<>> {
        for (;;) {
          while (queued == 0 && producers > 0) ASPEN_CO_CHECK(co_await notify.wait(cx));
          if (queued == 0) break;
          --queued;
          ++done;
          ASPEN_CO_CHECK(co_await cx.sleep(1));
        }
        co_return Result<>();
      });
    }
    part("producer", [this](Cx& cx) -> Task<Result<>> {
      Result<> result;
      for (int i = 0; i < 6 && result; ++i) {
        ++queued;
        notify.notify_one();
        result = co_await cx.sleep(i % 3);
      }
      producers = 0;
      notify.notify_all();
      notify.notify_one();
      co_return result;
    });
  }
  void check(bool cancelled) override {
    if (!cancelled) EXPECT_EQ(done, 6);
  }
};

TEST(Notify, CancelledAnywhereLosesNoWakeUp) {
  EXPECT_GT(inject_cancels<NotifyWorkload>().runs, 20);
}

}  // namespace
}  // namespace aspen::rt

#include "core/rt/broadcast.h"

#include <deque>
#include <map>

#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct BroadcastTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  std::optional<Broadcast<int>> broadcast{std::in_place, 3u};
  std::string log;

  Join<> start(std::string name, DurationNs pause = 0) {
    return root.spawn("task", [this, name, pause](Cx& cx) -> Task<Result<>> {
      Broadcast<int>::Receiver receiver(*broadcast);
      for (;;) {
        auto next = co_await receiver.recv(cx);
        log += name + text(next) + " ";
        if (!next || !*next) co_return Result<>();
        if (pause != 0) ASPEN_CO_CHECK(co_await cx.sleep(pause));
      }
    });
  }
  static std::string text(const Result<std::optional<Broadcast<int>::Next>>& next) {
    if (!next) return std::string(":") + next.error().name();
    if (!*next) return "end";
    if (auto* lagged = std::get_if<Lagged>(&**next)) return fmt::format("-{}", lagged->missed);
    return std::to_string(std::get<int>(**next));
  }
  void TearDown() override {
    broadcast.reset();
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
  }
};

TEST_F(BroadcastTest, EveryReceiverGetsEveryItemSinceItCame) {
  broadcast->send(0);
  start("a");
  world.run();
  broadcast->send(1);
  start("b");
  world.run();
  broadcast->send(2);
  broadcast->send(3);
  world.run();
  EXPECT_EQ(log, "a1 a2 a3 b2 b3 ");
}

TEST_F(BroadcastTest, WhoFallsBehindIsToldAndGoesOnFromTheOldestKept) {
  start("slow", 10);
  world.turn_all();
  broadcast->send(0);
  world.turn_all();
  for (int i = 1; i <= 5; ++i) broadcast->send(i);
  world.run();
  EXPECT_EQ(log, "slow0 slow-2 slow3 slow4 slow5 ");
}

TEST_F(BroadcastTest, AFullRingIsNoLag) {
  start("a");
  world.run();
  for (int i = 1; i <= 3; ++i) broadcast->send(i);
  world.run();
  EXPECT_EQ(log, "a1 a2 a3 ");
}

TEST_F(BroadcastTest, TheEndComesAfterWhatIsKept) {
  start("a");
  start("slow", 10);
  world.turn_all();
  for (int i = 1; i <= 4; ++i) broadcast->send(i);
  broadcast->close();
  EXPECT_THROW(broadcast->send(5), Panic);
  world.run();
  EXPECT_EQ(log, "a-1 a2 a3 a4 aend slow-1 slow2 slow3 slow4 slowend ");
}

TEST_F(BroadcastTest, CloseWakesWhoWaits) {
  start("a");
  world.run();
  broadcast->close();
  start("b");
  world.run();
  EXPECT_EQ(log, "aend bend ");
}

TEST_F(BroadcastTest, ACancelledWaitLosesNothing) {
  Broadcast<int>::Receiver receiver(*broadcast);
  auto wait = root.spawn("waits", [&](Cx& cx) -> Task<Result<>> {
    log += text(co_await receiver.recv(cx));
    co_return Result<>();
  });
  world.run();
  wait.cancel({CancelKind::user, "stop"});
  broadcast->send(1);
  world.run();
  EXPECT_EQ(log, ":CANCELLED");
  auto next = receiver.try_recv();
  ASSERT_TRUE(next);
  EXPECT_EQ(std::get<int>(*next), 1);
  EXPECT_FALSE(receiver.try_recv());
}

TEST_F(BroadcastTest, AReceiverIsOneTasks) {
  Broadcast<int>::Receiver receiver(*broadcast);
  auto receive = [&](Cx& cx) -> Task<Result<>> {
    log += text(co_await receiver.recv(cx));
    co_return Result<>();
  };
  root.spawn("first", receive);
  Severity second = Severity::ok;
  root.spawn("second", receive).then([&](Outcome<> outcome) { second = outcome.severity(); });
  world.run();
  broadcast->send(1);
  world.run();
  EXPECT_EQ(log, "1");
  EXPECT_EQ(second, Severity::panicked);
}

TEST_F(BroadcastTest, AReceiverMayOutliveIt) {
  Broadcast<int>::Receiver idle(*broadcast);
  start("waits");
  world.run();
  broadcast.reset();
  world.run();
  EXPECT_EQ(log, "waits:UNAVAILABLE ");
  EXPECT_FALSE(idle.try_recv());
  root.spawn("late", [&](Cx& cx) -> Task<Result<>> {
    log += text(co_await idle.recv(cx));
    co_return Result<>();
  });
  world.run();
  EXPECT_EQ(log, "waits:UNAVAILABLE :UNAVAILABLE");
}

// What each receiver gets and is told it missed must tile what was sent, and no more is missed than had to
// be.
TEST(Broadcast, NothingIsLostUntoldInAnyOrder) {
  for (uint32_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::minstd_rand random(seed);
    TestWorld world;
    Region root(world.executor);
    const size_t kept_max = seed % 5 + 1;
    Broadcast<uint64_t> broadcast(kept_max);
    uint64_t sent = 0;
    uint64_t lags = 0;
    std::map<int, Join<>> open;
    for (int r = 0; r < 4; ++r) {
      open.emplace(r, root.spawn("receiver", [&, r](Cx& cx) -> Task<Result<>> {
        Broadcast<uint64_t>::Receiver receiver(broadcast);
        uint64_t expected = sent;
        for (;;) {
          auto next = co_await receiver.recv(cx);
          if (!next || !*next) {
            if (next) EXPECT_EQ(expected, sent);
            break;
          }
          if (auto* lagged = std::get_if<Lagged>(&**next)) {
            EXPECT_GT(lagged->missed, 0u);
            expected += lagged->missed;
            EXPECT_EQ(expected, sent - kept_max);
            ++lags;
          } else {
            EXPECT_EQ(std::get<uint64_t>(**next), expected);
            ++expected;
          }
          if (random() % 4 == 0 && !co_await cx.sleep(random() % 5)) break;
        }
        open.erase(r);
        co_return Result<>();
      }));
    }
    for (int i = 0; i < 300; ++i) {
      if (random() % 2 == 0) ++sent, broadcast.send(sent - 1);
      if (random() % 3 == 0) world.executor.turn();
      if (random() % 3 == 0) world.env.time += 1;
      if (random() % 150 == 0 && !open.empty()) open.begin()->second.cancel({CancelKind::user, "a move"});
    }
    broadcast.close();
    root.close([] {});
    root.cancel({CancelKind::user, "the end"});
    world.run();
    EXPECT_TRUE(open.empty());
    if (kept_max == 1) EXPECT_GT(lags, 0u);
  }
}

struct BroadcastWorkload : InjectedWorkload {
  Broadcast<int> broadcast{2};
  int heard[2] = {};

  void start() override {
    for (int r = 0; r < 2; ++r) {
      part("receiver", [this, r](Cx& cx) -> Task<Result<>> {
        Broadcast<int>::Receiver receiver(broadcast);
        for (;;) {
          ASPEN_CO_TRY(auto next, co_await receiver.recv(cx));
          if (!next) co_return Result<>();
          auto* lagged = std::get_if<Lagged>(&*next);
          heard[r] += lagged != nullptr ? static_cast<int>(lagged->missed) : 1;
          ASPEN_CO_CHECK(co_await cx.sleep(r * 3));
        }
      });
    }
    part("sender", [this](Cx& cx) -> Task<Result<>> {
      Result<> result;
      for (int i = 0; i < 6 && result; ++i) {
        broadcast.send(i);
        result = co_await cx.sleep(i % 2);
      }
      broadcast.close();
      co_return result;
    });
  }
  void check(bool cancelled) override {
    if (cancelled) return;
    EXPECT_EQ(heard[0], 6);
    EXPECT_EQ(heard[1], 6);
  }
};

TEST(Broadcast, CancelledAnywhereStallsNobody) {
  EXPECT_GT(inject_cancels<BroadcastWorkload>().runs, 20);
}

}  // namespace
}  // namespace aspen::rt

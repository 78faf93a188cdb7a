// Watches over the network, one thing at a time: who serves them, what they survive, and what they may take.
#include <gtest/gtest.h>

#include <deque>

#include "core/base/limits.h"
#include "core/lab/cluster.h"
#include "core/node/watch_client.h"

namespace aspen::lab {
namespace {

constexpr DurationNs kLimit = 60 * kSecond;

class WatchTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(cluster_.form());
    ASSERT_TRUE(world_.run_until([&] { return cluster_.leader() != nullptr; }, kLimit));
  }
  void TearDown() override { EXPECT_FALSE(world_.violation()) << world_.violation()->detail; }

  Machine& client() { return *cluster_.client_machines()[0]; }
  Machine& follower() {
    return cluster_.leader() == &cluster_.member(0) ? cluster_.member(1) : cluster_.member(0);
  }

  // Runs `body(engine, cx)` as a task on the machine.
  template <typename Body>
  void run(Machine& machine, Body body, DurationNs timeout = kLimit) {
    node::Engine& engine = *machine.engine();
    machine.host()->deliver([&machine, &engine, body, timeout] {
      engine.operations().spawn(
          "test", [&engine, body](rt::Cx& cx) { return body(engine, cx); },
          machine.host()->executor().now() + timeout);
    });
  }

  void put(Bytes key, Bytes value = "v") {
    kv::Command command{.transaction = {.then = {{.key = std::move(key), .value = std::move(value)}}}};
    const size_t wanted = ++puts_;
    run(client(), [this, command](node::Engine& engine, rt::Cx& cx) { return write(engine, command, cx); });
    ASSERT_TRUE(world_.run_until([&] { return written_ == wanted; }, kLimit));
  }
  rt::Task<Result<>> write(node::Engine& engine, kv::Command command, rt::Cx& cx) {
    ASPEN_CO_CHECK(co_await engine.router().write(cx, std::move(command)));
    ++written_;
    co_return Result<>();
  }

  // What a watch was told, as text: "a a b".
  struct Told {
    bool opened = false;
    std::string text;
    std::optional<Error> error;
  };
  void watch(Machine& machine, Told& told, kv::WatchRequest request,
             size_t window = limits::kWatchWindowBytes, DurationNs pause = 0) {
    run(
        machine,
        [&told, request, window, pause](node::Engine& engine, rt::Cx& cx) {
          return follow(told, engine, request, window, pause, cx);
        },
        3600 * kSecond);
    ASSERT_TRUE(world_.run_until([&] { return told.opened || told.error; }, kLimit));
  }
  static rt::Task<Result<>> follow(Told& told, node::Engine& engine, kv::WatchRequest request, size_t window,
                                   DurationNs pause, rt::Cx& cx) {
    auto watch = co_await engine.watches().open(cx, std::move(request), window);
    if (!watch) {
      told.error = watch.error();
      co_return Result<>();
    }
    told.opened = true;
    for (;;) {
      auto item = co_await (*watch)->next(cx);
      if (!item) {
        told.error = item.error();
        co_return Result<>();
      }
      for (const kv::Event& event : item->events) {
        if (!told.text.empty()) told.text += ' ';
        told.text += event.key;
      }
      if (pause > 0) ASPEN_CO_CHECK(co_await cx.sleep(pause));
    }
  }
  bool until(Told& told, const std::string& text) {
    return world_.run_until([&] { return told.text == text; }, kLimit);
  }

  // Tasks write to it until the machines are gone.
  Told& new_told() { return told_.emplace_back(); }

  std::deque<Told> told_;
  World world_{{.seed = 3}};
  Cluster cluster_{world_, {.members = 3}};
  size_t puts_ = 0;
  size_t written_ = 0;
};

TEST_F(WatchTest, AClientAndAMemberAreTold) {
  Told& far = new_told();
  Told& near = new_told();
  watch(client(), far, {.start = "a", .end = "c"});
  watch(follower(), near, {.start = "b"});
  put("a");
  put("b");
  put("c");
  EXPECT_TRUE(until(far, "a b")) << far.text;
  EXPECT_TRUE(until(near, "b c")) << near.text;
}

TEST_F(WatchTest, GoesOnAtAnotherMemberWhenOneIsLost) {
  Told& told = new_told();
  watch(client(), told, {});
  put("a");
  ASSERT_TRUE(until(told, "a"));
  // Whichever serves it is among them.
  std::string expected = "a";
  for (size_t i = 0; i < cluster_.size(); ++i) {
    cluster_.crash(i, DiskCrash::process_kill);
    Bytes key = fmt::format("k{}", i);
    put(key);
    expected += " " + key;
    ASSERT_TRUE(until(told, expected)) << told.text;
    ASSERT_TRUE(world_.run_until([&] { return cluster_.member(i).engine() != nullptr; }, kLimit));
    world_.run_for(2 * kSecond);
  }
}

TEST_F(WatchTest, LeavesAMemberThatDoesNotKnowWhatItMisses) {
  Told& told = new_told();
  watch(client(), told, {});
  // Each in turn is cut off from the others, not from the client.
  std::string expected;
  for (size_t i = 0; i < cluster_.size(); ++i) {
    for (size_t other = 0; other < cluster_.size(); ++other) {
      if (other == i) continue;
      world_.network().cut(cluster_.member(i).address(), cluster_.member(other).address());
      world_.network().cut(cluster_.member(other).address(), cluster_.member(i).address());
    }
    Bytes key = fmt::format("k{}", i);
    put(key);
    expected += (expected.empty() ? "" : " ") + key;
    ASSERT_TRUE(until(told, expected)) << told.text;
    world_.network().heal();
    world_.run_for(5 * kSecond);
  }
}

TEST_F(WatchTest, FromNowOnIsNotWhatAMemberThatLagsHasNow) {
  Machine& laggard = follower();
  for (size_t i = 0; i < cluster_.size(); ++i) {
    world_.network().cut(cluster_.member(i).address(), laggard.address());
  }
  put("before");
  Told& told = new_told();
  run(laggard, [&told](node::Engine& engine, rt::Cx& cx) { return follow(told, engine, {}, 1000, 0, cx); });
  world_.run_for(100 * kMillisecond);
  world_.network().heal();
  ASSERT_TRUE(world_.run_until([&] { return told.opened || told.error; }, kLimit));
  put("after");
  EXPECT_TRUE(until(told, "after")) << told.text;
}

TEST_F(WatchTest, ASlowOneIsToldEverythingAndHoldsNobodyUp) {
  Told& slow = new_told();
  Told& fast = new_told();
  watch(client(), slow, {}, 1, 300 * kMillisecond);
  watch(client(), fast, {});
  std::string expected;
  for (int i = 0; i < 10; ++i) {
    Bytes key = fmt::format("k{}", i);
    put(key, Bytes(1000, 'v'));
    expected += (expected.empty() ? "" : " ") + key;
  }
  ASSERT_TRUE(until(fast, expected));
  EXPECT_LT(slow.text.size(), expected.size());
  EXPECT_TRUE(until(slow, expected)) << slow.text;
}

TEST_F(WatchTest, MoreThanItsSharesAreRefused) {
  Told& told = new_told();
  watch(client(), told, {.start = "b", .end = "a"});
  ASSERT_TRUE(told.error);
  EXPECT_EQ(told.error->code, Code::INVALID_ARGUMENT);
  Told& window = new_told();
  watch(client(), window, {}, limits::kWatchCreditMax + 1);
  ASSERT_TRUE(window.error);
  EXPECT_EQ(window.error->code, Code::INVALID_ARGUMENT);
}

TEST_F(WatchTest, EndsWithTheNode) {
  Told& told = new_told();
  watch(client(), told, {});
  client().stop();
  ASSERT_TRUE(world_.run_until([&] { return client().state() == Machine::State::off; }, kLimit));
  ASSERT_TRUE(told.error);
}

}  // namespace
}  // namespace aspen::lab

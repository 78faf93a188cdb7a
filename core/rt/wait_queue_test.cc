#include "core/rt/wait_queue.h"

#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

// The smallest owner: who waits is let through one by one.
struct Gate {
  class Wait final : public WaitQueue::Entry {
   public:
    Wait(Cx& cx, Gate& gate) : Entry(cx, gate.queue_), gate_(gate) {}
    bool await_ready() { return checkpoint_failed() || turned_away(); }
    Result<> await_resume() {
      ASPEN_CHECK(check());
      EXPECT_TRUE(served());
      return {};
    }
    void left() override { ++gate_.left; }

   private:
    Gate& gate_;
  };
  explicit Gate(size_t waiters_max) : queue_("gate", waiters_max) {}
  void let_one_through() { queue_.serve(*queue_.front_as<Wait>()); }

  WaitQueue queue_;
  int left = 0;
};

struct WaitQueueTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  std::optional<Gate> gate{3};
  std::string log;

  Join<> start(std::string name) {
    return root.spawn("waiter", [this, name](Cx& cx) -> Task<Result<>> {
      auto waited = co_await Gate::Wait(cx, *gate);
      log += name + (waited ? "+" : std::string(":") + waited.error().name() + " ");
      if (!waited) last = waited.error().message;
      co_return waited;
    });
  }
  void TearDown() override {
    gate.reset();
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
  }
  std::string last;
};

TEST_F(WaitQueueTest, ServesInOrder) {
  for (const char* name : {"a", "b", "c"}) start(name);
  world.run();
  EXPECT_EQ(gate->queue_.size(), 3u);
  for (int i = 0; i < 3; ++i) gate->let_one_through();
  EXPECT_TRUE(gate->queue_.empty());
  world.run();
  EXPECT_EQ(log, "a+b+c+");
}

TEST_F(WaitQueueTest, AFullQueueTurnsAway) {
  for (const char* name : {"a", "b", "c", "d"}) start(name);
  world.run();
  EXPECT_EQ(log, "d:OVERLOADED ");
  EXPECT_EQ(last, "3 tasks wait for the gate, and no more may; try again later");
  gate->let_one_through();
  start("e");  // there is room again
  world.run();
  EXPECT_EQ(gate->queue_.size(), 3u);
}

TEST_F(WaitQueueTest, ACancelledEntryLeavesAndSaysSo) {
  auto a = start("a");
  start("b");
  world.run();
  a.cancel({CancelKind::user, "stop"});
  EXPECT_EQ(gate->queue_.size(), 1u);
  EXPECT_EQ(gate->left, 1);
  gate->let_one_through();
  world.run();
  EXPECT_EQ(log, "a:CANCELLED b+");
}

TEST_F(WaitQueueTest, AServedEntryIsNotCancelled) {
  auto a = start("a");
  world.run();
  gate->let_one_through();
  a.cancel({CancelKind::user, "stop"});
  EXPECT_EQ(gate->left, 0);
  world.run();
  EXPECT_EQ(log, "a+");
}

TEST_F(WaitQueueTest, ADestroyedQueueLetsNobodySleep) {
  auto a = start("a");
  start("b");
  world.run();
  a.cancel({CancelKind::user, "stop"});
  gate.reset();  // before the cancelled one has resumed
  world.run();
  EXPECT_EQ(log, "a:CANCELLED b:UNAVAILABLE ");
  EXPECT_EQ(last, "the gate is gone");
}

}  // namespace
}  // namespace aspen::rt

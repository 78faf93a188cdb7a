#include "core/rt/mutex.h"

#include "core/rt/test_fifo_model.h"
#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct MutexTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  Mutex mutex{root, 3};
  std::string log;

  // Takes the lock, holds it for `duration` and goes.
  Join<> start(std::string name, DurationNs duration = 1) {
    return root.spawn("task", [this, name, duration](Cx& cx) -> Task<Result<>> {
      auto guard = co_await mutex.lock(cx);
      log += name + (guard ? "(" : std::string(":") + guard.error().name() + " ");
      if (!guard) co_return forward_error(std::move(guard));
      auto slept = co_await cx.sleep(duration);
      log += slept ? ")" : "!";
      co_return slept;
    });
  }
  void TearDown() override {
    root.close([] {});
    EXPECT_TRUE(world.run());
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
    EXPECT_FALSE(mutex.locked());
  }
};

TEST_F(MutexTest, OneAtATimeInOrder) {
  for (const char* name : {"a", "b", "c"}) start(name);
  world.run();
  EXPECT_EQ(log, "a()b()c()");
}

TEST_F(MutexTest, IsHandedOverNotRacedFor) {
  start("a", 1);
  start("b", 1);
  world.turn_all();
  bool overtook = false;
  world.env.time += 1;
  Deferred thief([&] { overtook = mutex.try_lock().has_value(); });
  root.executor().at_turn_end(thief);  // after "a" unlocked, before "b" runs
  world.executor.turn();
  EXPECT_EQ(log, "a()");
  world.run();
  EXPECT_FALSE(overtook);
  EXPECT_EQ(log, "a()b()");
}

TEST_F(MutexTest, ACancelledWaiterIsPassedOver) {
  start("a");
  auto b = start("b");
  start("c");
  world.turn_all();
  b.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a(b:CANCELLED )c()");
}

TEST_F(MutexTest, ACancelledHolderUnlocks) {
  auto a = start("a", 100);
  start("b");
  world.turn_all();
  a.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a(!b()");
}

TEST_F(MutexTest, AWaiterCancelledAfterItWasHandedTheLockPassesItOn) {
  auto guard = mutex.try_lock();
  auto b = start("b", 100);
  start("c");
  world.turn_all();
  guard->unlock();
  b.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "b(!c()");
}

TEST_F(MutexTest, APanicUnlocks) {
  auto a = root.spawn("a", [this](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_TRY(auto guard, co_await mutex.lock(cx));
    ASPEN_ASSERT(mutex.waiting() == 1);
    co_return Result<>();
  });
  start("b");
  world.run();
  EXPECT_TRUE(a.done());
  EXPECT_EQ(log, "b()");
}

TEST_F(MutexTest, TryLockAndUnlock) {
  auto guard = mutex.try_lock();
  ASSERT_TRUE(guard);
  EXPECT_EQ(mutex.try_lock().error().code, Code::OVERLOADED);
  guard->unlock();
  EXPECT_TRUE(mutex.try_lock());
}

TEST_F(MutexTest, TurnsAwayWhenTooManyWait) {
  for (const char* name : {"a", "b", "c", "d", "e"}) start(name);
  world.turn_all();
  EXPECT_EQ(log, "a(e:OVERLOADED ");
}

TEST(Mutex, AgreesWithItsModelInAnyOrder) {
  for (uint32_t seed = 1; seed <= 50 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    TestWorld world;
    Region root(world.executor);
    Mutex mutex(root);
    play_fifo(world, root, seed, {.units = 1},
              [&](Cx& cx, size_t) -> Task<Result<Held>> { co_return held(co_await mutex.lock(cx)); });
    EXPECT_FALSE(mutex.locked());
    root.close([] {});
    world.run();
  }
}

struct MutexWorkload : InjectedWorkload {
  Mutex mutex{root};
  bool inside = false;
  int done = 0;

  void start() override {
    for (int i = 0; i < 4; ++i) {
      part("worker", [this, i](Cx& cx) -> Task<Result<>> {
        ASPEN_CO_TRY(auto guard, co_await mutex.lock(cx));
        EXPECT_FALSE(std::exchange(inside, true));
        auto slept = co_await cx.sleep(i % 2);
        inside = false;
        ASPEN_CO_CHECK(std::move(slept));
        ++done;
        co_return Result<>();
      });
    }
  }
  void check(bool cancelled) override {
    EXPECT_FALSE(mutex.locked());
    EXPECT_EQ(mutex.waiting(), 0u);
    if (!cancelled) EXPECT_EQ(done, 4);
  }
};

TEST(Mutex, CancelledAnywhereUnlocks) {
  EXPECT_GT(inject_cancels<MutexWorkload>().runs, 20);
}

}  // namespace
}  // namespace aspen::rt

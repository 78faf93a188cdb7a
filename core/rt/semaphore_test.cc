#include "core/rt/semaphore.h"

#include "core/rt/test_fifo_model.h"
#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct SemaphoreTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  std::optional<Semaphore> semaphore{std::in_place, root, 3u, "semaphore", 4u};
  std::map<std::string, Semaphore::Permit> permits;
  std::string log;

  Join<> start(std::string name, size_t count = 1) {
    return root.spawn("task", [this, name, count](Cx& cx) -> Task<Result<>> {
      auto permit = co_await semaphore->acquire(cx, count);
      log += name + (permit ? "+" : std::string(":") + permit.error().name() + " ");
      if (permit) permits.emplace(name, std::move(*permit));
      co_return Result<>();
    });
  }
  void release(const char* name) {
    permits.erase(name);
    world.run();
  }
  void TearDown() override {
    world.run();
    permits.clear();
    if (semaphore) semaphore->close();
    world.run();
    permits.clear();
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
    if (semaphore) EXPECT_EQ(semaphore->available(), 3u);
  }
};

TEST_F(SemaphoreTest, GivesWhatThereIs) {
  start("a");
  start("b", 2);
  start("c");
  world.run();
  EXPECT_EQ(log, "a+b+");
  EXPECT_EQ(semaphore->available(), 0u);
  EXPECT_EQ(root.obligation_count(), 2u);
  release("a");
  EXPECT_EQ(log, "a+b+c+");
  release("b");
  EXPECT_EQ(semaphore->available(), 2u);
}

TEST_F(SemaphoreTest, ALargeRequestIsNotOvertaken) {
  start("a", 2);
  start("large", 3);
  start("small");
  world.run();
  EXPECT_EQ(log, "a+");  // one is free, and "large" was first
  EXPECT_EQ(semaphore->try_acquire().error().code, Code::OVERLOADED);
  release("a");
  EXPECT_EQ(log, "a+large+");
  release("large");
  EXPECT_EQ(log, "a+large+small+");
}

TEST_F(SemaphoreTest, ACancelledRequestHoldsNobodyBack) {
  start("a", 2);
  auto large = start("large", 3);
  start("small");
  world.run();
  large.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_NE(log.find("large:CANCELLED"), std::string::npos);
  EXPECT_NE(log.find("small+"), std::string::npos);
}

TEST_F(SemaphoreTest, APermitThatWasHandedOverSurvivesACancelAndComesBack) {
  start("a", 3);
  auto b = start("b", 3);
  start("c", 3);
  world.run();
  permits.erase("a");
  b.cancel({CancelKind::user, "stop"});  // it is served, and has not run
  world.run();
  EXPECT_EQ(log, "a+b+");
  release("b");
  EXPECT_EQ(log, "a+b+c+");
}

TEST_F(SemaphoreTest, RefusesWhatCanNeverBe) {
  EXPECT_EQ(semaphore->try_acquire(0).error().code, Code::INVALID_ARGUMENT);
  auto many = semaphore->try_acquire(4);
  EXPECT_EQ(many.error().code, Code::LIMIT_EXCEEDED);
  EXPECT_EQ(many.error().message, "4 permits of a semaphore were asked for; it has 3");
  start("a", 4);
  start("b", 0);
  world.run();
  EXPECT_EQ(log, "a:LIMIT_EXCEEDED b:INVALID_ARGUMENT ");
}

TEST_F(SemaphoreTest, TurnsAwayWhenTooManyWait) {
  start("a", 3);
  for (const char* name : {"b", "c", "d", "e", "f"}) start(name);
  world.run();
  EXPECT_EQ(log, "a+f:OVERLOADED ");
}

TEST_F(SemaphoreTest, CloseEndsTheWaitAndLeavesPermitsGood) {
  start("a", 3);
  start("b");
  world.run();
  semaphore->close();
  start("c");
  world.run();
  EXPECT_EQ(log, "a+b:UNAVAILABLE c:UNAVAILABLE ");
  EXPECT_EQ(semaphore->try_acquire().error().code, Code::UNAVAILABLE);
  release("a");
  EXPECT_EQ(semaphore->available(), 3u);
}

TEST_F(SemaphoreTest, APermitMovesAndIsReleasedOnce) {
  auto permit = semaphore->try_acquire(2);
  {
    Semaphore::Permit moved = std::move(*permit);
    permit->release();
    EXPECT_EQ(semaphore->available(), 1u);
    moved.release();
    moved.release();
    EXPECT_EQ(semaphore->available(), 3u);
  }
  EXPECT_EQ(semaphore->available(), 3u);
}

TEST_F(SemaphoreTest, APermitHoldsTheRegionsClose) {
  auto permit = semaphore->try_acquire();
  root.close([] {});
  world.run();
  EXPECT_NE(root.state(), Region::State::closed);
  EXPECT_NE(root.pending().find("semaphore from"), std::string::npos);
  EXPECT_NE(root.pending().find("semaphore_test.cc"), std::string::npos);
}

TEST(SemaphoreDeathTest, ItOutlivesItsPermits) {
  EXPECT_DEATH(
      {
        TestWorld world;
        Region root(world.executor);
        std::optional<Semaphore> semaphore(std::in_place, root, 1);
        auto permit = semaphore->try_acquire();
        semaphore.reset();
      },
      "");
}

TEST(Semaphore, AgreesWithItsModelInAnyOrder) {
  for (uint32_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    TestWorld world;
    Region root(world.executor);
    size_t units = seed % 5 + 1;
    Semaphore semaphore(root, units);
    play_fifo(world, root, seed, {.units = units, .request_max = units},
              [&](Cx& cx, size_t count) -> Task<Result<Held>> {
                co_return held(co_await semaphore.acquire(cx, count));
              });
    EXPECT_EQ(semaphore.available(), units);
    root.close([] {});
    world.run();
  }
}

struct SemaphoreWorkload : InjectedWorkload {
  Semaphore semaphore{root, 3};
  size_t used = 0;
  int done = 0;

  void start() override {
    for (size_t count : {2, 1, 3, 2, 1}) {
      part("worker", [this, count](Cx& cx) -> Task<Result<>> {
        for (int i = 0; i < 2; ++i) {
          ASPEN_CO_TRY(auto permit, co_await semaphore.acquire(cx, count));
          used += count;
          EXPECT_LE(used, 3u);
          auto slept = co_await cx.sleep(1);
          used -= count;
          ASPEN_CO_CHECK(std::move(slept));
          ++done;
        }
        co_return Result<>();
      });
    }
  }
  void check(bool cancelled) override {
    EXPECT_EQ(semaphore.available(), 3u);
    EXPECT_EQ(semaphore.waiting(), 0u);
    EXPECT_EQ(root.obligation_count(), 0u);
    if (!cancelled) EXPECT_EQ(done, 10);
  }
};

TEST(Semaphore, CancelledAnywhereLosesNothing) {
  EXPECT_GT(inject_cancels<SemaphoreWorkload>().runs, 50);
}

}  // namespace
}  // namespace aspen::rt

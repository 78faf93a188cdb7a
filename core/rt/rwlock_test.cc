#include "core/rt/rwlock.h"

#include "core/rt/test_fifo_model.h"
#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct RwLockTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  RwLock lock{root};
  std::string log;

  Join<> reader(std::string name, DurationNs duration = 1) {
    return root.spawn("task", [this, name, duration](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_TRY(auto guard, co_await lock.read(cx));
      log += name;
      co_return co_await cx.sleep(duration);
    });
  }
  Join<> writer(std::string name, DurationNs duration = 1) {
    return root.spawn("task", [this, name, duration](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_TRY(auto guard, co_await lock.write(cx));
      log += "(" + name;
      auto slept = co_await cx.sleep(duration);
      log += ")";
      co_return slept;
    });
  }
  void TearDown() override {
    root.close([] {});
    EXPECT_TRUE(world.run());
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
  }
};

TEST_F(RwLockTest, ReadersTogetherWritersAlone) {
  reader("a");
  reader("b");
  world.turn_all();
  EXPECT_EQ(log, "ab");
  EXPECT_TRUE(lock.try_read());
  EXPECT_FALSE(lock.try_write());
  writer("X");
  writer("Y");
  world.turn_all();
  EXPECT_EQ(log, "ab");
  world.run();
  EXPECT_EQ(log, "ab(X)(Y)");
  auto write = lock.try_write();
  ASSERT_TRUE(write);
  EXPECT_FALSE(lock.try_read());
  write->unlock();
  EXPECT_TRUE(lock.try_read());
}

TEST_F(RwLockTest, AReaderStandsBehindAWriterThatWaits) {
  reader("a", 5);
  writer("X");
  reader("b");
  reader("c");
  writer("Y");
  reader("d");
  world.turn_all();
  EXPECT_EQ(log, "a");
  EXPECT_FALSE(lock.try_read());
  world.run();
  EXPECT_EQ(log, "a(X)bc(Y)d");
}

// Readers that overlap for ever: one is always inside.
TEST_F(RwLockTest, ReadersDoNotStarveAWriter) {
  for (int i = 0; i < 2; ++i) {
    root.spawn("reads again and again", [this, i](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_CHECK(co_await cx.sleep(i * 5));
      for (int round = 0; round < 100; ++round) {
        ASPEN_CO_TRY(auto guard, co_await lock.read(cx));
        ASPEN_CO_CHECK(co_await cx.sleep(10));
      }
      co_return Result<>();
    });
  }
  TimeNs began = 0;
  TimeNs waited = kNever;
  root.spawn("writes once", [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await cx.sleep(7));
    began = cx.now();
    ASPEN_CO_TRY(auto guard, co_await lock.write(cx));
    waited = cx.now() - began;
    co_return Result<>();
  });
  world.run();
  EXPECT_LE(waited, 10);
}

TEST_F(RwLockTest, WritersDoNotStarveAReader) {
  writer("X");
  writer("Y");
  reader("a");
  for (const char* name : {"Z", "V"}) writer(name);
  world.run();
  EXPECT_EQ(log, "(X)(Y)a(Z)(V)");
}

TEST_F(RwLockTest, ACancelledWriterLetsReadersIn) {
  reader("a", 5);
  auto x = writer("X");
  reader("b", 5);
  world.turn_all();
  EXPECT_EQ(log, "a");
  x.cancel({CancelKind::user, "stop"});
  world.turn_all();
  EXPECT_EQ(log, "ab");
}

TEST(RwLock, AgreesWithItsModelInAnyOrder) {
  for (uint32_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    TestWorld world;
    Region root(world.executor);
    RwLock lock(root);
    play_fifo(world, root, seed, {.units = RwLock::kReadersMax, .all_or_one = true},
              [&](Cx& cx, size_t units) -> Task<Result<Held>> {
                if (units == 1) co_return held(co_await lock.read(cx));
                co_return held(co_await lock.write(cx));
              });
    EXPECT_TRUE(lock.try_write());
    root.close([] {});
    world.run();
  }
}

struct RwLockWorkload : InjectedWorkload {
  RwLock lock{root};
  int readers = 0;
  int writers = 0;
  int done = 0;

  void start() override {
    for (int i = 0; i < 6; ++i) {
      part("user", [this, i](Cx& cx) -> Task<Result<>> {
        if (i % 3 == 1) {
          ASPEN_CO_TRY(auto guard, co_await lock.write(cx));
          ++writers;
          EXPECT_TRUE(writers == 1 && readers == 0);
          auto slept = co_await cx.sleep(1);
          --writers;
          ASPEN_CO_CHECK(std::move(slept));
        } else {
          ASPEN_CO_TRY(auto guard, co_await lock.read(cx));
          ++readers;
          EXPECT_EQ(writers, 0);
          auto slept = co_await cx.sleep(2);
          --readers;
          ASPEN_CO_CHECK(std::move(slept));
        }
        ++done;
        co_return Result<>();
      });
    }
  }
  void check(bool cancelled) override {
    EXPECT_EQ(root.obligation_count(), 0u);
    EXPECT_EQ(lock.waiting(), 0u);
    if (!cancelled) EXPECT_EQ(done, 6);
  }
};

TEST(RwLock, CancelledAnywhereUnlocks) {
  EXPECT_GT(inject_cancels<RwLockWorkload>().runs, 20);
}

}  // namespace
}  // namespace aspen::rt

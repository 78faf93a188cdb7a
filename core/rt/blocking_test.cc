#include "core/rt/blocking.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>

#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

struct BlockingTest : testing::Test {
  Loop loop;
  Timer watchdog{loop.executor(), [this] {
                   ADD_FAILURE() << "the loop did not come to its end";
                   loop.stop();
                 }};
  BlockingTest() { watchdog.arm(system_env().now() + 30 * kSecond); }

  template <typename F>
  Outcome<ValueOf<F>> run(F body) {
    Region root(loop.executor());
    std::optional<Outcome<ValueOf<F>>> outcome;
    root.spawn("test", std::move(body)).then([&](Outcome<ValueOf<F>> o) {
      outcome = std::move(o);
      root.close([&] { loop.stop(); });
    });
    loop.run();
    return std::move(*outcome);
  }
};

TEST_F(BlockingTest, RunsElsewhereAndCompletesHere) {
  BlockingPool pool(loop);
  auto here = std::this_thread::get_id();
  auto outcome = run([&](Cx& cx) -> Task<Result<int>> {
    std::thread::id there;
    ASPEN_CO_TRY(int value, co_await pool.run(cx, [&]() -> Result<int> {
      there = std::this_thread::get_id();
      return 42;
    }));
    EXPECT_NE(there, here);
    EXPECT_EQ(std::this_thread::get_id(), here);
    auto failed = co_await pool.run(cx, []() -> Result<> { return fail(Code::IO, "no disk"); });
    EXPECT_EQ(failed.error().code, Code::IO);
    co_return value;
  });
  EXPECT_EQ(*outcome.result(), 42);
}

TEST_F(BlockingTest, PanicsAreErrorsOfTheWork) {
  BlockingPool pool(loop);
  auto outcome = run([&](Cx& cx) -> Task<Result<>> {
    auto asserted = co_await pool.run(cx, []() -> Result<> {
      ASPEN_ASSERT(1 + 1 == 3);
      return {};
    });
    EXPECT_EQ(asserted.error().code, Code::INTERNAL);
    auto thrown = co_await pool.run(cx, []() -> Result<> { throw 7; });
    EXPECT_EQ(thrown.error().code, Code::INTERNAL);
    co_return co_await pool.run(cx, []() -> Result<> { return {}; });
  });
  EXPECT_TRUE(outcome.ok());
}

TEST_F(BlockingTest, ASubmissionThatPanicsStillCompletes) {
  BlockingPool pool(loop);
  int done = 0;
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(pool.submit(
        [i] {
          ASPEN_ASSERT(i == 1);
          throw 7;
        },
        [&] {
          if (++done == 2) loop.stop();
        }));
  }
  loop.run();
  EXPECT_EQ(done, 2);
}

TEST_F(BlockingTest, UsesSeveralThreadsButNotTooMany) {
  BlockingPool pool(loop, 3);
  std::atomic<int> running{0};
  std::atomic<int> running_max{0};
  int left = 30;
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(pool.submit(
        [&] {
          int now = running.fetch_add(1) + 1;
          int seen = running_max.load();
          while (seen < now && !running_max.compare_exchange_weak(seen, now)) {
          }
          std::this_thread::sleep_for(std::chrono::milliseconds(2));
          running.fetch_sub(1);
        },
        [&] {
          if (--left == 0) loop.stop();
        }));
  }
  loop.run();
  EXPECT_EQ(running_max.load(), 3);
}

TEST_F(BlockingTest, TheQueueIsBounded) {
  ThreadLane lane(loop);
  std::binary_semaphore started(0);
  std::binary_semaphore gate(0);
  size_t done = 0;
  auto count = [&] {
    if (++done == limits::kBlockingQueueMax + 1) loop.stop();
  };
  EXPECT_TRUE(lane.submit(
      [&] {
        started.release();
        gate.acquire();
      },
      count));
  started.acquire();  // it runs, so it is not in the queue
  for (size_t i = 0; i < limits::kBlockingQueueMax; ++i) EXPECT_TRUE(lane.submit([] {}, count));
  auto refused = lane.submit([] { FAIL(); }, [] { FAIL(); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::OVERLOADED);
  auto outcome = run(
      [&](Cx& cx) -> Task<Result<>> { co_return co_await lane.run(cx, []() -> Result<> { return {}; }); });
  EXPECT_EQ(outcome.result().error().code, Code::OVERLOADED);
  gate.release();
  loop.run();
  EXPECT_EQ(done, limits::kBlockingQueueMax + 1);
}

TEST_F(BlockingTest, ALaneKeepsOrder) {
  ThreadLane lane(loop);
  std::atomic<int> running{0};
  std::vector<int> ran;  // by the lane's thread only
  std::vector<int> completed;
  for (int i = 0; i < 500; ++i) {
    auto work = [&, i] {
      EXPECT_EQ(running.fetch_add(1), 0) << "two at a time";
      if (i % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ran.push_back(i);
      running.fetch_sub(1);
    };
    EXPECT_TRUE(lane.submit(work, [&, i] {
      completed.push_back(i);
      if (i == 499) loop.stop();
    }));
  }
  loop.run();
  ASSERT_EQ(ran.size(), 500u);
  EXPECT_TRUE(std::is_sorted(ran.begin(), ran.end()));
  EXPECT_EQ(ran, completed);
}

TEST_F(BlockingTest, WorkThatStartedEndsAlthoughItsWaiterIsCancelled) {
  BlockingPool pool(loop);
  std::binary_semaphore gate(0);
  std::atomic<bool> started{false};
  std::atomic<bool> finished{false};
  bool background_cancelled = false;
  auto outcome = run([&](Cx& cx) -> Task<Result<int>> {
    Region region(cx);
    auto join = region.spawn("waits", [&](Cx& cx) -> Task<Result<int>> {
      Region background(cx);
      background.spawn("background", [&](Cx& cx) -> Task<Result<>> {
        auto slept = co_await cx.sleep(kNever);
        background_cancelled = true;
        gate.release();  // the work ends only after the cancel has come through
        co_return slept;
      });
      auto value = co_await pool.run(cx, [&]() -> Result<int> {
        started = true;
        gate.acquire();
        finished = true;
        return 42;
      });
      EXPECT_TRUE(cx.cancelled());
      co_await background.close();
      co_return value;
    });
    while (!started) co_await cx.sleep(kMillisecond);
    join.cancel({CancelKind::user, "stop"});
    auto outcome = co_await join.wait(cx);
    EXPECT_TRUE(finished);
    EXPECT_TRUE(background_cancelled);
    co_await region.close();
    co_return std::move(outcome).result();
  });
  EXPECT_EQ(*outcome.result(), 42);
}

TEST_F(BlockingTest, WorkThatHasNotStartedIsDroppedWhenItsWaiterIsCancelled) {
  ThreadLane lane(loop);
  std::binary_semaphore gate(0);
  std::weak_ptr<int> held[3];
  std::vector<int> ran;
  auto outcome = run([&](Cx& cx) -> Task<Result<>> {
    EXPECT_TRUE(lane.submit([&] { gate.acquire(); }, [] {}));
    Region region(cx);
    auto waits = [&](int i) {
      return region.spawn("waits", [&, i](Cx& cx) -> Task<Result<>> {
        auto mine = std::make_shared<int>(i);
        held[i] = mine;
        auto done = co_await lane.run(cx, [&, mine = std::move(mine)]() -> Result<> {
          ran.push_back(*mine);
          return {};
        });
        EXPECT_EQ(done.has_value(), i == 2);
        co_return done;
      });
    };
    auto dropped = waits(1);
    auto kept = waits(2);
    co_await cx.sleep(kMillisecond);
    dropped.cancel({CancelKind::user, "stop"});
    // It goes on although the lane is held up, and what the work held is gone.
    auto outcome = co_await dropped.wait(cx);
    EXPECT_EQ(outcome.severity(), Severity::cancelled);
    EXPECT_TRUE(held[1].expired());
    EXPECT_FALSE(held[2].expired());
    gate.release();
    EXPECT_TRUE((co_await kept.wait(cx)).ok());
    co_await region.close();
    co_return Result<>();
  });
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(ran, std::vector<int>{2});
}

TEST_F(BlockingTest, ACancelledTaskStartsNoWorkButAMaskedOneDoes) {
  BlockingPool pool(loop);
  auto outcome = run([&](Cx& cx) -> Task<Result<>> {
    Region region(cx);
    region.cancel({CancelKind::user, "stop"});
    auto join = region.spawn("cancelled", [&](Cx& cx) -> Task<Result<int>> {
      auto refused = co_await pool.run(cx, []() -> Result<int> {
        ADD_FAILURE() << "it ran";
        return 1;
      });
      EXPECT_EQ(refused.error().code, Code::CANCELLED);
      Cx::Mask mask(cx);
      co_return co_await pool.run(cx, []() -> Result<int> { return 2; });
    });
    auto outcome = co_await join.wait(cx);
    co_await region.close();
    EXPECT_TRUE(outcome.ok());
    co_return Result<>();
  });
  EXPECT_TRUE(outcome.ok());
}

// Work is dropped while a thread may be about to start it: it ran or it is reported cancelled, never both.
TEST_F(BlockingTest, DroppedOrRunNeverBoth) {
  ThreadLane lane(loop);
  int both = 0;
  int dropped = 0;
  int started = 0;
  auto outcome = run([&](Cx& cx) -> Task<Result<>> {
    for (int i = 0; i < 500; ++i) {
      Region region(cx);
      auto ran = std::make_shared<std::atomic<bool>>(false);
      auto join = region.spawn("waits", [&, ran](Cx& cx) -> Task<Result<>> {
        co_return co_await lane.run(cx, [ran]() -> Result<> {
          *ran = true;
          return {};
        });
      });
      for (int turns = i % 4; turns >= 0; --turns) co_await cx.sleep(0);
      join.cancel({CancelKind::user, "stop"});
      auto outcome = co_await join.wait(cx);
      co_await region.close();
      EXPECT_TRUE(co_await lane.run(cx, []() -> Result<> { return {}; }));
      both += *ran == (outcome.severity() == Severity::cancelled);
      ++(*ran ? started : dropped);
    }
    co_return Result<>();
  });
  EXPECT_EQ(both, 0) << dropped << " dropped, " << started << " started";
}

TEST_F(BlockingTest, IdleThreadsGoAllButOne) {
  BlockingPool pool(loop, 3, 5 * kMillisecond);
  for (int round = 0; round < 3; ++round) {
    std::counting_semaphore<3> gate(0);
    int left = 3;
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(pool.submit([&] { gate.acquire(); },
                              [&] {
                                if (--left == 0) loop.stop();
                              }));
    }
    EXPECT_EQ(pool.threads(), 3u);
    gate.release(3);
    loop.run();
    while (pool.threads() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    EXPECT_EQ(pool.threads(), 1u);
  }
}

// A thread that has told of its work may not be idle yet when the next comes; that all are late is no chance.
TEST_F(BlockingTest, IdleThreadsAreUsedBeforeNewOnesStart) {
  constexpr size_t kThreads = 16;
  BlockingPool pool(loop, kThreads);
  EXPECT_EQ(pool.threads(), 0u);
  for (size_t i = 0; i < 2 * kThreads; ++i) {
    EXPECT_TRUE(pool.submit([] {}, [&] { loop.stop(); }));
    loop.run();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_LT(pool.threads(), kThreads / 2);
}

TEST_F(BlockingTest, EndedThreadsAreJoinedByTheNextSubmission) {
  BlockingPool pool(loop, 3, 5 * kMillisecond);
  std::counting_semaphore<3> gate(0);
  int left = 3;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(pool.submit([&] { gate.acquire(); },
                            [&] {
                              if (--left == 0) loop.stop();
                            }));
  }
  gate.release(3);
  loop.run();
  while (pool.threads() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(pool.ended_threads(), 2u);
  EXPECT_TRUE(pool.submit([] {}, [&] { loop.stop(); }));
  EXPECT_EQ(pool.ended_threads(), 0u);
  loop.run();
}

TEST_F(BlockingTest, ItsEndWaitsForRunningAndQueuedWork) {
  std::atomic<int> ran{0};
  int done = 0;
  {
    ThreadLane lane(loop);
    for (int i = 0; i < 5; ++i) {
      EXPECT_TRUE(lane.submit(
          [&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            ++ran;
          },
          [&] { ++done; }));
    }
  }
  EXPECT_EQ(ran.load(), 5);
  EXPECT_EQ(done, 0);
  loop.stop();
  loop.run();  // what completed is still delivered
  EXPECT_EQ(done, 5);
}

TEST_F(BlockingTest, CompletionsOfALoopThatRunsNoMoreGoWithIt) {
  int alive = 0;
  {
    Loop other;
    {
      BlockingPool pool(other);
      EXPECT_TRUE(pool.submit([] {}, [counted = Counted(alive)] { FAIL(); }));
    }
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace aspen::rt

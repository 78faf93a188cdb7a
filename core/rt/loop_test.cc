#include "core/rt/loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

struct Pipe {
  Pipe() { EXPECT_EQ(pipe(fds), 0); }
  ~Pipe() {
    close(fds[0]);
    close(fds[1]);
  }
  void write() { EXPECT_EQ(::write(fds[1], "x", 1), 1); }
  void read() {
    char c;
    EXPECT_EQ(::read(fds[0], &c, 1), 1);
  }
  int fds[2];
};

// Ends a test that hangs.
struct Watchdog {
  explicit Watchdog(Loop& loop)
      : timer(loop.executor(), [&loop] {
          ADD_FAILURE() << "the loop did not come to its end";
          loop.stop();
        }) {
    timer.arm(system_env().now() + 30 * kSecond);
  }
  Timer timer;
};

TEST(Loop, PostsFromOneThreadKeepTheirOrder) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 20'000;
  Loop loop;
  Watchdog watchdog(loop);
  int next[kThreads] = {};
  int left = kThreads * kPosts;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.post([&, t, i] {
          EXPECT_EQ(next[t]++, i);
          if (--left == 0) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(left, 0);
}

TEST(Loop, APostWakesASleepingLoop) {
  Loop loop;
  Watchdog watchdog(loop);
  std::thread poster([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  poster.join();
}

// The poster waits for each answer, so that the loop falls asleep between any two posts: one wake-up lost
// and the test hangs.
TEST(Loop, NoWakeUpIsLost) {
  Loop loop;
  Watchdog watchdog(loop);
  std::atomic<int> answered{0};
  std::thread poster([&] {
    for (int i = 1; i <= 20'000; ++i) {
      loop.post([&] { answered.fetch_add(1); });
      for (int spins = 0; answered.load() < i; ++spins) {
        if (spins % 64 == 63) std::this_thread::yield();
      }
    }
    loop.stop();
  });
  loop.run();
  poster.join();
  EXPECT_EQ(answered.load(), 20'000);
}

TEST(Loop, TimersWakeIt) {
  Loop loop;
  Watchdog watchdog(loop);
  TimeNs at = system_env().now() + 20 * kMillisecond;
  TimeNs fired = 0;
  Timer timer(loop.executor(), [&] {
    fired = system_env().now();
    loop.stop();
  });
  timer.arm(at);
  loop.run();
  EXPECT_GE(fired, at);
}

TEST(Loop, StopsAndRunsAgain) {
  Loop loop;
  Watchdog watchdog(loop);
  int runs = 0;
  loop.stop();  // before it runs: it does what is posted and ends
  loop.post([&] { ++runs; });
  loop.run();
  EXPECT_EQ(runs, 1);
  loop.post([&] {
    ++runs;
    loop.stop();
  });
  EXPECT_EQ(runs, 1);
  loop.run();
  EXPECT_EQ(runs, 2);
}

TEST(Loop, WorkPostedAfterTheEndIsDestroyedUnrun) {
  int alive = 0;
  {
    Loop loop;
    loop.stop();
    loop.run();
    struct PostsAgain {
      Loop* loop;
      Counted counted;
      bool armed = true;
      PostsAgain(Loop* loop, Counted counted) : loop(loop), counted(counted) {}
      PostsAgain(PostsAgain&& other) noexcept
          : loop(other.loop), counted(other.counted), armed(std::exchange(other.armed, false)) {}
      ~PostsAgain() {
        if (armed) loop->post([counted = counted] { FAIL(); });
      }
    };
    loop.post([again = PostsAgain(&loop, Counted(alive))] { FAIL(); });
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Loop, APanicInPostedWorkIsContained) {
  Loop loop;
  Watchdog watchdog(loop);
  loop.post([] { ASPEN_ASSERT(1 + 1 == 3); });
  loop.post([&] { loop.stop(); });
  loop.run();
}

// Work that comes in from outside must not see the time at which the loop fell asleep.
TEST(Loop, WhatComesInSeesTheTimeItCame) {
  Loop loop;
  Watchdog watchdog(loop);
  Pipe pipe;
  constexpr DurationNs kAsleep = 30 * kMillisecond;
  TimeNs begin = loop.executor().now();
  TimeNs at_fd = 0;
  TimeNs at_post = 0;
  FdWatch watch(loop, pipe.fds[0], EPOLLIN, [&](uint32_t) {
    pipe.read();
    at_fd = loop.executor().now();
  });
  std::thread poster([&] {
    std::this_thread::sleep_for(std::chrono::nanoseconds(kAsleep));
    pipe.write();
    std::this_thread::sleep_for(std::chrono::nanoseconds(kAsleep));
    loop.post([&] {
      at_post = loop.executor().now();
      loop.stop();
    });
  });
  loop.run();
  poster.join();
  EXPECT_GE(at_fd, begin + kAsleep);
  EXPECT_GE(at_post, begin + 2 * kAsleep);
}

// Time that passes when a test says so, and how often it was asked for.
struct CountedEnv final : Env {
  TimeNs time = kSecond;
  size_t reads = 0;
  TimeNs now() override {
    ++reads;
    return time;
  }
  TimeNs coarse_now() override { return time; }
  WallNs wall_now() override { return time; }
  void random(void*, size_t) override { ADD_FAILURE() << "a loop draws nothing"; }
};

// Runs `step` turn after turn, nothing else, until it returns false.
void run_steps(Loop& loop, const std::function<bool()>& step) {
  std::optional<Deferred> work;
  work.emplace([&] { step() ? loop.executor().schedule(*work) : loop.stop(); });
  loop.executor().schedule(*work);
  loop.run();
}

TEST(Loop, ShortTurnsShareAReadingOfTheClock) {
  CountedEnv env;
  Loop loop(env);
  env.reads = 0;
  size_t steps = 1'600;
  run_steps(loop, [&] { return --steps > 0; });
  EXPECT_GE(env.reads, 1'600u / 16);
  EXPECT_LE(env.reads, 1'600u / 16 + 10);  // those of the beginning, a poll and the end
}

TEST(Loop, TimeGoesOnWhileItIsBusy) {
  CountedEnv env;
  Loop loop(env);
  TimeNs fired = kNever;
  Timer timer(loop.executor(), [&] { fired = loop.executor().now(); });
  timer.arm(env.time + kMillisecond);
  TimeNs end = env.time + 10 * kMillisecond;
  run_steps(loop, [&] { return (env.time += kMicrosecond) < end && fired == kNever; });
  EXPECT_GE(fired, kSecond + kMillisecond);
  EXPECT_LE(fired, kSecond + kMillisecond + 16 * kMicrosecond);
}

TEST(FdWatch, CallsBackWhileReady) {
  Loop loop;
  Watchdog watchdog(loop);
  Pipe pipe;
  int calls = 0;
  FdWatch watch(loop, pipe.fds[0], EPOLLIN, [&](uint32_t events) {
    EXPECT_TRUE(events & EPOLLIN);
    if (++calls < 3) return;  // level-triggered: unread data calls again
    pipe.read();
    loop.stop();
  });
  pipe.write();
  loop.run();
  EXPECT_EQ(calls, 3);
}

TEST(FdWatch, SetEventsTurnsItOffAndOn) {
  Loop loop;
  Watchdog watchdog(loop);
  Pipe pipe;
  int calls = 0;
  FdWatch watch(loop, pipe.fds[0], EPOLLIN, [&](uint32_t) {
    if (++calls == 1) return watch.set_events(0);
    loop.stop();
  });
  Timer timer(loop.executor(), [&] {
    EXPECT_EQ(calls, 1);
    watch.set_events(EPOLLIN);
  });
  pipe.write();
  timer.arm(system_env().now() + 20 * kMillisecond);
  loop.run();
  EXPECT_EQ(calls, 2);
}

TEST(FdWatch, ACallbackMayDestroyItsWatch) {
  Loop loop;
  Watchdog watchdog(loop);
  Pipe pipe;
  auto mark = std::make_shared<int>(7);
  std::weak_ptr<int> captured = mark;
  std::unique_ptr<FdWatch> watch;
  bool still_there = false;
  watch = std::make_unique<FdWatch>(loop, pipe.fds[0], EPOLLIN, [&, mark = std::move(mark)](uint32_t) {
    watch.reset();
    still_there = !captured.expired();
    loop.stop();
  });
  pipe.write();
  loop.run();
  EXPECT_TRUE(still_there) << "its captures went while it ran";
  EXPECT_TRUE(captured.expired());
}

// All are ready in one round; the first to run destroys the others.
TEST(FdWatch, ACallbackMayDestroyOthersThatAreDue) {
  constexpr int kWatches = 8;
  Loop loop;
  Watchdog watchdog(loop);
  Pipe pipes[kWatches];
  std::unique_ptr<FdWatch> watches[kWatches];
  int calls = 0;
  for (int i = 0; i < kWatches; ++i) {
    pipes[i].write();
    watches[i] = std::make_unique<FdWatch>(loop, pipes[i].fds[0], EPOLLIN, [&](uint32_t) {
      ++calls;
      for (auto& watch : watches) watch.reset();
      loop.stop();
    });
  }
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(FdWatch, APanicIsContained) {
  Loop loop;
  Watchdog watchdog(loop);
  Pipe pipe;
  FdWatch watch(loop, pipe.fds[0], EPOLLIN, [&](uint32_t) {
    pipe.read();
    loop.stop();
    ASPEN_ASSERT(1 + 1 == 3);
  });
  pipe.write();
  loop.run();
}

TEST(FdWatch, ADescriptorThatIsNoneIsRefused) {
  Loop loop;
  EXPECT_THROW(FdWatch(loop, -1, EPOLLIN, [](uint32_t) {}), std::system_error);
}

}  // namespace
}  // namespace aspen::rt

#include "core/lab/host.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace aspen::lab {
namespace {

struct HostTest : testing::Test {
  Events events;
  Host host{events, Random(7), "host"};

  void run_for(DurationNs duration) {
    TimeNs end = events.now() + duration;
    while (events.run_next(end)) {
    }
  }
};

TEST_F(HostTest, TimersFireAtTheirLocalTime) {
  TimeNs fired = 0;
  rt::Timer timer(host.executor(), [&] { fired = events.now(); });
  TimeNs start = events.now();
  host.deliver([&] { timer.arm(host.executor().now() + kSecond); });
  run_for(2 * kSecond);
  EXPECT_EQ(fired, start + kSecond);
}

TEST_F(HostTest, ADriftingClockRunsFaster) {
  host.set_drift(100'000);
  TimeNs before = host.env().now();
  run_for(kSecond);
  EXPECT_NEAR(static_cast<double>(host.env().now() - before), 1.1e9, 10);
  TimeNs fired = 0;
  rt::Timer timer(host.executor(), [&] { fired = events.now(); });
  TimeNs start = events.now();
  host.deliver([&] { timer.arm(host.executor().now() + 1100 * kMillisecond); });
  run_for(2 * kSecond);
  EXPECT_NEAR(static_cast<double>(fired - start), 1e9, 10);
}

TEST_F(HostTest, APausedHostHearsEverythingLater) {
  int heard = 0;
  host.pause();
  host.deliver([&] { ++heard; });
  run_for(kSecond);
  EXPECT_EQ(heard, 0);
  host.resume();
  EXPECT_EQ(heard, 1);
}

TEST_F(HostTest, ADeadHostHearsNothingAndFinishesInItsOwnTime) {
  bool fired = false;
  rt::Timer timer(host.executor(), [&] { fired = true; });
  host.deliver([&] { timer.arm(host.executor().now() + 60 * kSecond); });
  host.kill();
  host.deliver([] { FAIL() << "input reached a dead host"; });
  TimeNs world = events.now();
  EXPECT_TRUE(host.finish([&] { return fired; }));
  EXPECT_EQ(events.now(), world);
  EXPECT_FALSE(host.finish([] { return false; }));
}

TEST(Random, IsTheSameEverywhere) {
  Random random(1);
  EXPECT_EQ(random.next(), 0xb3f2af6d0fc710c5);
  EXPECT_NE(Random(1).fork("a").next(), Random(1).fork("b").next());
  EXPECT_NE(Random(1).fork("a").next(), Random(2).fork("a").next());
  EXPECT_NE(Random(1).fork("a", 0).next(), Random(1).fork("a", 1).next());
  EXPECT_EQ(Random(1).exponential(1'000'000), 1'391'328);
}

TEST(Random, ExponentialHasItsDistribution) {
  constexpr int kDraws = 100'000;
  constexpr int64_t kMean = 1'000'000;
  Random random(7);
  double sum = 0;
  std::map<int64_t, int> longer;  // than so many quarters of the mean
  for (int i = 0; i < kDraws; ++i) {
    int64_t value = random.exponential(kMean);
    ASSERT_GE(value, 0);
    ASSERT_LE(value, 20 * kMean);
    sum += static_cast<double>(value);
    for (int64_t quarter = 1; quarter <= 16; ++quarter) {
      if (value > quarter * kMean / 4) ++longer[quarter];
    }
  }
  EXPECT_NEAR(sum / kDraws, kMean, 0.02 * kMean);
  for (auto [quarter, count] : longer) {
    EXPECT_NEAR(static_cast<double>(count) / kDraws, std::exp(-0.25 * static_cast<double>(quarter)), 0.005);
  }
}

}  // namespace
}  // namespace aspen::lab

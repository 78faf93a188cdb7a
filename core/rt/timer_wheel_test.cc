#include "core/rt/timer_wheel.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace aspen::rt {
namespace {

constexpr TimeNs kLastTime = kNever - 1;

struct Wheel {
  explicit Wheel(TimeNs now, size_t count) : wheel(now), entries(count) {}

  size_t index(const TimerWheel::Entry* entry) const { return static_cast<size_t>(entry - entries.data()); }
  void arm(size_t i, TimeNs at) {
    if (entries[i].armed()) wheel.remove(entries[i]);
    wheel.insert(entries[i], at);
  }
  // What becomes due, in order.
  std::vector<size_t> advance(TimeNs now) {
    TimerWheel::Due due;
    wheel.advance(now, due);
    std::vector<size_t> out;
    while (TimerWheel::Entry* entry = due.pop_front()) out.push_back(index(entry));
    return out;
  }

  TimerWheel wheel;
  std::vector<TimerWheel::Entry> entries;
};

using Indices = std::vector<size_t>;

TEST(TimerWheel, EqualTimesKeepTheirOrderAcrossWheels) {
  TimeNs at = 5'000'000'123;
  Wheel w(7, 4);
  w.arm(2, at);  // far: a high wheel
  EXPECT_EQ(w.advance(at - 1'000'000), Indices{});
  w.arm(0, at);
  EXPECT_EQ(w.advance(at - 50), Indices{});
  w.arm(3, at);
  EXPECT_EQ(w.advance(at - 1), Indices{});
  w.arm(1, at);
  EXPECT_EQ(w.wheel.next(), at);
  EXPECT_EQ(w.advance(at), (Indices{2, 0, 3, 1}));
}

TEST(TimerWheel, EqualTimesKeepTheirOrderFromAnyDistance) {
  for (int bits = 0; bits < 63; ++bits) {
    Wheel w(0, 3);
    for (size_t i : {2, 0, 1}) w.arm(i, (TimeNs{1} << bits) + 1);
    EXPECT_EQ(w.advance(kLastTime), (Indices{2, 0, 1})) << bits;
  }
}

TEST(TimerWheel, NanosecondsAreNotReordered) {
  Wheel w(0, 4);
  w.arm(0, kSecond + 3);
  w.arm(1, kSecond + 1);
  w.arm(2, kSecond + 2);
  w.arm(3, kSecond);
  EXPECT_EQ(w.advance(kSecond - 1), Indices{});
  EXPECT_EQ(w.advance(2 * kSecond), (Indices{3, 1, 2, 0}));
}

TEST(TimerWheel, AllOfTimeIsCovered) {
  Wheel w(0, 3);
  w.arm(0, kLastTime);
  w.arm(1, 0);
  w.arm(2, kLastTime - 1);
  EXPECT_EQ(w.wheel.next(), 0);
  EXPECT_EQ(w.advance(0), Indices{1});
  EXPECT_EQ(w.wheel.next(), kLastTime - 1);
  EXPECT_EQ(w.advance(kLastTime - 1), Indices{2});
  w.arm(1, 5);  // has passed: counts as the present
  EXPECT_EQ(w.wheel.next(), kLastTime - 1);
  EXPECT_EQ(w.advance(kLastTime), (Indices{1, 0}));
  EXPECT_EQ(w.wheel.next(), kNever);
}

TEST(TimerWheel, WhatIsDueMayBeRemoved) {
  Wheel w(0, 3);
  for (size_t i = 0; i < 3; ++i) w.arm(i, 10);
  TimerWheel::Due due;
  w.wheel.advance(10, due);
  EXPECT_EQ(w.wheel.next(), kNever);
  EXPECT_TRUE(w.entries[1].armed());
  w.wheel.remove(w.entries[1]);
  EXPECT_FALSE(w.entries[1].armed());
  w.wheel.remove(w.entries[0]);
  w.wheel.insert(w.entries[0], 10);  // again: due in the next round
  EXPECT_EQ(due.pop_front(), &w.entries[2]);
  EXPECT_TRUE(due.empty());
  EXPECT_EQ(w.advance(10), Indices{0});
}

// The first of a full slot goes: what is known then is a bound, and going there makes it exact.
TEST(TimerWheel, NextIsABoundThatLeadsToTheFirst) {
  constexpr size_t kCount = 1000;
  TimeNs begin = 3600 * kSecond;
  Wheel w(0, kCount);
  for (size_t i = 0; i < kCount; ++i) w.arm(i, begin + static_cast<TimeNs>(i) * kMillisecond);
  EXPECT_EQ(w.wheel.next(), begin);
  size_t first = 500;
  for (size_t i = 0; i < first; ++i) w.wheel.remove(w.entries[i]);
  size_t stops = 0;
  while (true) {
    TimeNs next = w.wheel.next();
    ASSERT_LE(next, begin + static_cast<TimeNs>(first) * kMillisecond);
    Indices due = w.advance(next);
    if (due == Indices{first}) break;
    ASSERT_EQ(due, Indices{});
    ASSERT_GT(w.wheel.next(), next);
    ASSERT_LE(++stops, 7u);
  }
  EXPECT_GT(stops, 0u);
}

TEST(TimerWheel, NextIsExactWithFewEntries) {
  std::minstd_rand random(1);
  Wheel w(0, 16);
  for (int round = 0; round < 1000; ++round) {
    TimeNs at[16];
    for (size_t i = 0; i < 16; ++i)
      w.arm(i, at[i] = round * kSecond + static_cast<TimeNs>(random() % kSecond));
    for (size_t i = 0; i < 16; ++i) {
      ASSERT_EQ(w.wheel.next(), *std::min_element(at + i, at + 16));
      w.wheel.remove(w.entries[i]);
    }
    ASSERT_EQ(w.wheel.next(), kNever);
    w.advance(round * kSecond);
  }
}

TEST(TimerWheel, AllocatesNothing) {
  if (mallinfo2().uordblks == 0) GTEST_SKIP() << "this build's allocator keeps no count";
  Wheel w(0, 10'000);
  std::minstd_rand random(1);
  size_t before = mallinfo2().uordblks;
  size_t moved = 0;
  for (size_t i = 0; i < 100'000; ++i) {
    w.arm(i % w.entries.size(), static_cast<TimeNs>(random()) * 1000);
    if (i % 100 != 0) continue;
    TimerWheel::Due due;
    w.wheel.advance(static_cast<TimeNs>(i) * 1'000'000, due);
    while (due.pop_front() != nullptr) ++moved;
  }
  EXPECT_EQ(mallinfo2().uordblks, before);
  EXPECT_GT(moved, 100u);
}

// Random arms, moves, removals and steps of time over all distances, against an ordered map.
class TimerWheelModel : public testing::TestWithParam<unsigned> {};
TEST_P(TimerWheelModel, Agrees) {
  std::mt19937_64 random(GetParam());
  constexpr size_t kCount = 200;
  TimeNs now = static_cast<TimeNs>(random() % (1'000 * kSecond));
  Wheel w(now, kCount);
  std::multimap<TimeNs, size_t> model;  // equal keys stay in the order inserted
  std::vector<std::multimap<TimeNs, size_t>::iterator> armed(kCount, model.end());
  auto forget = [&](size_t i) {
    if (armed[i] == model.end()) return;
    model.erase(armed[i]);
    armed[i] = model.end();
  };
  // Mostly near and often equal, now and then anywhere up to the end of time.
  auto later = [&] {
    int bits = static_cast<int>(random() % (random() % 4 == 0 ? 62 : 12));
    auto distance = static_cast<TimeNs>(random() & ((uint64_t{1} << bits) - 1));
    return distance > kLastTime - now ? kLastTime : now + distance;
  };
  size_t fired = 0;
  for (int step = 0; step < 20'000; ++step) {
    size_t i = random() % kCount;
    switch (random() % 8) {
      case 0:
        if (w.entries[i].armed()) w.wheel.remove(w.entries[i]);
        forget(i);
        break;
      case 1: {
        // A near step, or to what comes next, or, rarely, a leap.
        TimeNs to = now + static_cast<TimeNs>(random() % 64);
        if (random() % 2 == 0 && w.wheel.next() < kSecond << 20) to = w.wheel.next();
        if (random() % 64 == 0) to = now + static_cast<TimeNs>(random() % (uint64_t{1} << (random() % 48)));
        now = std::max(now, to);
        Indices expected;
        while (!model.empty() && model.begin()->first <= now) {
          expected.push_back(model.begin()->second);
          forget(expected.back());
        }
        ASSERT_EQ(w.advance(now), expected) << "step " << step;
        ASSERT_GT(w.wheel.next(), now);
        fired += expected.size();
        break;
      }
      default: {
        TimeNs at = later();
        w.arm(i, at);
        forget(i);
        armed[i] = model.emplace(at, i);
      }
    }
    TimeNs first = model.empty() ? kNever : model.begin()->first;
    ASSERT_EQ(w.wheel.next() == kNever, model.empty());
    ASSERT_LE(w.wheel.next(), first) << "step " << step;
    if (model.size() <= 16) ASSERT_EQ(w.wheel.next(), first);
  }
  EXPECT_GT(fired, 1000u);
}
INSTANTIATE_TEST_SUITE_P(Seeds, TimerWheelModel, testing::Range(1u, 31u));

}  // namespace
}  // namespace aspen::rt

// A lease never ends early, whatever happens to the leader, and ends soon when its holder is silent.
#include "core/kv/lease_clock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace aspen::kv {
namespace {

constexpr DurationNs kTick = 100 * kMillisecond;
constexpr DurationNs kTickMax = 250 * kMillisecond;
using Ids = std::vector<LeaseId>;

class LeaseClockTest : public testing::Test {
 protected:
  LeaseClockTest() { clock_.lead(now_); }

  // Ticks on time for `duration`, and returns what became due.
  Ids run(DurationNs duration, bool committing = true) {
    Ids due;
    for (TimeNs end = now_ + duration; now_ < end;) {
      now_ += std::min(kTick, end - now_);
      clock_.tick(now_, committing);
      for (LeaseId id : clock_.take_due(SIZE_MAX)) due.push_back(id);
    }
    return due;
  }
  void grant(LeaseId id, DurationNs ttl) { clock_.added(id, ttl, now_); }
  LeaseClock::KeepAlive keep_alive(LeaseId id) { return clock_.keep_alive(id, clock_.arrival(now_)); }

  TimeNs now_ = 5 * kSecond;
  LeaseClock clock_{kTickMax};
};

TEST_F(LeaseClockTest, RunsOutAfterItsTtlAndNotBefore) {
  grant(1, kSecond);
  grant(2, 2 * kSecond);
  EXPECT_EQ(run(kSecond - 1), Ids());
  EXPECT_EQ(run(1), Ids{1});
  EXPECT_EQ(run(kSecond - 1), Ids());
  EXPECT_EQ(run(1), Ids{2});
}

TEST_F(LeaseClockTest, AKeepAliveFillsItFromItsArrival) {
  grant(1, kSecond);
  run(600 * kMillisecond);
  auto arrived = clock_.arrival(now_);
  EXPECT_EQ(run(300 * kMillisecond), Ids());  // the confirmation takes so long
  EXPECT_EQ(clock_.keep_alive(1, arrived), LeaseClock::KeepAlive::done);
  EXPECT_EQ(clock_.remaining(1, now_), 700 * kMillisecond);
  EXPECT_EQ(run(700 * kMillisecond - 1), Ids());
  EXPECT_EQ(run(1), Ids{1});
}

TEST_F(LeaseClockTest, AKeepAliveConfirmedLateDoesNotShorten) {
  grant(1, kSecond);
  auto first = clock_.arrival(now_);
  run(500 * kMillisecond);
  EXPECT_EQ(keep_alive(1), LeaseClock::KeepAlive::done);
  EXPECT_EQ(clock_.keep_alive(1, first), LeaseClock::KeepAlive::done);
  EXPECT_EQ(clock_.remaining(1, now_), kSecond);
}

TEST_F(LeaseClockTest, ATickBetweenTwoTicksIsNotLost) {
  run(30 * kMillisecond);  // the tick before the arrival is 30 ms old when it comes
  now_ += 70 * kMillisecond;
  grant(1, kSecond);
  TimeNs granted = now_;
  while (clock_.take_due(1).empty()) {
    now_ += kMillisecond;
    clock_.tick(now_, true);
  }
  EXPECT_EQ(now_ - granted, kSecond);
}

TEST_F(LeaseClockTest, APauseCountsOneTickAtMost) {
  grant(1, 10 * kSecond);
  now_ += 3600 * kSecond;
  clock_.tick(now_, true);
  EXPECT_EQ(clock_.take_due(1), Ids());
  EXPECT_EQ(clock_.remaining(1, now_), 10 * kSecond - kTickMax);
  // What arrived while the leader was paused is read when it goes on, before or after the tick.
  EXPECT_EQ(keep_alive(1), LeaseClock::KeepAlive::done);
  now_ += 3600 * kSecond;
  EXPECT_EQ(keep_alive(1), LeaseClock::KeepAlive::done);
  clock_.tick(now_, true);
  EXPECT_EQ(clock_.remaining(1, now_), 10 * kSecond);
}

TEST_F(LeaseClockTest, DoesNotRunWhileNothingCommits) {
  grant(1, kSecond);
  run(900 * kMillisecond);
  EXPECT_EQ(run(60 * kSecond, false), Ids());
  EXPECT_EQ(clock_.remaining(1, now_), 100 * kMillisecond);
  EXPECT_EQ(run(100 * kMillisecond), Ids{1});
}

TEST_F(LeaseClockTest, ANewLeaderBeginsWithFullLeases) {
  grant(1, kSecond);
  run(900 * kMillisecond);
  clock_.follow();
  EXPECT_EQ(run(60 * kSecond), Ids());
  grant(2, 3 * kSecond);  // as a follower learns of it
  clock_.lead(now_);
  EXPECT_EQ(clock_.remaining(1, now_), kSecond);
  EXPECT_EQ(run(kSecond - 1), Ids());
  EXPECT_EQ(run(1), Ids{1});
  EXPECT_EQ(run(2 * kSecond), Ids{2});
}

TEST_F(LeaseClockTest, OneThatIsBeingExpiredIsTakenOnceAndCannotBeKept) {
  grant(1, kSecond);
  auto before = clock_.arrival(now_);
  EXPECT_EQ(run(2 * kSecond), Ids{1});
  EXPECT_EQ(keep_alive(1), LeaseClock::KeepAlive::expiring);
  EXPECT_EQ(clock_.keep_alive(1, before), LeaseClock::KeepAlive::expiring);
  EXPECT_EQ(run(2 * kSecond), Ids());
  clock_.removed(1);
  EXPECT_EQ(keep_alive(1), LeaseClock::KeepAlive::unknown);
  EXPECT_EQ(clock_.remaining(1, now_), std::nullopt);
}

TEST_F(LeaseClockTest, OneThatWasNotExpiredIsDueAgainUnlessKept) {
  grant(1, kSecond);
  grant(2, kSecond);
  EXPECT_EQ(run(kSecond), (Ids{1, 2}));
  auto arrived = clock_.arrival(now_);
  clock_.not_expired(1);
  clock_.not_expired(2);
  clock_.not_expired(3);
  EXPECT_EQ(clock_.keep_alive(2, arrived), LeaseClock::KeepAlive::done);
  clock_.not_expired(2);  // told twice
  EXPECT_EQ(run(kTick), Ids{1});
  EXPECT_EQ(run(kSecond), Ids{2});
}

TEST_F(LeaseClockTest, WhatAFormerLeaderWasExpiringIsFullAgain) {
  grant(1, kSecond);
  EXPECT_EQ(run(kSecond), Ids{1});
  clock_.follow();
  clock_.not_expired(1);  // the proposal's end is heard of late
  clock_.lead(now_);
  EXPECT_EQ(clock_.remaining(1, now_), kSecond);
  EXPECT_EQ(run(kSecond), Ids{1});
}

TEST_F(LeaseClockTest, TakesTheEarliestFirstAndNoMoreThanAsked) {
  for (LeaseId id = 1; id <= 5; ++id) grant(id, (6 - id) * kSecond);
  for (int i = 0; i < 50; ++i) clock_.tick(now_ += kTick, true);
  EXPECT_EQ(clock_.take_due(2), (Ids{5, 4}));
  EXPECT_EQ(clock_.take_due(10), (Ids{3, 2, 1}));
}

TEST_F(LeaseClockTest, AReplacedStateHasOnlyItsOwn) {
  grant(1, kSecond);
  grant(2, kSecond);
  run(500 * kMillisecond);
  clock_.replace({{2, 3 * kSecond}, {7, kSecond}}, now_);
  EXPECT_EQ(clock_.size(), 2u);
  EXPECT_EQ(run(kSecond), Ids{7});
  EXPECT_EQ(run(2 * kSecond), Ids{2});
}

// The rules, said of each lease by itself, and of the real time that its holder may count on.
class Model {
 public:
  struct Lease {
    DurationNs ttl;
    DurationNs left;
    TimeNs full_at;
    bool expiring = false;
  };

  // A tick that does not count takes back the part of it that an arrival was given: what is left stays.
  void fill(LeaseId id, TimeNs now) {
    Lease& lease = leases.at(id);
    lease.left = std::max(lease.left, lease.ttl + std::min(now - ticked, kTickMax));
    lease.full_at = now;
  }
  void lead(TimeNs now) {
    leading = true;
    ticked = now;
    for (auto& [id, lease] : leases) lease.left = 0, fill(id, now);
  }
  void follow() {
    leading = false;
    for (auto& [id, lease] : leases) lease.expiring = false;
  }
  void tick(TimeNs now, bool committing) {
    for (auto& [id, lease] : leases) {
      if (leading && committing) lease.left -= std::min(now - ticked, kTickMax);
    }
    ticked = now;
  }
  std::set<LeaseId> due() const {
    std::set<LeaseId> ids;
    for (const auto& [id, lease] : leases) {
      if (leading && !lease.expiring && lease.left <= 0) ids.insert(id);
    }
    return ids;
  }

  bool leading = false;
  TimeNs ticked = 0;
  std::map<LeaseId, Lease> leases;
};

class Program {
 public:
  explicit Program(uint64_t seed) : random_(seed) {}

  void step() {
    const LeaseId id = 1 + random_() % next_;
    auto found = model_.leases.find(id);
    switch (random_() % 12) {
      case 0:
        return grant(kSecond + random_() % (2 * kSecond));
      case 1:
        clock_.removed(id);
        model_.leases.erase(id);
        return;
      case 2:
      case 3:
        if (model_.leading) keep_alive(id);
        return;
      case 4:
        clock_.not_expired(id);
        if (model_.leading && found != model_.leases.end()) found->second.expiring = false;
        return;
      case 5:
        if (random_() % 8 == 0) change_leader();
        return;
      case 6:
        now_ += random_() % kTick;
        return;
      default:
        tick();
    }
  }

 private:
  void grant(DurationNs ttl) {
    clock_.added(next_, ttl, now_);
    model_.leases[next_] = {ttl, 0, now_};
    model_.fill(next_++, now_);
  }

  void keep_alive(LeaseId id) {
    auto found = model_.leases.find(id);
    auto expected = LeaseClock::KeepAlive::done;
    if (found == model_.leases.end())
      expected = LeaseClock::KeepAlive::unknown;
    else if (found->second.expiring)
      expected = LeaseClock::KeepAlive::expiring;
    EXPECT_EQ(clock_.keep_alive(id, clock_.arrival(now_)), expected);
    if (expected == LeaseClock::KeepAlive::done) model_.fill(id, now_);
  }

  void change_leader() {
    if (model_.leading) {
      clock_.follow();
      model_.follow();
    } else {
      clock_.lead(now_);
      model_.lead(now_);
    }
  }

  void tick() {
    now_ += random_() % 20 == 0 ? 30 * kSecond : random_() % (2 * kTick);
    const bool committing = random_() % 10 != 0;
    clock_.tick(now_, committing);
    model_.tick(now_, committing);
    std::set<LeaseId> expected = model_.due();
    auto due = clock_.take_due(3);
    EXPECT_EQ(due.size(), std::min<size_t>(3, expected.size()));
    for (LeaseId id : due) {
      EXPECT_TRUE(expected.contains(id));
      Model::Lease& lease = model_.leases.at(id);
      lease.expiring = true;
      EXPECT_GE(now_ - lease.full_at, lease.ttl) << "lease " << id << " ended early";
    }
  }

  std::mt19937_64 random_;
  TimeNs now_ = 0;
  LeaseId next_ = 1;
  LeaseClock clock_{kTickMax};
  Model model_;
};

TEST(LeaseClockModelTest, RandomProgramsAgree) {
  for (uint64_t seed = 1; seed <= 300 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Program program(seed);
    for (int step = 0; step < 1000; ++step) program.step();
  }
}

// A keep-alive costs a few comparisons, not a look at every lease: this would take hours.
TEST(LeaseClockModelTest, ManyLeasesAreCheap) {
  constexpr LeaseId kLeases = 100'000;
  LeaseClock clock(kTickMax);
  clock.lead(0);
  for (LeaseId id = 1; id <= kLeases; ++id) clock.added(id, kSecond + id, 0);
  std::mt19937_64 random(1);
  TimeNs now = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (i % 1000 == 0) clock.tick(now += kMicrosecond, true);
    LeaseId id = 1 + random() % kLeases;
    EXPECT_EQ(clock.keep_alive(id, clock.arrival(now)), LeaseClock::KeepAlive::done);
  }
  size_t due = 0;
  for (int i = 0; i < 100; ++i) {
    clock.tick(now += kTick, true);
    due += clock.take_due(SIZE_MAX).size();
  }
  EXPECT_EQ(due, kLeases);
}

}  // namespace
}  // namespace aspen::kv

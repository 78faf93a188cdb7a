#include "core/node/lease_keeper.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>

namespace aspen::node {
namespace {

using Ids = std::vector<kv::LeaseId>;

struct FakeHost final : LeaseHost {
  std::optional<raft::Term> reign() const override { return term; }
  raft::Index commit() const override { return committed; }
  raft::Index last_index() const override { return last; }
  std::vector<kv::LeaseClock::Lease> leases() const override { return known; }
  void expire(Ids ids, Proposed done) override { proposed.emplace_back(std::move(ids), std::move(done)); }
  void confirm(Confirmed ready) override { confirming.push_back(std::move(ready)); }

  std::optional<raft::Term> term = 5;
  raft::Index committed = 10;
  raft::Index last = 10;
  std::vector<kv::LeaseClock::Lease> known;
  std::deque<std::pair<Ids, Proposed>> proposed;
  std::deque<Confirmed> confirming;
};

class LeaseKeeperTest : public testing::Test {
 protected:
  void run(DurationNs duration) {
    for (TimeNs end = now_ + duration; now_ < end;) {
      now_ += LeaseKeeper::kTickPeriod;
      keeper_.tick(now_);
    }
  }
  // "ttl ttl" in ms, or the error; "..." while there is no answer.
  std::shared_ptr<std::string> keep_alive(Ids ids) {
    auto answer = std::make_shared<std::string>("...");
    keeper_.keep_alive(std::move(ids), now_, [answer](Result<std::vector<DurationNs>> ttls) {
      *answer = ttls ? "" : ttls.error().name();
      if (!ttls) return;
      for (DurationNs ttl : *ttls)
        *answer += fmt::format("{}{}", answer->empty() ? "" : " ", ttl / kMillisecond);
    });
    return answer;
  }
  void confirm(Result<> result = {}) {
    host_.confirming.front()(std::move(result));
    host_.confirming.pop_front();
  }
  // The oldest proposal ends: applied, or as the error says.
  void propose_ends(Result<> result = {}) {
    auto [ids, done] = std::move(host_.proposed.front());
    host_.proposed.pop_front();
    if (result) {
      for (kv::LeaseId id : ids) keeper_.removed(id);
    }
    done(std::move(result));
  }
  Ids next_proposed() { return host_.proposed.empty() ? Ids() : host_.proposed.front().first; }

  FakeHost host_;
  LeaseKeeper keeper_{host_};
  TimeNs now_ = 1000 * kSecond;
};

TEST_F(LeaseKeeperTest, WhatRunsOutIsProposedOnce) {
  host_.known = {{1, kSecond}, {2, 3 * kSecond}};
  keeper_.tick(now_);
  keeper_.granted(3, kSecond, now_);
  run(kSecond - LeaseKeeper::kTickPeriod);
  EXPECT_EQ(next_proposed(), Ids());
  run(LeaseKeeper::kTickPeriod);
  EXPECT_EQ(next_proposed(), (Ids{1, 3}));
  run(3 * kSecond);
  EXPECT_EQ(host_.proposed.size(), 1u) << "one at a time";
  propose_ends();
  run(LeaseKeeper::kTickPeriod);
  EXPECT_EQ(next_proposed(), Ids{2});
}

TEST_F(LeaseKeeperTest, AKeepAliveCountsFromItsArrivalOnceConfirmed) {
  host_.known = {{1, kSecond}};
  keeper_.tick(now_);
  run(800 * kMillisecond);
  auto answer = keep_alive({1, 9});
  run(150 * kMillisecond);
  EXPECT_EQ(*answer, "...");
  confirm();
  EXPECT_EQ(*answer, "1000 0");
  EXPECT_EQ(keeper_.remaining(1, now_).value_or(0), 850 * kMillisecond);
  EXPECT_EQ(keeper_.remaining(9, now_).error().code, Code::NOT_FOUND);
}

TEST_F(LeaseKeeperTest, OneThatIsNotConfirmedKeepsNothing) {
  host_.known = {{1, kSecond}};
  keeper_.tick(now_);
  run(800 * kMillisecond);
  auto answer = keep_alive({1});
  confirm(fail(Code::NOT_LEADER, "another leads"));
  EXPECT_EQ(*answer, "NOT_LEADER");
  run(200 * kMillisecond);
  EXPECT_EQ(next_proposed(), Ids{1});
}

TEST_F(LeaseKeeperTest, AKeepAliveWaitsForAnExpiryOnItsWay) {
  host_.known = {{1, kSecond}, {2, kSecond}};
  keeper_.tick(now_);
  run(kSecond);
  auto gone = keep_alive({1});
  confirm();
  EXPECT_EQ(*gone, "...");
  propose_ends();
  EXPECT_EQ(*gone, "0");
}

TEST_F(LeaseKeeperTest, AnExpiryThatWasRefusedLeavesTheLeaseToItsKeepAlive) {
  host_.known = {{1, kSecond}, {2, kSecond}};
  keeper_.tick(now_);
  run(kSecond);
  auto kept = keep_alive({1});
  confirm();
  propose_ends(std::unexpected(Error(Code::OVERLOADED, Applied::NO, "later")));
  EXPECT_EQ(*kept, "1000");
  run(LeaseKeeper::kTickPeriod);
  EXPECT_EQ(next_proposed(), Ids{2});
}

TEST_F(LeaseKeeperTest, ALostLeadershipAnswersWhoWaits) {
  host_.known = {{1, kSecond}};
  keeper_.tick(now_);
  run(kSecond);
  auto waits = keep_alive({1});
  confirm();
  auto unconfirmed = keep_alive({1});
  host_.term.reset();
  run(LeaseKeeper::kTickPeriod);
  EXPECT_EQ(*waits, "NOT_LEADER");
  EXPECT_EQ(*keep_alive({1}), "NOT_LEADER");
  confirm();
  EXPECT_EQ(*unconfirmed, "NOT_LEADER");
}

TEST_F(LeaseKeeperTest, AnotherTermBeginsWithFullLeases) {
  host_.known = {{1, kSecond}};
  keeper_.tick(now_);
  run(900 * kMillisecond);
  auto before = keep_alive({1});
  host_.term = 7;  // lost and won between two ticks
  run(900 * kMillisecond);
  confirm();
  EXPECT_EQ(*before, "NOT_LEADER") << "another may have led since it came";
  EXPECT_EQ(next_proposed(), Ids());
  run(200 * kMillisecond);
  EXPECT_EQ(next_proposed(), Ids{1});
}

// A late end of a proposal of an earlier reign says nothing about this one's.
TEST_F(LeaseKeeperTest, AnExpiryOfAnEarlierReignIsNotThisOnes) {
  host_.known = {{1, kSecond}};
  keeper_.tick(now_);
  run(kSecond);
  host_.term = 7;
  run(kSecond + LeaseKeeper::kTickPeriod);
  ASSERT_EQ(host_.proposed.size(), 2u);
  propose_ends(std::unexpected(Error(Code::NOT_LEADER, Applied::MAYBE, "")));
  run(kSecond);
  EXPECT_EQ(host_.proposed.size(), 1u);
  propose_ends();
  EXPECT_EQ(keeper_.remaining(1, now_).error().code, Code::NOT_FOUND);
}

TEST_F(LeaseKeeperTest, DoesNotAgeWhileNothingCommits) {
  host_.known = {{1, kSecond}};
  keeper_.tick(now_);
  host_.last = 20;
  run(LeaseKeeper::kTickPeriod);
  run(60 * kSecond);
  EXPECT_EQ(next_proposed(), Ids());
  host_.committed = 20;
  run(kSecond);
  EXPECT_EQ(next_proposed(), Ids{1});
}

TEST_F(LeaseKeeperTest, ClosingAnswersWhoWaits) {
  host_.known = {{1, kSecond}};
  auto keeper = std::make_unique<LeaseKeeper>(host_);
  std::string answer;
  keeper->keep_alive({1}, now_, [&](Result<std::vector<DurationNs>> ttls) { answer = ttls.error().name(); });
  keeper.reset();
  confirm();
  EXPECT_EQ(answer, "SHUTDOWN");
}

}  // namespace
}  // namespace aspen::node

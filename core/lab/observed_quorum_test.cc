// Why a quorum is never counted among those a leader observes (docs/consensus.md): five members, a fresh
// leader whose committee of three has elected it, a write that two of the three have, and one crash.
#include <gtest/gtest.h>

#include "core/kv/command.h"
#include "core/lab/cluster.h"

namespace aspen::lab {
namespace {

constexpr DurationNs kLimit = 60 * kSecond;

class ObservedQuorum : public testing::Test {
 protected:
  bool form() {
    return cluster_.form() && world_.run_until([&] { return voters() == cluster_.size(); }, kLimit);
  }
  size_t voters() {
    Machine* leader = cluster_.leader();
    if (leader == nullptr) return 0;
    const auto& members = leader->replica()->driver().core().config().members;
    return static_cast<size_t>(std::ranges::count(members, raft::MemberRole::voter, &raft::Member::role));
  }
  void cut(size_t a, size_t b) {
    world_.network().cut(cluster_.member(a).address(), cluster_.member(b).address());
    world_.network().cut(cluster_.member(b).address(), cluster_.member(a).address());
  }
  bool elect(size_t i) {
    return world_.run_until(
        [&] {
          Machine* leader = cluster_.leader();
          if (leader == &cluster_.member(i)) return leads(i);
          if (leader == nullptr || leader->replica() == nullptr) return false;
          raft::PeerId heir = cluster_.member(i).replica()->group().peer();
          leader->host()->deliver(
              [leader, heir] { (void)leader->replica()->driver().transfer_leadership(heir); });
          return false;
        },
        kLimit);
  }
  // Its reign has begun: its first entry is committed.
  bool leads(size_t i) {
    const raft::Core& core = cluster_.member(i).replica()->driver().core();
    return core.role() == raft::Role::leader && core.log().term_at(core.commit()) == core.term();
  }

  World world_{{.seed = 3}};
  Cluster cluster_{world_, {.members = 5, .client_machines = 0}};
};

TEST_F(ObservedQuorum, WhatTwoOfFiveHaveIsNotAcknowledged) {
  ASSERT_TRUE(form());
  // Members 4 and 5 are out of reach; 3 leads, and then 1, by the votes of 1, 2 and 3.
  ASSERT_TRUE(elect(2));
  for (size_t near : {0, 1, 2}) {
    for (size_t far : {3, 4}) cut(near, far);
  }
  ASSERT_TRUE(elect(0));
  // Member 3 is cut off too, which the leader has not noticed when it takes a write.
  cut(0, 2);
  cut(1, 2);
  static bool acknowledged;
  acknowledged = false;
  Machine& leader = cluster_.member(0);
  kv::Command command{.kind = kv::Command::Kind::open_session};
  leader.host()->deliver([&] {
    leader.replica()->driver().propose(kv::encode(command),
                                       [](Result<Bytes> r) { acknowledged = r.has_value(); });
  });
  auto second_has_it = [&] {
    return cluster_.member(1).replica()->driver().core().last_index() ==
           leader.replica()->driver().core().last_index();
  };
  ASSERT_TRUE(world_.run_until(second_has_it, kSecond));
  world_.run_for(50 * kMillisecond);
  ASSERT_EQ(leader.replica()->driver().core().role(), raft::Role::leader);
  EXPECT_FALSE(acknowledged);
  // One crash. The second member stays cut off a little longer, and the other three elect one of them.
  cluster_.repair_mean = 30 * kSecond;
  cluster_.crash(0, DiskCrash::process_kill);
  world_.network().heal();
  for (size_t other : {0, 2, 3, 4}) cut(1, other);
  ASSERT_TRUE(world_.run_until([&] { return leads(2) || leads(3) || leads(4); }, kLimit));
  EXPECT_TRUE(cluster_.settle()) << world_.violation()->oracle << ": " << world_.violation()->detail;
}

}  // namespace
}  // namespace aspen::lab

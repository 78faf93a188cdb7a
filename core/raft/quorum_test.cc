#include "core/raft/quorum.h"

#include <gtest/gtest.h>

#include <map>

#include "core/raft/test_node.h"

namespace aspen::raft {
namespace {

using testing::member;
using testing::voters;

// Voters 1.. of the new half reached `members`; voters 11.. of the outgoing half reached `outgoing`.
uint64_t reached(std::vector<uint64_t> members, std::vector<uint64_t> outgoing = {}) {
  Config config;
  std::map<PeerId, uint64_t> at;
  for (size_t i = 0; i < members.size(); ++i) {
    config.members.push_back(member(i + 1));
    at[i + 1] = members[i];
  }
  for (size_t i = 0; i < outgoing.size(); ++i) {
    config.outgoing.push_back(i + 11);
    at[i + 11] = outgoing[i];
  }
  return quorum_reached(config, [&](PeerId peer) { return at.at(peer); });
}

TEST(Quorum, IsTheLargestNumberAMajorityReaches) {
  EXPECT_EQ(reached({}), 0u);
  EXPECT_EQ(reached({7}), 7u);
  EXPECT_EQ(reached({7, 5}), 5u);
  EXPECT_EQ(reached({9, 1, 5}), 5u);
  EXPECT_EQ(reached({9, 0, 0}), 0u);
  EXPECT_EQ(reached({4, 3, 2, 1}), 2u);
  EXPECT_EQ(reached({1, 1, 1, 2}), 1u);
  EXPECT_EQ(reached({5, 4, 3, 2, 1}), 3u);
  EXPECT_EQ(reached({5, 5, 5, 0, 0}), 5u);
}

TEST(Quorum, JointNeedsBothHalves) {
  EXPECT_EQ(reached({9, 9, 9}, {1, 1, 1}), 1u);
  EXPECT_EQ(reached({1, 1, 1}, {9, 9, 9}), 1u);
  EXPECT_EQ(reached({9, 8, 0}, {7, 0, 9}), 7u);
  EXPECT_EQ(reached({9}, {0, 9}), 0u);
}

TEST(Quorum, LearnersDoNotCount) {
  Config config = voters({1, 2, 3});
  config.members.push_back(member(4, MemberRole::learner));
  EXPECT_EQ(quorum_reached(config, [](PeerId peer) { return peer == 4 ? 9u : peer; }), 2u);
}

VoteResult result(const Config& config, std::map<PeerId, bool> votes) {
  return tally(config, [&](PeerId peer) -> std::optional<bool> {
    auto it = votes.find(peer);
    return it == votes.end() ? std::nullopt : std::optional(it->second);
  });
}

TEST(Tally, DecidesAsSoonAsItIsDecided) {
  using enum VoteResult;
  Config three = voters({1, 2, 3});
  EXPECT_EQ(result(three, {}), pending);
  EXPECT_EQ(result(three, {{1, true}}), pending);
  EXPECT_EQ(result(three, {{1, true}, {2, true}}), won);
  EXPECT_EQ(result(three, {{1, true}, {2, false}}), pending);
  EXPECT_EQ(result(three, {{1, true}, {2, false}, {3, false}}), lost);
  EXPECT_EQ(result(three, {{9, true}, {8, true}}), pending);
  EXPECT_EQ(result(voters({1, 2, 3, 4}), {{1, true}, {2, true}, {3, false}}), pending);
  EXPECT_EQ(result(voters({1, 2, 3, 4}), {{1, true}, {3, false}, {4, false}}), lost);
  EXPECT_EQ(result(voters({1}), {{1, true}}), won);
  EXPECT_EQ(result(Config{}, {}), lost);
}

TEST(Tally, JointIsLostWhenOneHalfIsLost) {
  using enum VoteResult;
  Config joint = voters({4, 5});
  joint.outgoing = {1, 2, 3};
  EXPECT_EQ(result(joint, {{4, true}, {5, true}}), pending);
  EXPECT_EQ(result(joint, {{4, true}, {5, true}, {1, true}, {2, true}}), won);
  EXPECT_EQ(result(joint, {{1, true}, {2, true}, {3, true}, {5, false}}), lost);
}

}  // namespace
}  // namespace aspen::raft

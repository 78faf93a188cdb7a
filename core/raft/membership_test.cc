#include "core/raft/membership.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/assert.h"
#include "core/raft/test_node.h"

namespace aspen::raft {
namespace {

using testing::member;
using testing::voters;

std::vector<Member> members(std::initializer_list<PeerId> voting,
                            std::initializer_list<PeerId> learning = {}) {
  std::vector<Member> out;
  for (PeerId peer : voting) out.push_back(member(peer));
  for (PeerId peer : learning) out.push_back(member(peer, MemberRole::learner));
  return out;
}

TEST(PlanChange, OneVoterMoreOrLessIsOneStep) {
  Config current = voters({1, 2, 3});
  for (const auto& target : {members({1, 2, 3}), members({1, 2, 3, 4}), members({1, 2}), members({1, 2}, {3}),
                             members({3, 2, 1}, {9, 8, 7}), members({2, 3}, {1, 4, 5})}) {
    Config next = plan_change(current, target).value();
    EXPECT_FALSE(next.joint());
    EXPECT_TRUE(next.leaving.empty());
    EXPECT_EQ(next.members.size(), target.size());
    EXPECT_TRUE(std::ranges::is_sorted(next.members, {}, &Member::peer));
  }
}

TEST(PlanChange, MoreThanOneIsJoint) {
  Config current = voters({1, 2, 3});
  Config next = plan_change(current, members({4, 5, 3}, {2})).value();
  EXPECT_EQ(next.outgoing, (std::vector<PeerId>{1, 2, 3}));
  EXPECT_EQ(next.leaving, (std::vector<Member>{member(1)}));  // 2 stays as a learner
  EXPECT_NE(next.find(1), nullptr);
  EXPECT_TRUE(next.is_voter(1));
  EXPECT_TRUE(next.is_voter(2));
  EXPECT_TRUE(next.is_voter(4));
  EXPECT_FALSE(next.is_voter(9));
  EXPECT_EQ(next.find(member(1).node)->peer, 1u);

  Config after = leave_joint(next);
  EXPECT_FALSE(after.joint());
  EXPECT_EQ(after.find(1), nullptr);
  EXPECT_FALSE(after.is_voter(2));
  EXPECT_EQ(after.members, next.members);
  // Also as decoded: what was planned is canonical.
  EXPECT_EQ(decode_config(encode(next)).value(), next);
}

TEST(PlanChange, RefusesWhatCannotBeAGroup) {
  Config current = voters({1});
  auto refused = [&](std::vector<Member> target) {
    auto result = plan_change(current, std::move(target));
    return !result && result.error().code == Code::INVALID_ARGUMENT;
  };
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused(members({}, {1, 2})));
  EXPECT_TRUE(refused(members({1, 1})));
  EXPECT_TRUE(refused(members({1}, {1})));
  EXPECT_TRUE(refused(members({0, 1})));
  auto same_node = members({1, 2});
  same_node[1].node = same_node[0].node;
  EXPECT_TRUE(refused(same_node));
  auto long_address = members({1});
  long_address[0].address = std::string(limits::kAddressBytesMax + 1, 'a');
  EXPECT_TRUE(refused(long_address));
  long_address[0].address = "\xff:1";
  EXPECT_TRUE(refused(long_address));
  std::vector<Member> many;
  for (PeerId peer = 1; peer <= limits::kMembersMax + 1; ++peer) {
    many.push_back(member(peer, MemberRole::learner));
    many.back().node.key[1] = static_cast<uint8_t>(peer >> 8);
  }
  many[0].role = MemberRole::voter;
  EXPECT_TRUE(refused(many));
  many.pop_back();
  EXPECT_FALSE(refused(many));
}

TEST(ConfigHistory, FollowsTheLog) {
  ConfigHistory history({.index = 5, .term = 1, .config = voters({1})});
  history.append(7, voters({1, 2}));
  history.append(9, voters({2}));
  EXPECT_EQ(history.current(), voters({2}));
  EXPECT_EQ(history.current_index(), 9u);
  EXPECT_EQ(history.at(5), voters({1}));
  EXPECT_EQ(history.at(8), voters({1, 2}));
  EXPECT_EQ(history.at(100), voters({2}));
  EXPECT_TRUE(history.is_voter_since(8, 1));
  EXPECT_FALSE(history.is_voter_since(9, 1));
  EXPECT_THROW(history.at(4), Panic);

  EXPECT_FALSE(history.truncate_from(10));
  EXPECT_TRUE(history.truncate_from(9));
  EXPECT_EQ(history.current(), voters({1, 2}));

  history.compact({.index = 6, .term = 1, .config = voters({1})});
  EXPECT_EQ(history.at(6), voters({1}));
  history.compact({.index = 7, .term = 1, .config = voters({1, 2})});
  EXPECT_EQ(history.at(7), voters({1, 2}));
  history.reset({.index = 50, .term = 3, .config = voters({4})});
  EXPECT_EQ(history.current(), voters({4}));
}

}  // namespace
}  // namespace aspen::raft

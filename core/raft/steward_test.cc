#include "core/raft/steward.h"

#include <gtest/gtest.h>

#include "core/raft/test_describe.h"
#include "core/raft/test_node.h"

namespace aspen::raft {
namespace {

using testing::describe;
using testing::member;
using testing::voters;

constexpr DurationNs kAfter = 10 * kSecond;

// A leader's view of a group: 1 leads, everybody is in contact and has everything.
class StewardTest : public ::testing::Test {
 protected:
  explicit StewardTest(size_t count = 5) {
    for (PeerId id = 1; id <= count; ++id) add(id);
  }
  void add(PeerId id, MemberRole role = MemberRole::voter) {
    status_.config.members.push_back(member(id, role));
    if (id != 1) status_.progress[id] = {.match = status_.commit, .next = status_.commit + 1, .active = true};
  }
  // What the change makes of the group, or nothing.
  std::string decide() {
    auto change = steward_.decide(status_, now_);
    if (!change) return "";
    bool joint = change->via == ChangeVia::joint;
    EXPECT_EQ(joint, !change->demoted.empty()) << "a majority of the old voters has to commit a demotion";
    return describe(Config{.members = change->members});
  }
  // As often as it is asked; the last answer that was one.
  std::string decide_for(DurationNs duration) {
    std::string last;
    for (TimeNs end = now_ + duration; now_ < end;) {
      now_ += 100 * kMillisecond;
      std::string answer = decide();
      if (!answer.empty()) last = answer;
    }
    return last;
  }
  void die(PeerId id) { status_.progress[id].active = false; }
  void revive(PeerId id) { status_.progress[id].active = true; }

  Steward steward_{{.dead_voter_after = kAfter}};
  Status status_{.self = 1, .role = Role::leader, .commit = 50'000};
  TimeNs now_ = 0;
};

TEST_F(StewardTest, LeavesAGroupAloneThatIsWell) {
  EXPECT_EQ(decide_for(10 * kAfter), "");
}

TEST_F(StewardTest, DemotesADeadVoterAfterTheTime) {
  decide();
  die(3);
  EXPECT_EQ(decide_for(kAfter - 200 * kMillisecond), "");
  EXPECT_EQ(decide_for(kSecond), "voters 1,2,4,5 learners 3");
}

TEST_F(StewardTest, OneThatComesBackNowAndThenIsNotDead) {
  for (int i = 0; i < 10; ++i) {
    die(3);
    EXPECT_EQ(decide_for(kAfter - kSecond), "");
    revive(3);
    EXPECT_EQ(decide_for(kSecond), "");
  }
}

TEST_F(StewardTest, DemotesOneThatLags) {
  decide();
  status_.progress[4].match = status_.commit - 20'000;
  EXPECT_EQ(decide_for(2 * kAfter), "voters 1,2,3,5 learners 4");
}

TEST_F(StewardTest, TwoDeadGoAtOnce) {
  decide();
  die(3);
  die(5);
  EXPECT_EQ(decide_for(2 * kAfter), "voters 1,2,4 learners 3,5");
}

// With somebody missing among those who stay, fewer voters would be fewer that may fail.
TEST_F(StewardTest, NobodyGoesWhileOneOfTheOthersIsUnwell) {
  decide();
  die(3);
  EXPECT_EQ(decide_for(kAfter - kSecond), "");
  die(5);
  EXPECT_EQ(decide_for(kAfter - kSecond), "");
  EXPECT_EQ(decide_for(2 * kSecond), "voters 1,2,4 learners 3,5");
}

TEST_F(StewardTest, AMajorityHasToStay) {
  decide();
  for (PeerId id : {2, 3, 4}) die(id);
  EXPECT_EQ(decide_for(10 * kAfter), "");
}

class StewardOfThree : public StewardTest {
 protected:
  StewardOfThree() : StewardTest(3) {}
};

TEST_F(StewardOfThree, IsNeverMadeSmaller) {
  decide();
  die(3);
  EXPECT_EQ(decide_for(100 * kAfter), "");
}

TEST_F(StewardTest, ARemovalLeavesAMajorityThatIsWell) {
  auto without = [this](PeerId id) -> std::string {
    auto members = raft::without(status_, member(id, MemberRole::voter).node);
    if (!members) return members.error().to_string();
    return *members ? describe(Config{.members = **members}) : "no member";
  };
  auto refused = [&](PeerId id) { return without(id).starts_with("UNAVAILABLE"); };
  EXPECT_EQ(without(2),
            describe(Config{.members = {member(1, MemberRole::voter), member(3, MemberRole::voter),
                                        member(4, MemberRole::voter), member(5, MemberRole::voter)}}));
  EXPECT_EQ(without(1).starts_with("UNAVAILABLE"), false);  // the leader itself
  EXPECT_EQ(without(77), "no member");
  die(4);
  EXPECT_FALSE(refused(2));  // three of four
  status_.progress[5].match = status_.commit - 10'001;
  EXPECT_TRUE(refused(2));  // two of four
  EXPECT_TRUE(refused(1));
  EXPECT_FALSE(refused(4));  // three of four
  EXPECT_NE(without(2).find("4 voters, of which 2"), std::string::npos) << without(2);
  status_.config.members.resize(2);
  status_.config.members[1].role = MemberRole::learner;
  EXPECT_FALSE(refused(2));
  EXPECT_TRUE(without(1).starts_with("INVALID_ARGUMENT")) << without(1);
}

TEST_F(StewardTest, PromotesALearnerThatHasCaughtUp) {
  add(6, MemberRole::learner);
  status_.progress[6].match = 0;
  EXPECT_EQ(decide(), "");
  status_.progress[6].match = status_.commit - 129;
  EXPECT_EQ(decide(), "");
  ++status_.progress[6].match;
  EXPECT_EQ(decide(), "voters 1,2,3,4,5,6");
  status_.progress[6].active = false;
  EXPECT_EQ(decide(), "");
}

TEST_F(StewardTest, PromotesOneAtATime) {
  add(6, MemberRole::learner);
  add(7, MemberRole::learner);
  EXPECT_EQ(decide(), "voters 1,2,3,4,5,6 learners 7");
}

// Five of which three are in contact, and one more voter: three of six would be no majority.
TEST_F(StewardTest, PromotesNobodyWhoWouldCostTheQuorum) {
  add(6, MemberRole::learner);
  die(2);
  die(3);
  EXPECT_EQ(decide(), "voters 1,2,3,4,5,6");  // 1, 4, 5 and 6 of six
  die(4);
  EXPECT_EQ(decide(), "");
}

TEST_F(StewardTest, WhoDoesNotLeadDecidesNothingAndForgets) {
  decide();
  die(3);
  decide_for(kAfter - kSecond);
  status_.role = Role::follower;
  EXPECT_EQ(decide(), "");
  status_.role = Role::leader;
  EXPECT_EQ(decide_for(kAfter - kSecond), "");
  EXPECT_EQ(decide_for(2 * kSecond), "voters 1,2,4,5 learners 3");
}

TEST_F(StewardTest, WaitsForAChangeUnderWay) {
  decide();
  die(3);
  status_.config.outgoing = {1, 2, 3, 4, 5};
  EXPECT_EQ(decide_for(2 * kAfter), "");
}

TEST_F(StewardTest, WithoutATimeNobodyIsDemoted) {
  steward_ = Steward{};
  decide();
  die(3);
  EXPECT_EQ(decide_for(1000 * kAfter), "");
}

}  // namespace
}  // namespace aspen::raft

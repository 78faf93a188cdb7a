#include "core/lab/raft_oracles.h"

#include <gtest/gtest.h>

namespace aspen::lab {
namespace {

using raft::Index;
using raft::PeerId;
using raft::Role;
using raft::Term;

raft::EntryPtr entry(Index index, Term term, Bytes data = "x") {
  return std::make_shared<const raft::Entry>(
      raft::Entry{.index = index, .term = term, .data = std::move(data)});
}

// A log whose entries have these terms.
raft::Log log_of(std::initializer_list<Term> terms) {
  raft::Log log;
  for (Term term : terms) log.append(entry(log.last_index() + 1, term));
  return log;
}

class RaftOraclesTest : public ::testing::Test {
 protected:
  void see(PeerId self, const raft::Log& log, Term term, Index commit, Role role = Role::follower,
           Index applied = 0) {
    oracles.observe({self, role, term, commit, applied, &log});
  }
  void expect_fine() {
    ASSERT_FALSE(oracles.violation()) << oracles.violation()->rule << ": " << oracles.violation()->detail;
  }
  void expect(std::string_view rule, std::string_view detail) {
    ASSERT_TRUE(oracles.violation());
    EXPECT_EQ(oracles.violation()->rule, rule);
    EXPECT_EQ(oracles.violation()->detail, detail);
  }

  RaftOracles oracles;
};

TEST_F(RaftOraclesTest, AcceptsAGroupThatChangesItsLeader) {
  raft::Log a = log_of({1, 1, 1});
  raft::Log b = log_of({1, 1});
  see(1, a, 1, 2, Role::leader);
  see(2, b, 1, 1);
  see(2, b, 2, 2, Role::leader);  // the third entry was not committed
  b.append(entry(3, 2));
  see(2, b, 2, 3, Role::leader, 2);
  a.truncate_from(3);
  a.append(b.at(3));
  see(1, a, 2, 3);
  oracles.acknowledged(3);
  expect_fine();
}

TEST_F(RaftOraclesTest, TwoLeadersOfATerm) {
  raft::Log log = log_of({1});
  see(1, log, 4, 0, Role::leader);
  see(2, log, 4, 0, Role::leader);
  expect("one-leader", "term 4: peers 1 and 2 lead");
}

TEST_F(RaftOraclesTest, ALeaderWithoutACommittedEntry) {
  see(1, log_of({1, 1}), 1, 2, Role::leader);
  see(2, log_of({1}), 2, 1, Role::leader);
  expect("leader-complete",
         "peer 2 leads term 2 without entry 2 of term 1, committed in term 1 (seen at peer 1)");
}

TEST_F(RaftOraclesTest, ALeaderOfAnOlderTermNeedNotHaveWhatWasCommittedSince) {
  see(1, log_of({1, 5}), 5, 2, Role::leader);
  see(2, log_of({1}), 3, 1, Role::leader);
  expect_fine();
}

TEST_F(RaftOraclesTest, EntriesOfOneTermThatDiffer) {
  see(1, log_of({1, 1}), 1, 0);
  raft::Log other = log_of({1});
  other.append(entry(2, 1, "y"));
  see(2, other, 1, 0);
  expect("log-matching", "entry 2 of term 1 is not the same at peers 1 and 2");
}

TEST_F(RaftOraclesTest, EntriesThatAgreeOverOthersThatDoNot) {
  see(1, log_of({1, 3}), 3, 0);
  see(2, log_of({2, 3}), 3, 0);
  expect("log-matching", "before entry 2 of term 3 peer 1 has an entry of term 1, peer 2 one of term 2");
}

TEST_F(RaftOraclesTest, ACommittedEntryThatChanges) {
  see(1, log_of({1, 1}), 1, 2);
  see(2, log_of({1, 2}), 2, 1);
  expect_fine();
  see(2, log_of({1, 2}), 2, 2);
  expect("committed-changed", "entry 2 is committed as one of term 1 at peer 1, as one of term 2 at peer 2");
}

TEST_F(RaftOraclesTest, WhatAMemberCommitsAfterARestartIsComparedAgain) {
  see(1, log_of({1, 1}), 1, 2);
  oracles.stopped(1);
  see(1, log_of({1, 2}), 2, 2);
  expect("committed-changed", "entry 2 is committed as one of term 1 at peer 1, as one of term 2 at peer 1");
}

TEST_F(RaftOraclesTest, NumbersThatGoBack) {
  raft::Log log = log_of({1, 1, 1});
  see(1, log, 2, 3);
  oracles.stopped(1);
  see(1, log, 1, 1);
  expect_fine();
  see(1, log, 1, 0);
  expect("commit-backwards", "peer 1: its commit index went from 1 back to 0");
  oracles = RaftOracles();
  see(1, log, 2, 0);
  see(1, log, 1, 0);
  expect("commit-backwards", "peer 1: its term went from 2 back to 1");
  oracles = RaftOracles();
  see(1, log, 1, 2, Role::follower, 2);
  see(1, log, 1, 2, Role::follower, 1);
  expect("commit-backwards", "peer 1: its applied index went from 2 back to 1");
  oracles = RaftOracles();
  see(1, log, 1, 1, Role::follower, 2);
  expect("commit-backwards", "peer 1 has applied up to 2, but committed up to 1");
}

TEST_F(RaftOraclesTest, TwoVotesInATerm) {
  using raft::MessageKind;
  oracles.sent({.kind = MessageKind::vote, .from = 1, .to = 2, .term = 5});
  oracles.sent({.kind = MessageKind::vote, .from = 1, .to = 3, .term = 5});
  oracles.sent({.kind = MessageKind::vote_reply, .from = 1, .to = 3, .term = 5, .reject = true});
  oracles.sent({.kind = MessageKind::vote_reply, .from = 1, .to = 3, .term = 6});
  oracles.sent({.kind = MessageKind::pre_vote_reply, .from = 1, .to = 2, .term = 6});
  oracles.stopped(1);
  expect_fine();
  oracles.sent({.kind = MessageKind::vote_reply, .from = 1, .to = 2, .term = 6});
  expect("voted-twice", "peer 1 voted in term 6 for 3 and for 2");
}

TEST_F(RaftOraclesTest, StatesThatDiffer) {
  oracles.state(1, 7, "a");
  oracles.state(2, 8, "b");
  oracles.state(3, 7, "a");
  expect_fine();
  oracles.state(2, 7, "b");
  expect("state-differs", "after applying 7 peers 1 and 2 have different states");
}

TEST_F(RaftOraclesTest, AnAcknowledgementOfNothing) {
  see(1, log_of({1, 1}), 1, 1);
  oracles.acknowledged(1);
  expect_fine();
  oracles.acknowledged(2);
  expect("ack-lost", "a write was acknowledged at index 2, but only 1 entries are committed");
}

TEST_F(RaftOraclesTest, WhatAMemberCommittedAsItStoppedIsCommitted) {
  see(1, log_of({1, 1}), 1, 1);
  raft::Log log = log_of({1, 1});
  oracles.observe_commits({1, Role::leader, 1, 2, 3, &log});  // its state may be ahead
  oracles.acknowledged(2);
  expect_fine();
  log.truncate_from(2);
  log.append(entry(2, 2));
  see(2, log, 2, 2);
  expect("committed-changed", "entry 2 is committed as one of term 1 at peer 1, as one of term 2 at peer 2");
}

TEST_F(RaftOraclesTest, TheFirstViolationStays) {
  oracles.acknowledged(1);
  oracles.state(1, 7, "a");
  oracles.state(2, 7, "b");
  EXPECT_EQ(oracles.violation()->rule, "ack-lost");
}

TEST_F(RaftOraclesTest, ForgetsWhatEverybodyHasApplied) {
  raft::Log log = log_of({1, 1, 1, 1});
  see(1, log, 1, 4, Role::leader, 4);
  EXPECT_EQ(oracles.entries_kept(), 0u);
  see(2, log, 1, 2, Role::follower, 0);
  log.append(entry(5, 1));
  see(1, log, 1, 5, Role::leader, 5);
  EXPECT_EQ(oracles.entries_kept(), 2u) << "peer 2 has not applied it";
  see(2, log, 1, 5, Role::follower, 5);
  EXPECT_EQ(oracles.entries_kept(), 0u);
}

TEST_F(RaftOraclesTest, IsBoundedWhenAMemberStaysBehind) {
  oracles = RaftOracles(10);
  raft::Log log;
  see(2, log, 1, 0);
  for (Index i = 1; i <= 200; ++i) {
    log.append(entry(i, 1));
    see(1, log, 1, i, Role::leader, i);
    EXPECT_LE(oracles.entries_kept(), 31u);
  }
  expect_fine();
}

}  // namespace
}  // namespace aspen::lab

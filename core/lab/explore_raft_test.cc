#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <set>

#include "core/lab/explorations.h"

namespace aspen::lab {
namespace {

// Without optimisation the whole set takes minutes; then the first is cut down.
std::vector<RaftBounds> explorations() {
  std::vector<RaftBounds> all = raft_explorations(std::getenv("ASPEN_EXPLORE_LARGE") != nullptr);
#ifndef NDEBUG
  all.front().crashes_max = 0;
#endif
  return all;
}

TEST(ExploreRaft, EveryStateIsSafe) {
  for (const RaftBounds& bounds : explorations()) {
    RaftModel model(bounds);
    ExploreReport report = explore_states(bounds.name, model, bounds.limits);
    std::cout << report.summary() << std::endl;
    ASSERT_TRUE(report.ok()) << report.text();
    RaftModel::Coverage coverage = model.coverage();
    EXPECT_EQ(coverage.leader_term, bounds.terms_max) << bounds.name;
    EXPECT_GE(coverage.committed, 2u) << bounds.name;
    EXPECT_GT(coverage.messages, 20u) << bounds.name;
  }
}

// A step that is remembered is what the members do when they are never replaced by a remembered one.
TEST(ExploreRaft, WhatIsRememberedIsTrue) {
  RaftModel model(
      {.name = "raft", .proposals_max = 2, .crashes_max = 2, .campaigns_max = 4, .heartbeats = true});
  std::minstd_rand random(1);
  size_t steps = 0;
  for (int walk = 0; walk < 300; ++walk) {
    std::vector<uint32_t> choices;
    RaftModel::State state = model.initial();
    for (int i = 0; i < 80; ++i) {
      std::vector<Successor<RaftModel::State>> successors;
      model.expand(state, successors);
      if (successors.empty()) break;
      auto& next = successors[random() % successors.size()];
      ASSERT_EQ(next.violation, "");
      choices.push_back(next.choice);
      state = std::move(next.state);
    }
    ASSERT_EQ(model.compare_with_real(choices), "") << "walk " << walk;
    steps += choices.size();
  }
  EXPECT_GT(steps, 10'000u);
}

TEST(ExploreRaft, RenamedStatesAreOne) {
  RaftModel model({.name = "raft"});
  RaftModel::State state = model.initial();
  std::vector<Successor<RaftModel::State>> successors;
  model.expand(state, successors);
  std::set<Fingerprint> different;
  for (const auto& successor : successors) different.insert(model.fingerprint(successor.state));
  // Somebody campaigns, campaigns and crashes, or restarts (which leaves all as it is but uses up a crash).
  EXPECT_EQ(successors.size(), 3 * different.size());
}

// From disks that Raft cannot have left.
TEST(ExploreRaft, ABrokenStateIsFound) {
  ExploreReport report = explore_raft({.name = "broken", .logs = {{{2, 3}, {3, 3}, {}}}});
  EXPECT_EQ(report.violation, "the logs of n1 and n2 agree at 3 but not before");
}

TEST(ExploreRaft, ALimitIsReported) {
  ExploreReport report = explore_raft({.name = "cut", .limits = {.states_max = 100}});
  EXPECT_FALSE(report.complete);
  EXPECT_FALSE(report.ok());
  EXPECT_NE(report.summary().find("NOT COMPLETE"), std::string::npos);
  report = explore_raft({.name = "cut", .limits = {.depth_max = 5}});
  EXPECT_EQ(report.depth, 5u);
  EXPECT_FALSE(report.ok());
}

}  // namespace
}  // namespace aspen::lab

#include "core/kv/compaction_policy.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace aspen::kv {
namespace {

TEST(CompactionPolicy, KeepsTheLatestRevisions) {
  CompactionPolicy policy({.keep_revisions = 1000});
  EXPECT_EQ(policy.due(999, 0, 0), std::nullopt);
  EXPECT_EQ(policy.due(1062, 0, 0), std::nullopt);
  EXPECT_EQ(policy.due(1063, 0, 0), 64u);
  EXPECT_EQ(policy.due(1064, 64, 0), std::nullopt) << "its own command is no reason for the next";
  EXPECT_EQ(policy.due(5000, 64, 0), 4001u);
}

TEST(CompactionPolicy, KeepsWhatIsYoung) {
  CompactionPolicy policy({.keep_time = 100 * kSecond});
  for (uint64_t i = 0; i <= 100; ++i) policy.sample(i * 10, static_cast<TimeNs>(i) * kSecond);
  EXPECT_EQ(policy.due(1000, 0, 100 * kSecond), std::nullopt) << "the state of then is kept";
  EXPECT_EQ(policy.due(1000, 0, 110 * kSecond), 80u) << "samples are 3 seconds apart and more";
  EXPECT_EQ(policy.due(1000, 990, 1000 * kSecond), std::nullopt);
}

TEST(CompactionPolicy, WhatOneOptionKeepsStays) {
  CompactionPolicy policy({.keep_revisions = 100, .keep_time = 10 * kSecond});
  policy.sample(500, 0);
  policy.sample(5000, 5 * kSecond);
  EXPECT_EQ(policy.due(5000, 0, 11 * kSecond), 500u);
  EXPECT_EQ(policy.due(5000, 0, 15 * kSecond), 4901u);
  EXPECT_EQ(CompactionPolicy({}).due(1u << 20, 0, 1000 * kSecond), std::nullopt);
}

TEST(CompactionPolicy, NeverGivesWhatIsKept) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    const auto keep = static_cast<DurationNs>(1 + random() % 1000) * kSecond;
    CompactionPolicy policy({.keep_time = keep});
    std::map<TimeNs, uint64_t> was;
    uint64_t applied = 0, compacted = 0;
    for (TimeNs now = 0; now < 5 * keep;) {
      now += static_cast<DurationNs>(1 + random() % static_cast<uint64_t>(keep / 20));
      applied += random() % 300;
      was[now] = applied;
      policy.sample(applied, now);
      auto to = policy.due(applied, compacted, now);
      if (!to) continue;
      auto then = was.upper_bound(now - keep);
      ASSERT_NE(then, was.begin());
      EXPECT_LE(*to, std::prev(then)->second);
      EXPECT_GE(*to, compacted + CompactionPolicy::kRevisionsMin);
      compacted = *to;
    }
    EXPECT_GT(compacted, 0u);
  }
}

}  // namespace
}  // namespace aspen::kv

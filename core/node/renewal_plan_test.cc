#include "core/node/renewal_plan.h"

#include <gtest/gtest.h>

namespace aspen::node {
namespace {

using Ids = std::vector<kv::LeaseId>;
constexpr size_t kMax = 100;

TEST(RenewalPlan, ALeaseIsDueAtOnceThenAfterAThirdOfItsTime) {
  RenewalPlan plan;
  EXPECT_EQ(plan.next_due(), kNever);
  plan.add(7, 100);
  EXPECT_EQ(plan.next_due(), 100);
  EXPECT_EQ(plan.take_due(99, kMax), Ids());
  EXPECT_EQ(plan.take_due(100, kMax), Ids{7});
  EXPECT_EQ(plan.next_due(), kNever) << "it is being asked for";
  EXPECT_EQ(plan.renewed({7}, {300}, 100), Ids());
  EXPECT_EQ(plan.next_due(), 200);
}

TEST(RenewalPlan, ThoseHalfwayGoAlong) {
  RenewalPlan plan;
  plan.add(1, 0);
  EXPECT_EQ(plan.take_due(0, kMax), Ids{1});
  EXPECT_EQ(plan.renewed({1}, {600}, 0), Ids());  // halfway at 100, due at 200
  plan.add(2, 90);
  EXPECT_EQ(plan.take_due(90, kMax), Ids{2});
  EXPECT_EQ(plan.renewed({2}, {600}, 90), Ids());  // at 190, 290
  EXPECT_EQ(plan.take_due(200, kMax), (Ids{1, 2}));
  EXPECT_EQ(plan.renewed({1, 2}, {600, 600}, 200), Ids());
  EXPECT_EQ(plan.next_due(), 400);
  EXPECT_EQ(plan.take_due(399, kMax), Ids());
  EXPECT_EQ(plan.take_due(400, kMax), (Ids{1, 2}));
}

TEST(RenewalPlan, OneThatIsGoneIsForgotten) {
  RenewalPlan plan;
  plan.add(1, 0);
  plan.add(2, 0);
  EXPECT_EQ(plan.take_due(0, kMax), (Ids{1, 2}));
  EXPECT_EQ(plan.renewed({1, 2}, {0, 300}, 0), Ids{1});
  EXPECT_EQ(plan.size(), 1u);
}

TEST(RenewalPlan, WhatWasDroppedMeanwhileStaysSo) {
  RenewalPlan plan;
  plan.add(1, 0);
  plan.add(2, 0);
  EXPECT_EQ(plan.take_due(0, kMax), (Ids{1, 2}));
  plan.drop(1);
  plan.drop(2);
  plan.add(2, 5);
  EXPECT_EQ(plan.renewed({1, 2}, {300, 0}, 0), Ids()) << "the answer is about what was dropped";
  EXPECT_EQ(plan.take_due(5, kMax), Ids{2});
}

TEST(RenewalPlan, ARequestIsBounded) {
  RenewalPlan plan;
  for (kv::LeaseId id = 1; id <= 5; ++id) plan.add(id, 0);
  EXPECT_EQ(plan.take_due(0, 3), (Ids{1, 2, 3}));
  EXPECT_EQ(plan.take_due(0, 3), (Ids{4, 5}));
}

}  // namespace
}  // namespace aspen::node

#include <gtest/gtest.h>

#include <random>

#include "core/base/limits.h"
#include "core/rt/cancel.h"

namespace aspen::rt {
namespace {

constexpr CancelKind kKindsAll[] = {
    CancelKind::user,        CancelKind::race_lost,        CancelKind::linked_exit,
    CancelKind::timeout,     CancelKind::deadline,         CancelKind::poll_quota,
    CancelKind::cost_budget, CancelKind::fail_fast,        CancelKind::resource_unavailable,
    CancelKind::shutdown,    CancelKind::parent_cancelled,
};

CancelPtr reason(CancelKind kind, std::string message, TimeNs time = 0) {
  return std::make_shared<CancelReason>(CancelReason{kind, std::move(message), "here", time});
}

// Few values of each field, so that ties are common.
CancelPtr any_reason(std::minstd_rand& random, int depth = 2) {
  CancelReason made;
  made.kind = kKindsAll[random() % std::size(kKindsAll)];
  made.message = std::string(1, static_cast<char>('a' + random() % 2));
  made.origin = std::string(1, static_cast<char>('x' + random() % 2));
  made.time = static_cast<TimeNs>(random() % 2);
  if (depth > 0 && random() % 2 == 0) made = with_cause(std::move(made), any_reason(random, depth - 1));
  return std::make_shared<CancelReason>(std::move(made));
}

bool same(const CancelPtr& a, const CancelPtr& b) {
  return a->to_string() == b->to_string() && a->time == b->time && compare(*a, *b) == 0;
}

TEST(CancelReason, BecomesItsError) {
  auto code = [](CancelKind kind) { return CancelReason{kind, "m"}.to_error().code; };
  EXPECT_EQ(code(CancelKind::user), Code::CANCELLED);
  EXPECT_EQ(code(CancelKind::fail_fast), Code::CANCELLED);
  EXPECT_EQ(code(CancelKind::poll_quota), Code::CANCELLED);
  EXPECT_EQ(code(CancelKind::timeout), Code::DEADLINE_EXCEEDED);
  EXPECT_EQ(code(CancelKind::deadline), Code::DEADLINE_EXCEEDED);
  EXPECT_EQ(code(CancelKind::shutdown), Code::SHUTDOWN);
  EXPECT_EQ((CancelReason{CancelKind::shutdown, "m"}.to_error().message), "m");
}

TEST(CancelReason, TheStrongerStands) {
  auto user = reason(CancelKind::user, "u");
  auto deadline = reason(CancelKind::deadline, "d", 5);
  auto shutdown = reason(CancelKind::shutdown, "s", 9);
  EXPECT_EQ(merge(user, deadline), deadline);
  EXPECT_EQ(merge(shutdown, deadline), shutdown);
  EXPECT_EQ(merge(nullptr, user), user);
  EXPECT_EQ(merge(user, nullptr), user);
  auto earlier = reason(CancelKind::race_lost, "r", -1);
  EXPECT_EQ(merge(user, earlier), earlier) << "of equally severe ones the earlier";
  EXPECT_EQ(merge(reason(CancelKind::user, "b"), reason(CancelKind::user, "a"))->message, "a");
}

TEST(CancelReason, MergeDoesNotDependOnTheOrder) {
  std::minstd_rand random(11);
  for (int i = 0; i < 20'000; ++i) {
    CancelPtr a = any_reason(random);
    CancelPtr b = any_reason(random);
    CancelPtr c = any_reason(random);
    ASSERT_TRUE(same(merge(a, b), merge(b, a))) << a->to_string() << " | " << b->to_string();
    ASSERT_TRUE(same(merge(a, merge(b, c)), merge(merge(a, b), c)));
    ASSERT_TRUE(same(merge(a, a), a));
    ASSERT_TRUE(compare(*merge(a, b), *a) >= 0);
    ASSERT_GE(merge(a, b)->severity(), std::max(a->severity(), b->severity()));
    // What is stronger above is stronger below.
    auto order = compare(*a, *b);
    if (a->kind != CancelKind::parent_cancelled && b->kind != CancelKind::parent_cancelled && order != 0) {
      ASSERT_TRUE(compare(*passed_down(a, "up"), *passed_down(b, "up")) == order);
    }
  }
}

TEST(CancelReason, BelowItCountsAsItsRoot) {
  auto top = reason(CancelKind::deadline, "too late", 3);
  auto below = passed_down(top, "region r");
  EXPECT_EQ(below->kind, CancelKind::parent_cancelled);
  EXPECT_EQ(below->origin, "region r");
  EXPECT_EQ(&below->root(), top.get());
  EXPECT_EQ(below->to_error().code, Code::DEADLINE_EXCEEDED);
  EXPECT_EQ(below->to_error().message, "too late");
  EXPECT_EQ(below->severity(), CancelSeverity::overdue);
  EXPECT_EQ(below->cleanup().duration, top->cleanup().duration);
  EXPECT_EQ(passed_down(below, "deeper"), below) << "one link, however deep";
  EXPECT_EQ(merge(reason(CancelKind::user, "u"), below), below);
  EXPECT_EQ(below->to_string(),
            "parent_cancelled from region r: too late; caused by deadline from here: too late");
}

TEST(CancelReason, KeepsABoundedChain) {
  CancelPtr chain = reason(CancelKind::user, "first");
  for (int i = 0; i < 100; ++i) {
    CancelReason next{CancelKind::fail_fast, fmt::format("{}", i), "here", 0};
    chain = std::make_shared<CancelReason>(with_cause(std::move(next), chain));
  }
  size_t links = 0;
  for (const CancelReason* it = chain.get(); it != nullptr; it = it->cause.get()) ++links;
  EXPECT_EQ(links, limits::kCancelCausesMax);
  EXPECT_EQ(chain->message, "99");
  EXPECT_EQ(chain->cause->message, "98");
}

TEST(CancelReason, StrongerOnesLeaveLessForCleanup) {
  for (CancelKind a : kKindsAll) {
    for (CancelKind b : kKindsAll) {
      CancelReason weak{a, "m"};
      CancelReason strong{b, "m"};
      if (strong.severity() < weak.severity()) continue;
      EXPECT_LE(strong.cleanup().duration, weak.cleanup().duration);
      EXPECT_LE(strong.cleanup().polls, weak.cleanup().polls);
    }
  }
}

}  // namespace
}  // namespace aspen::rt

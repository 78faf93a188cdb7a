#include "core/rt/all.h"

#include "core/rt/test_attempts.h"

namespace aspen::rt {
namespace {

struct AllTest : testing::Test, TestAttempts {
  Joined<int> all_of(Policy policy, Attempts<int> list, DurationNs cancel_after = kNever) {
    Joined<int> joined;
    run(
        [&](Cx& cx) -> Task<Result<>> {
          joined = co_await all(cx, std::move(list), policy);
          co_return Result<>();
        },
        cancel_after);
    return joined;
  }
};

TEST_F(AllTest, AllValuesInArgumentOrder) {
  auto joined = all_of(Policy::collect_all, attempts(value(30, 1), value(10, 2), value(20, 3)));
  EXPECT_TRUE(joined.ok());
  EXPECT_EQ(elapsed(), 30);
  EXPECT_EQ(*std::move(joined).values(), (std::vector{1, 2, 3}));
}

TEST_F(AllTest, OfNoneIsNone) {
  EXPECT_TRUE(all_of(Policy::collect_all, {}).values()->empty());
}

TEST_F(AllTest, CollectsEachOutcomeAndTheWorstCounts) {
  auto joined = all_of(Policy::collect_all, attempts(value(30, 1), error(10), panic(20), error(5)));
  EXPECT_EQ(elapsed(), 30);
  EXPECT_EQ(joined.severity(), Severity::panicked);
  EXPECT_EQ(joined.counts, 2u);
  EXPECT_TRUE(joined.outcomes[0].ok());
  EXPECT_EQ(joined.outcomes[1].severity(), Severity::err);
  EXPECT_EQ(std::move(joined).values(discard()).error().code, Code::INTERNAL);
  EXPECT_EQ(discarded, (std::vector{1}));
  joined = all_of(Policy::collect_all, attempts(error(10), error(5, Code::CORRUPT)));
  EXPECT_EQ(joined.counts, 0u) << "equally bad: the first argument";
}

TEST_F(AllTest, FailFastCancelsTheOthersAndAwaitsThem) {
  auto joined =
      all_of(Policy::fail_fast, attempts(value(kSecond, 1), error(10), stubborn(kSecond, 5, 3), value(2, 4)));
  EXPECT_EQ(elapsed(), 15);
  EXPECT_EQ(joined.counts, 1u);
  EXPECT_EQ(joined.severity(), Severity::err);
  EXPECT_EQ(cancelled, std::vector(2, CancelKind::fail_fast));
  EXPECT_EQ(joined.outcomes[0].severity(), Severity::cancelled);
  EXPECT_NE(joined.outcomes[0].error().message.find("task all 1 failed: IO"), std::string::npos);
  EXPECT_EQ(std::move(joined).values(discard()).error().code, Code::IO);
  EXPECT_EQ(discarded, (std::vector{3, 4}));
}

TEST_F(AllTest, FailFastWithoutFailureIsAllOfThem) {
  EXPECT_EQ(all_of(Policy::fail_fast, attempts(value(3, 1), value(2, 2))).values()->size(), 2u);
}

TEST_F(AllTest, OfFailuresAtTheSameTimeTheFirstArgumentCounts) {
  world.executor.set_chooser([](size_t count) { return count - 1; });
  EXPECT_EQ(all_of(Policy::fail_fast, attempts(value(9, 1), error(5), error(5))).counts, 1u);
}

TEST_F(AllTest, ACancelReachesAllAndIsAwaited) {
  for (Policy policy : {Policy::collect_all, Policy::fail_fast}) {
    auto joined = all_of(policy, attempts(value(5, 1), value(kSecond, 2), stubborn(kSecond, 50, 3)), 10);
    EXPECT_EQ(joined.severity(), Severity::cancelled);
    EXPECT_EQ(joined.counts, 1u);
    EXPECT_EQ(*joined.outcomes[0].result(), 1);
    EXPECT_EQ(*joined.outcomes[2].result(), 3);
  }
  EXPECT_EQ(elapsed(), 120);
}

}  // namespace
}  // namespace aspen::rt

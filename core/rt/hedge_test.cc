#include "core/rt/hedge.h"

#include "core/rt/test_attempts.h"

namespace aspen::rt {
namespace {

struct HedgeTest : testing::Test, TestAttempts {
  auto hedge_of(HedgeOptions options, Attempts<int> list, DurationNs cancel_after = kNever) {
    auto body = [&](Cx& cx) {
      auto attempt = [&](Cx& cx, size_t i) { return list[i](cx); };
      return hedge(cx, options, attempt, discard());
    };
    return run(body, cancel_after);
  }
};

TEST_F(HedgeTest, AFastAnswerStartsNoSecond) {
  EXPECT_EQ(*hedge_of({.delay = 10}, attempts(value(9, 1), value(1, 2))).result(), 1);
  EXPECT_EQ(started, 1);
  EXPECT_EQ(elapsed(), 9);
}

TEST_F(HedgeTest, ASlowOneDoesAndTheFirstIsCancelled) {
  EXPECT_EQ(*hedge_of({.delay = 10}, attempts(value(kSecond, 1), value(5, 2))).result(), 2);
  EXPECT_EQ(elapsed(), 15);
  EXPECT_EQ(cancelled, std::vector(1, CancelKind::race_lost));
}

TEST_F(HedgeTest, TheFirstMayStillWin) {
  EXPECT_EQ(*hedge_of({.delay = 10}, attempts(value(20, 1), stubborn(kSecond, 3, 2))).result(), 1);
  EXPECT_EQ(elapsed(), 23);
  EXPECT_EQ(discarded, (std::vector{2}));
}

TEST_F(HedgeTest, NoMoreThanAllowedEachAfterTheDelay) {
  auto outcome = hedge_of({.delay = 10, .attempts_max = 3},
                          attempts(value(kSecond, 1), value(kSecond, 2), value(5, 3), value(1, 4)));
  EXPECT_EQ(*outcome.result(), 3);
  EXPECT_EQ(elapsed(), 25);
  EXPECT_EQ(*hedge_of({.delay = 10}, attempts(value(200, 1), value(300, 2), value(1, 3))).result(), 1);
  EXPECT_EQ(started, 5);
}

TEST_F(HedgeTest, AnErrorStartsNothing) {
  EXPECT_EQ(hedge_of({.delay = 10}, attempts(error(5), value(1, 2))).error().code, Code::IO);
  EXPECT_EQ(started, 1);
  EXPECT_EQ(elapsed(), 5);
}

TEST_F(HedgeTest, AnErrorLeavesTheOtherItsChance) {
  EXPECT_EQ(*hedge_of({.delay = 10}, attempts(value(50, 1), error(5))).result(), 1);
  EXPECT_EQ(*hedge_of({.delay = 10}, attempts(error(20), value(30, 2))).result(), 2);
  EXPECT_EQ(hedge_of({.delay = 10}, attempts(error(20), error(1, Code::CORRUPT))).error().code, Code::IO);
}

TEST_F(HedgeTest, ACancelReachesAllAndStartsNoMore) {
  EXPECT_EQ(hedge_of({.delay = 10}, attempts(value(kSecond, 1), value(1, 2)), 5).severity(),
            Severity::cancelled);
  EXPECT_EQ(started, 1);
  EXPECT_EQ(*hedge_of({.delay = 10}, attempts(stubborn(kSecond, 50, 1), value(1, 2)), 5).result(), 1);
  EXPECT_EQ(started, 2);
  EXPECT_EQ(elapsed(), 60);
}

TEST_F(HedgeTest, APanicEndsIt) {
  EXPECT_EQ(hedge_of({.delay = 10}, attempts(panic(15), value(kSecond, 2))).error().code, Code::INTERNAL);
  EXPECT_EQ(elapsed(), 15);
}

TEST_F(HedgeTest, WithoutDelayBothStartAtOnce) {
  EXPECT_EQ(*hedge_of({.delay = 0}, attempts(value(7, 1), value(5, 2))).result(), 2);
  EXPECT_EQ(elapsed(), 5);
  EXPECT_EQ(hedge_of({.delay = 0, .attempts_max = 0}, {}).error().code, Code::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace aspen::rt

#include "core/rt/timeout.h"

#include "core/rt/test_attempts.h"

namespace aspen::rt {
namespace {

struct TimeoutTest : testing::Test, TestAttempts {
  auto timeout_of(DurationNs duration, Attempt<int> function, DurationNs cancel_after = kNever) {
    return run([&](Cx& cx) { return timeout(cx, duration, std::move(function)); }, cancel_after);
  }
};

TEST_F(TimeoutTest, InTimeItIsTheFunctionsResult) {
  EXPECT_EQ(*timeout_of(10, value(9, 1)).result(), 1);
  EXPECT_EQ(timeout_of(10, error(9)).error().code, Code::IO);
  EXPECT_EQ(timeout_of(10, panic(9)).error().code, Code::INTERNAL);
  EXPECT_EQ(elapsed(), 27);
}

TEST_F(TimeoutTest, TooLateItIsCancelledAndSaysSo) {
  auto outcome = timeout_of(10 * kMicrosecond, value(kSecond, 1));
  EXPECT_EQ(outcome.severity(), Severity::err) << "the caller was not cancelled";
  EXPECT_EQ(outcome.error().code, Code::DEADLINE_EXCEEDED);
  EXPECT_EQ(outcome.error().message, "it took longer than 10 us");
  EXPECT_EQ(elapsed(), 10 * kMicrosecond);
  EXPECT_EQ(cancelled, std::vector(1, CancelKind::timeout));
}

TEST_F(TimeoutTest, TheWorkIsAwaitedAndItsValueKept) {
  EXPECT_EQ(*timeout_of(10, stubborn(kSecond, 40, 7)).result(), 7);
  EXPECT_EQ(elapsed(), 50);
}

TEST_F(TimeoutTest, TheFunctionKnowsItsDeadline) {
  auto outcome = run([&](Cx& cx) {
    return timeout(cx, 10, [&](Cx& cx) -> Task<Result<>> {
      EXPECT_EQ(cx.deadline(), begin + 10);
      co_return Result<>();
    });
  });
  EXPECT_TRUE(outcome.ok());
}

TEST_F(TimeoutTest, TheCallersEarlierDeadlineStaysADeadline) {
  auto outcome = run(
      [&](Cx& cx) { return timeout(cx, 10, [&](Cx& cx) { return timeout(cx, 20, value(kSecond, 1)); }); });
  EXPECT_EQ(elapsed(), 10);
  EXPECT_EQ(cancelled, std::vector(1, CancelKind::timeout)) << "the outer one's";
  EXPECT_EQ(outcome.error().code, Code::DEADLINE_EXCEEDED);
}

TEST_F(TimeoutTest, HearsTheCancelOfItsCaller) {
  EXPECT_EQ(timeout_of(kSecond, value(kSecond, 1), 10).severity(), Severity::cancelled);
  EXPECT_EQ(cancelled, std::vector(1, CancelKind::user));
  EXPECT_EQ(elapsed(), 10);
}

}  // namespace
}  // namespace aspen::rt

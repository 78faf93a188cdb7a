#include "core/rt/retry.h"

#include "core/rt/test_attempts.h"
#include "core/rt/timeout.h"

namespace aspen::rt {
namespace {

struct RetryTest : testing::Test, TestAttempts {
  std::vector<TimeNs> at;  // of each attempt

  // Each attempt is the next of `list`.
  auto retry_of(RetryOptions options, Attempts<int> list, DurationNs cancel_after = kNever) {
    auto body = [&](Cx& cx) {
      return retry(cx, options, [&](Cx& cx, size_t attempt) {
        at.push_back(cx.now());
        return list[attempt](cx);
      });
    };
    return run(body, cancel_after);
  }
};

TEST_F(RetryTest, TriesAgainUntilAValueComes) {
  auto list = attempts(error(1, Code::UNAVAILABLE), error(1, Code::OVERLOADED), value(1, 7), value(1, 8));
  EXPECT_EQ(*retry_of({}, std::move(list)).result(), 7);
  EXPECT_EQ(started, 3);
}

TEST_F(RetryTest, NoMoreThanAllowedAndTheLastErrorIsTheResult) {
  auto list = attempts(error(1, Code::UNAVAILABLE), error(1, Code::OVERLOADED), value(1, 7));
  EXPECT_EQ(retry_of({.attempts_max = 2}, std::move(list)).error().code, Code::OVERLOADED);
  EXPECT_EQ(started, 2);
  EXPECT_EQ(retry_of({.attempts_max = 0}, {}).error().code, Code::INVALID_ARGUMENT);
}

TEST_F(RetryTest, NotWhatWouldFailAgain) {
  for (Code code : {Code::INVALID_ARGUMENT, Code::NOT_FOUND, Code::CORRUPT, Code::INTERNAL}) {
    started = 0;
    EXPECT_EQ(retry_of({}, attempts(error(1, code), value(1, 7))).error().code, code);
    EXPECT_EQ(started, 1);
  }
}

TEST_F(RetryTest, WhatMayHaveBeenAppliedOnlyWhenIdempotent) {
  auto list = [this] { return attempts(error(1, Code::CONNECTION_LOST), value(1, 7)); };
  EXPECT_EQ(retry_of({}, list()).error().code, Code::CONNECTION_LOST);
  EXPECT_EQ(*retry_of({.idempotent = true}, list()).result(), 7);
}

TEST_F(RetryTest, APanicPassesThrough) {
  EXPECT_EQ(retry_of({}, attempts(panic(1), value(1, 7))).severity(), Severity::panicked);
  EXPECT_EQ(started, 1);
}

TEST_F(RetryTest, WaitsARandomTimeUpToABoundThatDoubles) {
  constexpr size_t kAttempts = 9;
  const RetryOptions options{.attempts_max = kAttempts, .backoff_base = 1000, .backoff_max = 50'000};
  std::vector<DurationNs> longest(kAttempts - 1, 0);
  std::vector<DurationNs> shortest(kAttempts - 1, kNever);
  for (int i = 0; i < 200; ++i) {
    at.clear();
    Attempts<int> list;
    for (size_t a = 0; a < kAttempts; ++a) list.push_back(error(0, Code::UNAVAILABLE));
    retry_of(options, std::move(list));
    ASSERT_EQ(at.size(), kAttempts);
    for (size_t a = 0; a + 1 < kAttempts; ++a) {
      longest[a] = std::max(longest[a], at[a + 1] - at[a]);
      shortest[a] = std::min(shortest[a], at[a + 1] - at[a]);
    }
  }
  for (size_t a = 0; a + 1 < kAttempts; ++a) {
    const DurationNs bound = std::min<DurationNs>(1000 << a, 50'000);
    EXPECT_LE(longest[a], bound) << a;
    EXPECT_GT(longest[a], bound * 9 / 10) << a;
    EXPECT_LT(shortest[a], bound / 10) << a;
  }
}

TEST_F(RetryTest, NeverPastTheDeadline) {
  auto outcome = run([&](Cx& cx) {
    return timeout(cx, 10 * kMillisecond, [&](Cx& cx) {
      RetryOptions options{.attempts_max = 1000, .backoff_base = kSecond};
      return retry(cx, options, [&](Cx&, size_t) -> Task<Result<int>> {
        ++started;
        co_return fail(Code::UNAVAILABLE, "away");
      });
    });
  });
  EXPECT_EQ(outcome.error().code, Code::UNAVAILABLE) << "what went wrong, not that there was no time";
  EXPECT_LT(elapsed(), 10 * kMillisecond);
}

TEST_F(RetryTest, ACancelEndsTheAttemptOrTheWait) {
  EXPECT_EQ(retry_of({}, attempts(value(kSecond, 1), value(1, 2)), 10).severity(), Severity::cancelled);
  EXPECT_EQ(started, 1);
  auto list = attempts(error(1, Code::UNAVAILABLE), value(1, 2));
  EXPECT_EQ(retry_of({.backoff_base = kSecond}, std::move(list), 2).severity(), Severity::cancelled);
  EXPECT_EQ(started, 2);
  auto drained = attempts(drains(kSecond, 5, []() -> Result<int> { return fail(Code::UNAVAILABLE, "late"); }),
                          value(1, 2));
  EXPECT_EQ(retry_of({}, std::move(drained), 10).error().code, Code::UNAVAILABLE);
  EXPECT_EQ(started, 3);
}

}  // namespace
}  // namespace aspen::rt

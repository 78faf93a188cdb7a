#include "core/rt/quorum.h"

#include "core/rt/test_attempts.h"

namespace aspen::rt {
namespace {

struct QuorumTest : testing::Test, TestAttempts {
  auto quorum_of(size_t k, Attempts<int> list, DurationNs cancel_after = kNever) {
    return run([&](Cx& cx) { return quorum(cx, k, std::move(list), discard()); }, cancel_after);
  }
};

TEST_F(QuorumTest, TheFirstValuesInArgumentOrder) {
  auto outcome = quorum_of(2, attempts(value(30, 1), value(kSecond, 2), value(20, 3)));
  EXPECT_EQ(*outcome.result(), (std::vector{1, 3}));
  EXPECT_EQ(elapsed(), 30);
  EXPECT_EQ(cancelled, std::vector(1, CancelKind::race_lost));
}

TEST_F(QuorumTest, FailuresDoNotCount) {
  auto outcome = quorum_of(2, attempts(error(5), value(30, 2), value(20, 3)));
  EXPECT_EQ(*outcome.result(), (std::vector{2, 3}));
  EXPECT_EQ(elapsed(), 30);
}

TEST_F(QuorumTest, AsManyMayFailAsAreNotNeeded) {
  auto outcome = quorum_of(2, attempts(value(5, 1), error(30), error(20), value(40, 4)));
  EXPECT_EQ(*outcome.result(), (std::vector{1, 4}));
  EXPECT_EQ(elapsed(), 40);
}

TEST_F(QuorumTest, EndsWhenItCanNoLongerBeReached) {
  auto outcome =
      quorum_of(3, attempts(value(5, 1), error(30, Code::CORRUPT), error(20), stubborn(kSecond, 7, 4)));
  EXPECT_EQ(outcome.error().code, Code::CORRUPT) << "equally bad: the first argument";
  EXPECT_EQ(elapsed(), 37);
  EXPECT_EQ(cancelled, std::vector(1, CancelKind::fail_fast));
  EXPECT_EQ(discarded, (std::vector{1, 4}));
}

TEST_F(QuorumTest, ExactlyK) {
  EXPECT_EQ(*quorum_of(2, attempts(value(5, 1), value(5, 2), value(5, 3))).result(), (std::vector{1, 2}));
  EXPECT_EQ(discarded, (std::vector{3}));
  EXPECT_EQ(quorum_of(1, attempts(value(5, 1), stubborn(9, 4, 2))).result()->size(), 1u);
  EXPECT_EQ(quorum_of(3, attempts(value(5, 1), value(7, 2), value(6, 3))).result()->size(), 3u);
}

TEST_F(QuorumTest, APanicEndsIt) {
  auto outcome = quorum_of(1, attempts(panic(5), value(kSecond, 1)));
  EXPECT_EQ(outcome.error().code, Code::INTERNAL);
  EXPECT_EQ(elapsed(), 5);
}

TEST_F(QuorumTest, ACancelReachesAllAndIsAwaited) {
  auto outcome = quorum_of(2, attempts(value(5, 1), stubborn(kSecond, 30, 2), value(kSecond, 3)), 10);
  EXPECT_EQ(*outcome.result(), (std::vector{1, 2})) << "a value is a value";
  EXPECT_EQ(elapsed(), 40);
  outcome = quorum_of(2, attempts(value(5, 1), value(kSecond, 3)), 10);
  EXPECT_EQ(outcome.severity(), Severity::cancelled);
  EXPECT_EQ(discarded, (std::vector{1}));
}

TEST_F(QuorumTest, ImpossibleOnesAreRefused) {
  EXPECT_EQ(quorum_of(0, attempts(value(5, 1))).error().code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(quorum_of(2, attempts(value(5, 1))).error().code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(started, 0);
}

TEST_F(QuorumTest, WithoutValues) {
  auto sleeps = [](DurationNs duration) {
    return [duration](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(duration); };
  };
  auto outcome = run([&](Cx& cx) { return quorum(cx, 2, attempts(sleeps(5), sleeps(9), sleeps(7))); });
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(elapsed(), 7);
}

}  // namespace
}  // namespace aspen::rt

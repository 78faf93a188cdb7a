// race and first_ok: who wins, and what becomes of the others.
#include "core/rt/race.h"

#include "core/rt/first_ok.h"
#include "core/rt/test_attempts.h"

namespace aspen::rt {
namespace {

struct RaceTest : testing::Test, TestAttempts {
  auto race_of(Attempts<int> list, DurationNs cancel_after = kNever) {
    return run([&](Cx& cx) { return race(cx, std::move(list), discard()); }, cancel_after);
  }
  auto first_ok_of(Attempts<int> list, DurationNs cancel_after = kNever) {
    return run([&](Cx& cx) { return first_ok(cx, std::move(list), discard()); }, cancel_after);
  }
};

TEST_F(RaceTest, TheFirstToEndWinsAndTheOthersAreCancelled) {
  auto outcome = race_of(attempts(value(50, 1), value(20, 2), value(kSecond, 3)));
  EXPECT_EQ(*outcome.result(), 2);
  EXPECT_EQ(elapsed(), 20);
  EXPECT_EQ(cancelled, std::vector(2, CancelKind::race_lost));
  EXPECT_TRUE(discarded.empty());
}

TEST_F(RaceTest, AnErrorWinsToo) {
  EXPECT_EQ(race_of(attempts(value(50, 1), error(20))).error().code, Code::IO);
  EXPECT_EQ(elapsed(), 20);
}

TEST_F(RaceTest, LosersAreAwaited) {
  auto outcome = race_of(attempts(value(20, 1), drains(kSecond, 100, []() -> Result<int> {
                                    return fail(Code::IO, "a loser's error does not count");
                                  })));
  EXPECT_EQ(*outcome.result(), 1);
  EXPECT_EQ(elapsed(), 120);
}

TEST_F(RaceTest, ALosersValueIsDiscardedNotLost) {
  auto outcome = race_of(attempts(stubborn(kSecond, 30, 7), value(20, 1), stubborn(kSecond, 5, 8)));
  EXPECT_EQ(*outcome.result(), 1);
  EXPECT_EQ(discarded, (std::vector{7, 8}));
  EXPECT_EQ(*run([&](Cx& cx) { return race(cx, attempts(stubborn(kSecond, 30, 7), value(20, 1))); }).result(),
            1);
}

TEST_F(RaceTest, OfThoseThatEndTogetherTheFirstArgumentWins) {
  EXPECT_EQ(*race_of(attempts(value(20, 1), value(20, 2), value(20, 3))).result(), 1);
  EXPECT_EQ(discarded, (std::vector{2, 3}));
  // Also when the lab has the last one run first.
  world.executor.set_chooser([](size_t count) { return count - 1; });
  EXPECT_EQ(*race_of(attempts(value(20, 4), value(20, 5))).result(), 4);
}

TEST_F(RaceTest, ACancelReachesAllAndIsAwaited) {
  auto outcome =
      race_of(attempts(value(kSecond, 1),
                       drains(kSecond, 40, []() -> Result<int> { return fail(Code::CANCELLED, "drained"); })),
              10);
  EXPECT_EQ(outcome.severity(), Severity::cancelled);
  EXPECT_EQ(elapsed(), 50);
  EXPECT_EQ(cancelled, std::vector(2, CancelKind::user));
}

TEST_F(RaceTest, AValueThatCameAlthoughCancelledIsTheResult) {
  auto outcome = race_of(attempts(value(kSecond, 1), stubborn(kSecond, 40, 7), stubborn(kSecond, 50, 8)), 10);
  EXPECT_EQ(*outcome.result(), 7);
  EXPECT_EQ(discarded, (std::vector{8}));
}

TEST_F(RaceTest, StartedCancelledItStillAwaitsAll) {
  auto outcome = race_of(attempts(value(kSecond, 1), stubborn(kSecond, 40, 7)), 0);
  EXPECT_EQ(*outcome.result(), 7);
  EXPECT_EQ(elapsed(), 40);
}

TEST_F(RaceTest, APanicIsTheResultAlsoALosers) {
  EXPECT_EQ(race_of(attempts(value(50, 1), panic(20))).error().code, Code::INTERNAL);
  auto outcome = race_of(
      attempts(value(20, 1), drains(kSecond, 5, []() -> Result<int> { throw Panic("in the drain"); })));
  EXPECT_EQ(outcome.error().code, Code::INTERNAL);
  EXPECT_NE(outcome.error().message.find("in the drain"), std::string::npos);
  EXPECT_EQ(discarded, (std::vector{1}));
}

TEST_F(RaceTest, OfNoneIsRefused) {
  EXPECT_EQ(race_of({}).error().code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(first_ok_of({}).error().code, Code::INVALID_ARGUMENT);
}

TEST_F(RaceTest, WithoutValues) {
  auto outcome = run([&](Cx& cx) -> Task<Result<>> {
    co_return co_await race(cx, attempts([](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(5); },
                                         [](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(9); }));
  });
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(elapsed(), 5);
}

TEST_F(RaceTest, WhatARegionRefusesLoses) {
  Region root(world.executor, {.children_max = 0});
  std::optional<Outcome<int>> outcome;
  root.spawn("caller", [&](Cx& cx) { return race(cx, attempts(value(20, 1), value(30, 2))); })
      .then([&](Outcome<int> o) { outcome = std::move(o); });
  root.close([] {});
  world.run();
  EXPECT_EQ(outcome->error().code, Code::OVERLOADED);
}

TEST_F(RaceTest, FirstOkWaitsForAValue) {
  auto outcome = first_ok_of(attempts(error(10), value(50, 1), value(20, 2), stubborn(kSecond, 5, 3)));
  EXPECT_EQ(*outcome.result(), 2);
  EXPECT_EQ(elapsed(), 25);
  EXPECT_EQ(cancelled, std::vector(2, CancelKind::race_lost));
  EXPECT_EQ(discarded, (std::vector{3}));
}

TEST_F(RaceTest, FirstOkWithoutAValueIsTheFirstArgumentsError) {
  auto outcome = first_ok_of(attempts(error(30, Code::IO), error(10, Code::CORRUPT)));
  EXPECT_EQ(outcome.error().code, Code::IO);
  EXPECT_EQ(elapsed(), 30);
}

TEST_F(RaceTest, FirstOkEndsAtAPanic) {
  auto outcome = first_ok_of(attempts(error(10), panic(20), stubborn(kSecond, 5, 3)));
  EXPECT_EQ(outcome.error().code, Code::INTERNAL);
  EXPECT_EQ(elapsed(), 25);
  EXPECT_EQ(discarded, (std::vector{3}));
}

TEST_F(RaceTest, FirstOkHearsACancel) {
  EXPECT_EQ(first_ok_of(attempts(error(5), value(kSecond, 1)), 10).severity(), Severity::cancelled);
  EXPECT_EQ(*first_ok_of(attempts(error(5), stubborn(kSecond, 40, 7)), 10).result(), 7);
}

}  // namespace
}  // namespace aspen::rt

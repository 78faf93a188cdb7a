#include "core/rt/outcome.h"

#include <gtest/gtest.h>

#include <memory>

namespace aspen::rt {
namespace {

TEST(Outcome, OrdersByHowBadItIs) {
  EXPECT_LT(Severity::ok, Severity::err);
  EXPECT_LT(Severity::err, Severity::cancelled);
  EXPECT_LT(Severity::cancelled, Severity::panicked);
}

TEST(Outcome, SaysHowATaskEnded) {
  auto ok = Outcome<int>::of(42);
  EXPECT_TRUE(ok.ok());
  EXPECT_EQ(*ok.result(), 42);

  auto err = Outcome<int>::of(fail(Code::IO, "no disk"));
  EXPECT_EQ(err.severity(), Severity::err);
  EXPECT_EQ(err.result().error().code, Code::IO);

  auto cancelled = Outcome<int>::cancelled(Error(Code::SHUTDOWN, "going down"));
  EXPECT_EQ(cancelled.severity(), Severity::cancelled);
  EXPECT_EQ(cancelled.result().error().code, Code::SHUTDOWN);

  auto panicked = Outcome<>::panicked("1 + 1 == 3");
  EXPECT_EQ(panicked.severity(), Severity::panicked);
  EXPECT_EQ(panicked.result().error().code, Code::INTERNAL);
  EXPECT_EQ(panicked.result().error().message, "panic: 1 + 1 == 3");
}

TEST(Outcome, GivesItsValueAway) {
  auto outcome = Outcome<std::unique_ptr<int>>::of(std::make_unique<int>(42));
  std::unique_ptr<int> value = *std::move(outcome).result();
  EXPECT_EQ(*value, 42);
}

TEST(Outcome, TheWorstOfSeveralCounts) {
  auto ok = Outcome<int>::of(1);
  auto err = Outcome<int>::of(fail(Code::IO, "no disk"));
  auto other = Outcome<int>::of(fail(Code::CORRUPT, "bad sum"));
  auto cancelled = Outcome<int>::cancelled(Error(Code::CANCELLED, "stop"));
  auto panicked = Outcome<int>::panicked("1 + 1 == 3");
  EXPECT_EQ(worse(ok, err).error().code, Code::IO);
  EXPECT_EQ(worse(cancelled, err).severity(), Severity::cancelled);
  EXPECT_EQ(worse(cancelled, panicked).severity(), Severity::panicked);
  EXPECT_EQ(worse(err, other).error().code, Code::IO) << "the first of two equally bad ones";
  EXPECT_EQ(worse(worse(ok, err), other).error().code, worse(ok, worse(err, other)).error().code);
  EXPECT_EQ(worse(Severity::err, Severity::ok), Severity::err);
}

}  // namespace
}  // namespace aspen::rt

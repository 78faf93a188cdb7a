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

TEST(CancelReason, BecomesItsError) {
  EXPECT_EQ((CancelReason{CancelKind::user, "m"}.to_error().code), Code::CANCELLED);
  EXPECT_EQ((CancelReason{CancelKind::fail_fast, "m"}.to_error().code), Code::CANCELLED);
  EXPECT_EQ((CancelReason{CancelKind::deadline, "m"}.to_error().code), Code::DEADLINE_EXCEEDED);
  EXPECT_EQ((CancelReason{CancelKind::shutdown, "m"}.to_error().code), Code::SHUTDOWN);
  EXPECT_EQ((CancelReason{CancelKind::shutdown, "m"}.to_error().message), "m");
}

}  // namespace
}  // namespace aspen::rt

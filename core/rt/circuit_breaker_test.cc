#include "core/rt/circuit_breaker.h"

#include "core/rt/test_attempts.h"

namespace aspen::rt {
namespace {

using State = CircuitBreaker::State;

struct CircuitBreakerTest : testing::Test, TestAttempts {
  CircuitBreaker breaker{world.executor, {.failures_max = 3, .open_for = kSecond, .probes_max = 2}};

  auto call(Attempt<int> function, DurationNs cancel_after = kNever) {
    return run([&](Cx& cx) { return breaker.run(cx, std::move(function)); }, cancel_after);
  }
  void break_it() {
    for (int i = 0; i < 3; ++i) call(error(1, Code::UNAVAILABLE));
    EXPECT_EQ(breaker.state(), State::open);
  }
  // Starts a call in `root`.
  void begin_call(Region& root, Attempt<int> function) {
    auto body = [this, function = std::move(function)](Cx& cx) mutable {
      return breaker.run(cx, std::move(function));
    };
    root.spawn("call", std::move(body)).then([this](Outcome<int> outcome) {
      refused += !outcome.ok() && outcome.error().message.find("circuit breaker") != std::string::npos;
    });
    world.turn_all();
  }
  void pass(DurationNs duration) {
    world.run_for(duration);
    world.executor.read_clock();
  }
  int refused = 0;
};

TEST_F(CircuitBreakerTest, OpensAfterFailuresInARow) {
  call(error(1, Code::UNAVAILABLE));
  call(error(1, Code::UNAVAILABLE));
  EXPECT_EQ(*call(value(1, 7)).result(), 7);
  call(error(1, Code::UNAVAILABLE));
  call(error(1, Code::OVERLOADED));
  EXPECT_EQ(breaker.state(), State::closed) << "a success forgets";
  call(error(1, Code::DEADLINE_EXCEEDED));
  EXPECT_EQ(breaker.state(), State::open);
}

TEST_F(CircuitBreakerTest, RefusesWhileOpen) {
  break_it();
  started = 0;
  EXPECT_EQ(call(value(1, 7)).error().code, Code::UNAVAILABLE);
  EXPECT_EQ(started, 0);
  world.run_for(kSecond - 1);
  EXPECT_EQ(call(value(1, 7)).error().code, Code::UNAVAILABLE);
}

TEST_F(CircuitBreakerTest, HalfOpensAfterAWhileAndClosesAfterSuccesses) {
  break_it();
  pass(kSecond);
  EXPECT_EQ(*call(value(1, 7)).result(), 7);
  EXPECT_EQ(breaker.state(), State::half_open);
  EXPECT_EQ(*call(value(1, 8)).result(), 8);
  EXPECT_EQ(breaker.state(), State::closed);
}

TEST_F(CircuitBreakerTest, AFailureWhenHalfOpenOpensItAgain) {
  break_it();
  world.run_for(kSecond);
  EXPECT_EQ(*call(value(1, 7)).result(), 7);
  call(error(1, Code::UNAVAILABLE));
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_EQ(call(value(1, 7)).error().code, Code::UNAVAILABLE);
  world.run_for(kSecond);
  EXPECT_EQ(*call(value(1, 7)).result(), 7);
  EXPECT_EQ(breaker.state(), State::half_open) << "it counts anew";
}

TEST_F(CircuitBreakerTest, HalfOpenAFewMayTry) {
  break_it();
  world.run_for(kSecond);
  Region root(world.executor);
  begin_call(root, value(50, 1));
  begin_call(root, value(50, 2));
  begin_call(root, value(50, 3));
  EXPECT_EQ(running, 2);
  EXPECT_EQ(refused, 1);
  root.close([] {});
  world.run();
  EXPECT_EQ(breaker.state(), State::closed);
}

TEST_F(CircuitBreakerTest, AnswersThatAreErrorsAreSuccesses) {
  call(error(1, Code::UNAVAILABLE));
  call(error(1, Code::UNAVAILABLE));
  call(error(1, Code::NOT_FOUND));
  call(error(1, Code::UNAVAILABLE));
  EXPECT_EQ(breaker.state(), State::closed);
}

TEST_F(CircuitBreakerTest, APanicIsAFailure) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(call(panic(1)).severity(), Severity::panicked);
  EXPECT_EQ(breaker.state(), State::open);
}

TEST_F(CircuitBreakerTest, ACancelledCallIsNeitherAndReturnsItsPlace) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(call(value(kSecond, 1), 5).severity(), Severity::cancelled);
  EXPECT_EQ(breaker.state(), State::closed);
  break_it();
  world.run_for(kSecond);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(call(value(kSecond, 1), 5).severity(), Severity::cancelled);
  EXPECT_EQ(breaker.state(), State::half_open);
  EXPECT_TRUE(call(value(1, 1)).ok());
  EXPECT_TRUE(call(value(1, 1)).ok());
  EXPECT_EQ(breaker.state(), State::closed);
}

TEST_F(CircuitBreakerTest, ACallOutOfTimeIsAFailure) {
  for (int i = 0; i < 3; ++i) {
    Region root(world.executor, {.deadline = world.env.time + 10});
    begin_call(root, value(kSecond, 1));
    root.close([] {});
    world.run();
  }
  EXPECT_EQ(breaker.state(), State::open);
}

TEST_F(CircuitBreakerTest, CallsFromBeforeATransitionDoNotCount) {
  Region root(world.executor);
  begin_call(root, value(500, 1));
  begin_call(root, error(kSecond + 500, Code::UNAVAILABLE));
  for (int i = 0; i < 3; ++i) begin_call(root, error(1, Code::UNAVAILABLE));
  pass(1);
  EXPECT_EQ(breaker.state(), State::open);
  pass(600);
  EXPECT_EQ(breaker.state(), State::open) << "the success is of the closed period";
  pass(kSecond);
  EXPECT_EQ(breaker.state(), State::half_open) << "so is the failure";
  begin_call(root, value(1, 1));
  pass(1);
  begin_call(root, value(1, 1));
  pass(1);
  EXPECT_EQ(breaker.state(), State::closed);
  root.close([] {});
  world.run();
}

TEST_F(CircuitBreakerTest, WhatCountsCanBeChosen) {
  CircuitBreaker strict(world.executor, {.failures_max = 1, .counts = [](const Error&) { return true; }});
  run([&](Cx& cx) { return strict.run(cx, error(1, Code::NOT_FOUND)); });
  EXPECT_EQ(strict.state(), State::open);
}

}  // namespace
}  // namespace aspen::rt

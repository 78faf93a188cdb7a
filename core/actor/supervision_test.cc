// The decisions, without actors: a script of inputs, and the effects as text.
#include "core/actor/supervision.h"

#include <gtest/gtest.h>

namespace aspen::actor {
namespace {

using S = Supervision;
using Log = std::vector<std::string>;

std::string text_of(const S::Effect& effect) {
  struct {
    std::string operator()(const S::Start& e) { return fmt::format("start {}", e.key); }
    std::string operator()(const S::Ask& e) { return fmt::format("ask {}", e.key); }
    std::string operator()(const S::Kill& e) { return fmt::format("kill {}", e.key); }
    std::string operator()(const S::Forget& e) { return fmt::format("forget {}", e.key); }
    std::string operator()(const S::Answer& e) {
      return fmt::format("answer {}: {}", e.token,
                         e.result ? fmt::format("{}", *e.result) : e.result.error().to_string());
    }
    std::string operator()(const S::Ready&) { return "ready"; }
    std::string operator()(const S::Finished& e) { return "finished: " + e.reason.to_string(); }
  } text;
  return std::visit(text, effect);
}

ExitReason boom() {
  return ExitReason::error(Error(Code::IO, "boom"));
}

struct SupervisionTest : testing::Test {
  TimeNs now = 1000 * kSecond;
  SupervisionOptions options{.backoff = {.first = 0, .max = 0}};
  std::vector<ChildPolicy> policies;
  std::optional<S> supervision;

  // Children a, b, c ... that restart as `restarts` says: p, t, o (temporary).
  void begin(Strategy strategy, std::string_view restarts, bool reports_ready = false) {
    options.strategy = strategy;
    for (char kind : restarts) {
      policies.push_back({.id = std::string(1, static_cast<char>('a' + policies.size())),
                          .restart = kind == 'p'   ? Restart::permanent
                                     : kind == 't' ? Restart::transient
                                                   : Restart::temporary,
                          .reports_ready = reports_ready});
    }
    supervision.emplace(options, policies, 1);
  }
  // All of them up.
  void run(Strategy strategy, std::string_view restarts) {
    begin(strategy, restarts);
    step(S::Tick{});
    for (S::Key key = 0; key < policies.size(); ++key) step(S::Started{key});
    for (const ChildStatus& child : supervision->list()) ASSERT_EQ(child.state, ChildStatus::State::up);
  }
  Log step(const S::Input& input) {
    Log log;
    for (const S::Effect& effect : supervision->step(input, now)) log.push_back(text_of(effect));
    return log;
  }
  Log exits(S::Key key, ExitReason reason = boom()) { return step(S::Exited{key, std::move(reason)}); }
  Log shuts(S::Key key) { return exits(key, ExitReason::shutdown()); }
  Log up(S::Key key) { return step(S::Started{key}); }
};

TEST_F(SupervisionTest, StartsInOrderEachWhenTheLastHasStarted) {
  begin(Strategy::one_for_one, "ppp");
  EXPECT_EQ(step(S::Tick{}), Log{"start 0"});
  EXPECT_EQ(step(S::Tick{}), Log{});
  EXPECT_EQ(up(0), Log{"start 1"});
  EXPECT_EQ(up(1), Log{"start 2"});
  EXPECT_EQ(up(2), Log{"ready"});
}

TEST_F(SupervisionTest, WithoutChildrenIsReadyAtOnce) {
  begin(Strategy::one_for_one, "");
  EXPECT_EQ(step(S::Tick{}), Log{"ready"});
  EXPECT_EQ(step(S::Stop{ExitReason::shutdown()}), Log{"finished: shutdown"});
  EXPECT_EQ(step(S::Tick{}), Log{});
}

TEST_F(SupervisionTest, OneThatFailsToStartEndsThoseBeforeItInReverse) {
  begin(Strategy::one_for_one, "pppp");
  step(S::Tick{});
  up(0);
  EXPECT_EQ(up(1), Log{"start 2"});
  EXPECT_EQ(exits(2), Log{"ask 1"});
  EXPECT_EQ(shuts(1), Log{"ask 0"});
  EXPECT_EQ(shuts(0), Log{"finished: error UNAVAILABLE: child c failed to start: error IO: boom"});
}

TEST_F(SupervisionTest, OneThatIsNotReadyInTimeFailsToStart) {
  begin(Strategy::one_for_one, "pp", true);
  step(S::Tick{});
  EXPECT_EQ(supervision->next_due(), now + 5 * kSecond);
  up(0);
  now += 5 * kSecond;
  EXPECT_EQ(step(S::Tick{}), Log{"kill 1"});
  EXPECT_EQ(supervision->next_due(), kNever);
  EXPECT_EQ(exits(1, ExitReason::killed()), Log{"ask 0"});
  EXPECT_EQ(shuts(0), Log{"finished: error UNAVAILABLE: child b failed to start: it was not ready in time"});
}

TEST_F(SupervisionTest, OneForOneRestartsTheOne) {
  run(Strategy::one_for_one, "ppp");
  EXPECT_EQ(exits(1), Log{"start 1"});
  EXPECT_EQ(up(1), Log{});
  EXPECT_EQ(exits(0, ExitReason::normal()), Log{"start 0"}) << "a permanent child comes back from any end";
}

TEST_F(SupervisionTest, OneForAllEndsAllInReverseAndStartsAllInOrder) {
  run(Strategy::one_for_all, "ppp");
  EXPECT_EQ(exits(1), Log{"ask 2"});
  EXPECT_EQ(shuts(2), Log{"ask 0"});
  EXPECT_EQ(shuts(0), Log{"start 0"});
  EXPECT_EQ(up(0), Log{"start 1"});
  EXPECT_EQ(up(1), Log{"start 2"});
  EXPECT_EQ(up(2), Log{});
}

TEST_F(SupervisionTest, RestForOneRestartsItAndThoseAfterIt) {
  run(Strategy::rest_for_one, "pppp");
  EXPECT_EQ(exits(1), Log{"ask 3"});
  EXPECT_EQ(shuts(3), Log{"ask 2"});
  EXPECT_EQ(shuts(2), Log{"start 1"});
  EXPECT_EQ(up(1), Log{"start 2"});
  EXPECT_EQ(up(2), Log{"start 3"});
}

TEST_F(SupervisionTest, TransientChildrenComeBackFromFailuresOnly) {
  run(Strategy::one_for_one, "tttt");
  EXPECT_EQ(exits(0, ExitReason::normal()), Log{});
  EXPECT_EQ(exits(1, ExitReason::shutdown()), Log{});
  EXPECT_EQ(exits(2, ExitReason::killed()), Log{"start 2"});
  up(2);
  EXPECT_EQ(exits(3, ExitReason::panic("p")), Log{"start 3"});
  EXPECT_EQ(supervision->list().size(), 4u) << "those that are done stay known";
}

TEST_F(SupervisionTest, TemporaryChildrenDoNotComeBack) {
  run(Strategy::one_for_all, "opo");
  EXPECT_EQ(exits(0), Log{"forget 0"}) << "and take nobody with them";
  EXPECT_EQ(exits(1), Log{"ask 2"});
  EXPECT_EQ(shuts(2), (Log{"forget 2", "start 1"}));
  EXPECT_EQ(up(1), Log{});
  EXPECT_EQ(supervision->list().size(), 1u);
}

TEST_F(SupervisionTest, AGroupBringsBackWhoWasDoneButNotWhoWasTerminated) {
  run(Strategy::one_for_all, "tpp");
  EXPECT_EQ(exits(0, ExitReason::normal()), Log{});
  EXPECT_EQ(step(S::Terminate{"c", 9}), Log{"ask 2"});
  EXPECT_EQ(shuts(2), Log{"answer 9: 2"});
  EXPECT_EQ(exits(1), Log{"start 0"});
  EXPECT_EQ(up(0), Log{"start 1"});
  EXPECT_EQ(up(1), Log{});
}

TEST_F(SupervisionTest, TooManyRestartsFinishIt) {
  run(Strategy::one_for_one, "pp");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(exits(0), Log{"start 0"});
    up(0);
    now += kSecond;
  }
  EXPECT_EQ(exits(0), Log{"ask 1"});
  EXPECT_EQ(
      shuts(1),
      Log{"finished: error LIMIT_EXCEEDED: 4 restarts within 5000 ms, at most 3; the last of child a: error "
          "IO: boom"});
}

TEST_F(SupervisionTest, RestartsOfLongAgoDoNotCount) {
  run(Strategy::one_for_one, "pp");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(exits(i % 2), Log{fmt::format("start {}", i % 2)});
    up(i % 2);
    now += 5 * kSecond / 3 + 1;
  }
}

TEST_F(SupervisionTest, AFailedRestartIsOneMore) {
  run(Strategy::one_for_one, "p");
  EXPECT_EQ(exits(0), Log{"start 0"});
  EXPECT_EQ(exits(0), Log{"start 0"});
  EXPECT_EQ(exits(0), Log{"start 0"});
  EXPECT_EQ(exits(0),
            Log{"finished: error LIMIT_EXCEEDED: 4 restarts within 5000 ms, at most 3; the last of child "
                "a: error UNAVAILABLE: child a failed to start: error IO: boom"});
}

TEST_F(SupervisionTest, BackoffDoublesUntilTheChildRuns) {
  options.backoff = {.first = 100, .max = 1000};
  options.restarts_max = 1000;
  run(Strategy::one_for_one, "p");
  for (DurationNs delay : {100, 200, 400, 800, 1000, 1000}) {
    EXPECT_EQ(exits(0), Log{});
    DurationNs waits = supervision->next_due() - now;
    EXPECT_GE(waits, delay / 2);
    EXPECT_LE(waits, delay);
    EXPECT_TRUE(supervision->list()[0].restarting);
    now += waits - 1;
    EXPECT_EQ(step(S::Tick{}), Log{});
    now += 1;
    EXPECT_EQ(step(S::Tick{}), Log{"start 0"});
    up(0);
  }
  now += options.period;
  exits(0);
  EXPECT_LE(supervision->next_due() - now, 100) << "it ran long enough to be trusted again";
  EXPECT_EQ(supervision->list()[0].restarts, 7u);
}

TEST_F(SupervisionTest, WhoFailedTogetherDoesNotComeBackTogether) {
  options.backoff = {.first = kSecond, .max = kSecond};
  begin(Strategy::one_for_one, "p");
  S other(options, policies, 2);
  for (S* s : {&*supervision, &other}) {
    s->step(S::Tick{}, now);
    s->step(S::Started{0}, now);
    s->step(S::Exited{0, boom()}, now);
  }
  EXPECT_NE(supervision->next_due(), other.next_due());
}

TEST_F(SupervisionTest, AGroupWaitsForTheBackoffOfItsFirst) {
  options.backoff = {.first = 100, .max = 100};
  run(Strategy::rest_for_one, "ppp");
  EXPECT_EQ(exits(1), Log{"ask 2"});
  EXPECT_EQ(shuts(2), Log{});
  EXPECT_EQ(step(S::Add{3, {.id = "d"}, 9}), Log{}) << "it depends on them";
  now += 100;
  EXPECT_EQ(step(S::Tick{}), Log{"start 1"});
  EXPECT_EQ(up(1), Log{"start 2"});
  EXPECT_EQ(up(2), Log{"start 3"});
  EXPECT_EQ(up(3), Log{"answer 9: 3"});
}

TEST_F(SupervisionTest, WithOneForOneABackoffHoldsUpNobody) {
  options.backoff = {.first = 100, .max = 100};
  run(Strategy::one_for_one, "ppp");
  EXPECT_EQ(exits(0), Log{});
  EXPECT_EQ(step(S::Add{3, {.id = "d"}, 9}), Log{"start 3"});
  EXPECT_EQ(up(3), Log{"answer 9: 3"});
  EXPECT_EQ(step(S::Terminate{"b", 10}), Log{"ask 1"});
  now += 100;
  EXPECT_EQ(step(S::Tick{}), Log{"start 0"}) << "nor does one that ends slowly";
}

TEST_F(SupervisionTest, OneThatDoesNotEndInTimeIsKilled) {
  run(Strategy::one_for_one, "pp");
  EXPECT_EQ(step(S::Stop{ExitReason::shutdown()}), Log{"ask 1"});
  EXPECT_EQ(supervision->next_due(), now + 5 * kSecond);
  now += 5 * kSecond;
  EXPECT_EQ(step(S::Tick{}), Log{"kill 1"});
  now += 100 * kSecond;
  EXPECT_EQ(step(S::Tick{}), Log{}) << "once; it drains as long as it takes";
  EXPECT_EQ(exits(1, ExitReason::killed()), Log{"ask 0"});
  EXPECT_EQ(exits(0, boom()), Log{"finished: shutdown"}) << "however it ended";
}

TEST_F(SupervisionTest, ShutdownTimeoutsOfNothingAndForEver) {
  policies.push_back({.id = "patient", .shutdown_timeout = kNever});
  policies.push_back({.id = "brutal", .shutdown_timeout = 0});
  begin(Strategy::one_for_one, "");
  step(S::Tick{});
  up(0);
  up(1);
  EXPECT_EQ(step(S::Stop{boom()}), Log{"kill 1"});
  EXPECT_EQ(exits(1, ExitReason::killed()), Log{"ask 0"});
  EXPECT_EQ(supervision->next_due(), kNever);
}

TEST_F(SupervisionTest, AKillKillsInReverse) {
  run(Strategy::one_for_one, "ppp");
  EXPECT_EQ(step(S::Stop{ExitReason::shutdown()}), Log{"ask 2"});
  EXPECT_EQ(step(S::Stop{ExitReason::killed(), true}), Log{"kill 2"});
  EXPECT_EQ(exits(2), Log{"kill 1"});
  EXPECT_EQ(exits(1), Log{"kill 0"});
  EXPECT_EQ(exits(0), Log{"finished: shutdown"}) << "the first reason stands";
}

TEST_F(SupervisionTest, ACrashDuringARestartKeepsTheOrder) {
  run(Strategy::rest_for_one, "pppp");
  EXPECT_EQ(exits(2), Log{"ask 3"});
  EXPECT_EQ(exits(0), Log{}) << "3 is still going";
  EXPECT_EQ(shuts(3), Log{"ask 1"});
  EXPECT_EQ(shuts(1), Log{"start 0"});
  EXPECT_EQ(up(0), Log{"start 1"});
  EXPECT_EQ(exits(0), Log{"ask 1"}) << "1 has not even started";
  EXPECT_EQ(up(1), Log{}) << "too late";
  EXPECT_EQ(shuts(1), Log{"start 0"});
}

TEST_F(SupervisionTest, ACrashOfOneThatIsToGoIsNoRestartOfItsOwn) {
  options.restarts_max = 1;
  run(Strategy::one_for_all, "ppp");
  EXPECT_EQ(exits(1), Log{"ask 2"});
  EXPECT_EQ(exits(0), Log{});
  EXPECT_EQ(exits(2), Log{"start 0"});
}

TEST_F(SupervisionTest, AddedChildrenAreAnswered) {
  run(Strategy::one_for_one, "p");
  EXPECT_EQ(step(S::Add{1, {.id = "b"}, 7}), Log{"start 1"});
  EXPECT_EQ(step(S::Add{2, {.id = "c"}, 8}), Log{});
  EXPECT_EQ(up(1), (Log{"answer 7: 1", "start 2"}));
  EXPECT_EQ(exits(2), (Log{"answer 8: UNAVAILABLE: child c failed to start: error IO: boom", "forget 2"}));
  EXPECT_EQ(step(S::Add{3, {.id = "a"}, 9}),
            (Log{"answer 9: ALREADY_EXISTS: the supervisor has a child a", "forget 3"}));
  EXPECT_EQ(step(S::Add{4, {.id = ""}, 10}),
            (Log{"answer 10: INVALID_ARGUMENT: a child's id of 0 bytes; 1 to 255", "forget 4"}));
  EXPECT_EQ(supervision->list().size(), 2u);
}

TEST_F(SupervisionTest, ChildrenAreBounded) {
  begin(Strategy::one_for_one, "");
  for (S::Key key = 0; key < limits::kSupervisorChildrenMax; ++key) {
    step(S::Add{key, {.id = fmt::format("{}", key)}, 0});
  }
  EXPECT_EQ(step(S::Add{9999, {.id = "more"}, 7})[0],
            "answer 7: LIMIT_EXCEEDED: the supervisor has 4096 children; at most 4096");
}

TEST_F(SupervisionTest, TerminateRestartAndRemove) {
  run(Strategy::one_for_one, "po");
  EXPECT_EQ(step(S::Remove{"a", 1}), Log{"answer 1: IN_USE: child a is running; terminate it first"});
  EXPECT_EQ(step(S::StartAgain{"a", 2}), Log{"answer 2: ALREADY_EXISTS: child a is running or restarting"});
  EXPECT_EQ(step(S::Terminate{"a", 3}), Log{"ask 0"});
  EXPECT_EQ(step(S::Terminate{"a", 4}), Log{});
  EXPECT_EQ(shuts(0), (Log{"answer 3: 0", "answer 4: 0"}));
  EXPECT_EQ(step(S::Terminate{"a", 5}), Log{"answer 5: 0"});
  EXPECT_EQ(step(S::StartAgain{"a", 6}), Log{"start 0"});
  EXPECT_EQ(up(0), Log{"answer 6: 0"});
  step(S::Terminate{"a", 7});
  shuts(0);
  EXPECT_EQ(step(S::StartAgain{"a", 8}), Log{"start 0"});
  EXPECT_EQ(exits(0), Log{"answer 8: UNAVAILABLE: child a failed to start: error IO: boom"});
  EXPECT_EQ(step(S::Remove{"a", 9}), (Log{"answer 9: 0", "forget 0"}));
  EXPECT_EQ(step(S::Remove{"a", 10}), Log{"answer 10: NOT_FOUND: the supervisor has no child a"});
  EXPECT_EQ(step(S::Terminate{"b", 11}), Log{"ask 1"});
  EXPECT_EQ(shuts(1), (Log{"answer 11: 1", "forget 1"})) << "a temporary one is not kept";
}

TEST_F(SupervisionTest, ARestartThatWaitsCanBeTerminated) {
  options.backoff = {.first = 100, .max = 100};
  run(Strategy::one_for_one, "p");
  exits(0);
  EXPECT_EQ(step(S::Terminate{"a", 1}), Log{"answer 1: 0"});
  EXPECT_EQ(supervision->next_due(), kNever);
}

TEST_F(SupervisionTest, TerminatingOneThatStartsAnswersBoth) {
  begin(Strategy::one_for_one, "p", true);
  EXPECT_EQ(step(S::Add{1, {.id = "b", .reports_ready = true}, 1}), Log{"start 0"});
  up(0);
  EXPECT_EQ(step(S::Terminate{"b", 2}), (Log{"answer 1: CANCELLED: child b was terminated", "ask 1"}));
  EXPECT_EQ(shuts(1), Log{"answer 2: 1"});
}

TEST_F(SupervisionTest, IsReadyAlthoughOneWasTerminatedBeforeItsTurn) {
  begin(Strategy::one_for_one, "pp", true);
  step(S::Tick{});
  EXPECT_EQ(step(S::Terminate{"b", 1}), Log{"answer 1: 1"});
  EXPECT_EQ(up(0), Log{"ready"});
}

TEST_F(SupervisionTest, RequestsToOneThatEndsAreRefused) {
  run(Strategy::one_for_one, "p");
  EXPECT_EQ(step(S::Add{1, {.id = "b", .reports_ready = true}, 1}), Log{"start 1"});
  EXPECT_EQ(step(S::Stop{ExitReason::shutdown()}),
            (Log{"answer 1: SHUTDOWN: the supervisor is ending", "ask 1"}));
  EXPECT_EQ(step(S::Terminate{"a", 2}), Log{"answer 2: SHUTDOWN: the supervisor is ending"});
  EXPECT_EQ(step(S::Add{2, {.id = "c"}, 3}),
            (Log{"answer 3: SHUTDOWN: the supervisor is ending", "forget 2"}));
}

TEST_F(SupervisionTest, WhatIsWrongIsSaid) {
  EXPECT_EQ(S::check(SupervisionOptions{.restarts_max = 10'001}).error().message,
            "a supervisor with 10001 restarts; at most 10000");
  EXPECT_FALSE(S::check(SupervisionOptions{.period = 0}));
  EXPECT_FALSE(S::check(SupervisionOptions{.backoff = {.first = 2, .max = 1}}));
  EXPECT_EQ(S::check({{.id = "a"}, {.id = "a"}}).error().message, "two children are a");
  EXPECT_FALSE(S::check({{.id = std::string(256, 'x')}}));
  EXPECT_FALSE(S::check({{.id = "a", .shutdown_timeout = -1}}));
}

}  // namespace
}  // namespace aspen::actor

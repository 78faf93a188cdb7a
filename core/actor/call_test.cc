#include "core/actor/call.h"

#include "core/actor/test_actors.h"

namespace aspen::actor {
namespace {

constexpr uint64_t kEcho = 1;
constexpr uint64_t kDrop = 2;
constexpr uint64_t kFail = 3;
constexpr uint64_t kStash = 4;
constexpr uint64_t kDie = 5;
constexpr uint64_t kSlow = 6;

struct CallTest : ActorTest {
  Reply stash;
  int handled = 0;

  ActorId server(SpawnOptions options = {}) {
    return spawn(
        "server",
        [this](Self& self) -> Task<Result<>> {
          for (;;) {
            ASPEN_CO_TRY(auto call, co_await self.receive({.kinds = kCalls}));
            ++handled;
            if (call.tag == kEcho) std::move(call.reply).send({.body = call.body + "!"});
            if (call.tag == kFail) std::move(call.reply).fail(Error(Code::IO, "no disk"));
            if (call.tag == kStash) stash = std::move(call.reply);
            if (call.tag == kDie) co_return fail(Code::IO, "boom");
            if (call.tag == kSlow) {
              ASPEN_CO_CHECK(co_await self.cx().sleep(kSecond));
              std::move(call.reply).send({.body = "at last"});
            }
          }
        },
        options);
  }
  rt::Join<> call(ActorId to, uint64_t tag, Bytes body = {}, DurationNs timeout = limits::kActorCallTimeout) {
    return root.spawn("caller", [this, to, tag, body, timeout](Cx& cx) -> Task<Result<>> {
      auto answer = co_await system.call(cx, to, {.tag = tag, .body = body}, timeout);
      log.push_back(answer ? answer->body : answer.error().to_string());
      if (!answer) maybe.push_back(answer.error().applied == Applied::MAYBE);
      co_return Result<>();
    });
  }
  std::vector<bool> maybe;  // of each call that failed
};

TEST_F(CallTest, IsAnswered) {
  ActorId id = server();
  call(id, kEcho, "hello");
  call(id, kFail);
  turn();
  EXPECT_EQ(log, (Log{"hello!", "IO: no disk"}));
}

TEST_F(CallTest, AnswersMayComeInAnyOrder) {
  ActorId id = server();
  call(id, kStash);
  call(id, kEcho, "second");
  turn();
  std::move(stash).send({.body = "first"});
  turn();
  EXPECT_EQ(log, (Log{"second!", "first"}));
}

TEST_F(CallTest, ADroppedRequestIsToldAtOnce) {
  call(server(), kDrop);
  turn();
  EXPECT_EQ(log, Log{"UNAVAILABLE: the request was dropped without an answer"});
  EXPECT_EQ(maybe, std::vector<bool>{true});
}

TEST_F(CallTest, TheEndOfTheActorAnswersItsCalls) {
  ActorId id = server();
  call(id, kStash, {}, kNever);
  call(id, kSlow, {}, kNever);
  call(id, kEcho, "queued", kNever);
  turn();
  system.kill(id);
  turn();
  EXPECT_EQ(log, (Log{"UNAVAILABLE: the request was dropped without an answer",
                      "UNAVAILABLE: actor 1 (server) ended before it answered: killed",
                      "UNAVAILABLE: actor 1 (server) ended before it answered: killed"}));
  EXPECT_EQ(maybe, std::vector<bool>(3, true));
  EXPECT_TRUE(stash.owed());
  std::move(stash).send({});  // too late, and nobody minds
}

TEST_F(CallTest, AnActorThatDiesOfARequestAnswersItWithAnError) {
  ActorId id = server();
  call(id, kDie, {}, kNever);
  call(id, kEcho, "next", kNever);
  turn();
  EXPECT_EQ(log, (Log{"UNAVAILABLE: the request was dropped without an answer",
                      "UNAVAILABLE: actor 1 (server) ended before it answered: error IO: boom"}));
}

TEST_F(CallTest, NobodyToCall) {
  call({77}, kEcho);
  turn();
  EXPECT_EQ(log, Log{"NOT_FOUND: there is no actor 77 (any more)"});
  EXPECT_EQ(maybe, std::vector<bool>{false});
}

TEST_F(CallTest, TimesOutAndDropsTheLateAnswer) {
  ActorId id = server();
  call(id, kStash, {}, kSecond);
  world.run_for(kSecond - 1);
  EXPECT_TRUE(log.empty());
  world.run_for(1);
  EXPECT_EQ(log, Log{"DEADLINE_EXCEEDED: actor 1 (server) did not answer in time"});
  EXPECT_EQ(maybe, std::vector<bool>{true});
  std::move(stash).send({.body = "late"});
  call(id, kEcho, "next");
  turn();
  EXPECT_EQ(log.back(), "next!");
}

TEST_F(CallTest, TheTimeIncludesTheWaitForAPlace) {
  ActorId id = server({.mailbox = {.messages_max = 1}});
  call(id, kSlow);
  turn();
  EXPECT_TRUE(system.send(id, {}));
  call(id, kEcho, "waits", kSecond / 2);
  world.run_for(kSecond / 2);
  EXPECT_EQ(log, Log{"DEADLINE_EXCEEDED: the mailbox of actor 1 (server) stayed full"});
  EXPECT_EQ(maybe, std::vector<bool>{false}) << "it was never sent";
}

TEST_F(CallTest, AnActorDoesNotCallItself) {
  spawn("a", [this](Self& self) -> Task<Result<>> {
    log.push_back((co_await self.call(self.id(), {})).error().to_string());
    co_return Result<>();
  });
  turn();
  EXPECT_EQ(log, Log{"INVALID_ARGUMENT: actor 1 calls itself"});
}

TEST_F(CallTest, WhatAnActorOwesIsBounded) {
  std::vector<Reply> replies;
  ActorId hoarder = spawn("hoarder", [&](Self& self) -> Task<Result<>> {
    for (;;) {
      ASPEN_CO_TRY(auto message, co_await self.receive());
      replies.push_back(std::move(message.reply));
    }
  });
  for (size_t i = 0; i < limits::kActorCallsMax; ++i) call(hoarder, kEcho);
  turn();
  EXPECT_TRUE(log.empty());
  call(hoarder, kEcho);
  turn();
  EXPECT_EQ(log, Log{"OVERLOADED: actor 1 (hoarder) owes 4096 answers; at most 4096"});
}

// The caller and the callee are cancelled after each turn: the call always ends, and an answer that was there
// before the cancel is not lost.
TEST_F(CallTest, ACancelAtEveryPointEndsTheCall) {
  int answered = 0;
  int cancelled = 0;
  for (int victim = 0; victim < 2; ++victim) {
    for (int point = 0; point < 12; ++point) {
      log.clear();
      ActorId id = server({.mailbox = {.messages_max = 1}});  // the second waits for a place
      call(id, kEcho, "a", kNever);
      auto second = call(id, kEcho, "b", kNever);
      for (int step = 0; step < 12; ++step) {
        if (step == point && victim == 0) second.cancel({rt::CancelKind::user, "stop"});
        if (step == point && victim == 1) system.kill(id);
        world.executor.turn();
      }
      turn();
      ASSERT_EQ(log.size(), 2u) << "both calls end";
      for (const std::string& line : log) ++(line.ends_with("!") ? answered : cancelled);
      system.kill(id);
      turn();
    }
  }
  EXPECT_GT(answered, 20);
  EXPECT_GT(cancelled, 4);
}

}  // namespace
}  // namespace aspen::actor

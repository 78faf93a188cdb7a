#include "core/actor/mailbox.h"

#include "core/actor/test_actors.h"

namespace aspen::actor {
namespace {

Message cast(uint64_t tag, Bytes body = {}) {
  return {.tag = tag, .body = std::move(body)};
}
Message down(uint64_t reference) {
  return {.kind = Message::Kind::down, .reference = {reference}};
}

struct MailboxTest : testing::Test {
  Promises promises;
  rt::TestWorld world;
  rt::Region root{promises.of(world.executor)};
  std::shared_ptr<Mailbox> mailbox;
  Log log;

  explicit MailboxTest(MailboxOptions options = {})
      : mailbox(std::make_shared<Mailbox>("actor 1 (a)", options)) {}
  void TearDown() override {
    bool closed = false;
    mailbox->end(ExitReason::normal());
    root.close([&] { closed = true; });
    EXPECT_TRUE(world.run());
    EXPECT_TRUE(closed) << root.pending();
    EXPECT_EQ(promises.broken, Log());
  }
  void post(Message message) {
    auto posted = mailbox->post(std::move(message));
    EXPECT_TRUE(posted) << posted.error().to_string();
  }
  std::string post_error(Message message) {
    auto posted = mailbox->post(std::move(message));
    return posted ? "posted" : posted.error().to_string();
  }
  rt::Join<> receive(Match match, TimeNs until = kNever) {
    return root.spawn("receive", [this, match, until](Cx& cx) -> Task<Result<>> {
      auto message = co_await mailbox->receive(cx, match, until);
      if (!message) {
        log.push_back(message.error().to_string());
      } else {
        log.push_back(*message ? text_of(**message) : "nothing");
      }
      co_return Result<>();
    });
  }
  std::vector<uint64_t> remaining_tags() {
    std::vector<uint64_t> tags;
    while (auto message = mailbox->take(Match::any())) tags.push_back(message->tag);
    return tags;
  }
};
struct SmallMailboxTest : MailboxTest {
  SmallMailboxTest() : MailboxTest({.messages_max = 2, .bytes_max = 10}) {}
  rt::Join<> reserve(std::string name, size_t bytes, TimeNs until = kNever, DurationNs hold = 0,
                     rt::Region* region = nullptr) {
    return (region != nullptr ? *region : root)
        .spawn("reserve", [this, name, bytes, until, hold](Cx& cx) -> Task<Result<>> {
          auto permit = co_await mailbox->reserve(cx, bytes, {}, until);
          if (!permit) {
            log.push_back(name + ": " + permit.error().to_string());
            co_return Result<>();
          }
          log.push_back(name + " has a place");
          if (hold > 0) ASPEN_CO_CHECK(co_await cx.sleep(hold));
          std::move(*permit).send({.tag = 9, .body = name.substr(0, bytes)});
          co_return Result<>();
        });
  }
};

TEST_F(MailboxTest, TakesTheOldestThatMatches) {
  post(cast(1, "a"));
  post(cast(2, "b"));
  mailbox->post_signal(down(7));
  post(cast(2, "c"));
  EXPECT_EQ(mailbox->take({.tags = {2, 3}})->body, "b");
  EXPECT_EQ(mailbox->take({.tags = {3}}), std::nullopt);
  EXPECT_EQ(mailbox->take({.kinds = kExits}), std::nullopt);
  EXPECT_EQ(mailbox->take({.reference = {6}}), std::nullopt);
  EXPECT_EQ(mailbox->take({.kinds = kDowns, .reference = {7}})->reference, Reference{7});
  EXPECT_EQ(mailbox->take({.from = {5}}), std::nullopt);
  EXPECT_EQ(mailbox->take(Match::any())->body, "a");
  EXPECT_EQ(mailbox->take(Match::any())->body, "c");
  EXPECT_EQ(mailbox->size(), 0u);
}

TEST_F(MailboxTest, ATagNeverMatchesASignal) {
  mailbox->post_signal(down(7));
  EXPECT_EQ(mailbox->take({.tags = {0}}), std::nullopt);
}

TEST_F(MailboxTest, ReceiveWaitsForWhatMatches) {
  receive({.tags = {2}});
  world.turn_all();
  post(cast(1, "skipped"));
  world.turn_all();
  EXPECT_TRUE(log.empty());
  post(cast(2, "wanted"));
  world.turn_all();
  EXPECT_EQ(log, Log{"cast 2 wanted"});
  EXPECT_EQ(remaining_tags(), std::vector<uint64_t>{1});
}

TEST_F(MailboxTest, ReceiveEndsInTime) {
  receive({.tags = {2}}, world.env.time + kSecond);
  world.run_for(kSecond - 1);
  EXPECT_TRUE(log.empty());
  post(cast(1));
  world.run_for(1);
  EXPECT_EQ(log, Log{"nothing"});
  receive({.tags = {2}}, world.env.time);
  receive({.tags = {1}}, world.env.time);
  world.turn_all();
  EXPECT_EQ(log, (Log{"nothing", "nothing", "cast 1 "}));
}

// The receiver is cancelled at every point: whatever it did not get stands as it came.
TEST_F(MailboxTest, ACancelledReceiveLosesAndReordersNothing) {
  for (int point = 0; point < 6; ++point) {
    for (uint64_t tag : {1, 2, 3}) post(cast(tag));
    log.clear();
    auto join = receive({.tags = {4}});
    for (int step = 0; step < 6; ++step) {
      if (step == point) join.cancel({rt::CancelKind::user, "stop"});
      if (step == 3) post(cast(4));
      world.executor.turn();
    }
    world.turn_all();
    if (log == Log{"cast 4 "}) {
      EXPECT_EQ(remaining_tags(), (std::vector<uint64_t>{1, 2, 3})) << point;
    } else {
      EXPECT_EQ(log, Log{"CANCELLED: stop"}) << point;
      EXPECT_EQ(remaining_tags(), (std::vector<uint64_t>{1, 2, 3, 4})) << point;
    }
  }
}

TEST_F(SmallMailboxTest, AFullOneRefuses) {
  post(cast(1));
  post(cast(2));
  EXPECT_EQ(post_error(cast(3)),
            "OVERLOADED: the mailbox of actor 1 (a) holds 2 messages of 0 bytes; at most 2 and 10");
  mailbox->post_signal(down(1));
  EXPECT_EQ(mailbox->size(), 3u) << "signals are never refused";
  EXPECT_TRUE(mailbox->take({.tags = {1}}));
  post(cast(3));
}

TEST_F(SmallMailboxTest, BytesCount) {
  EXPECT_EQ(post_error(cast(1, Bytes(11, 'x'))),
            "LIMIT_EXCEEDED: a message to actor 1 (a) is 11 bytes; at most 10");
  post(cast(1, Bytes(6, 'x')));
  EXPECT_TRUE(post_error(cast(1, Bytes(5, 'x'))).starts_with("OVERLOADED"));
  post(cast(2, Bytes(4, 'x')));
}

TEST_F(SmallMailboxTest, ReserversAreServedInOrder) {
  post(cast(1, Bytes(8, 'x')));
  reserve("large", 9);
  reserve("small", 1);
  world.turn_all();
  EXPECT_TRUE(log.empty());
  EXPECT_TRUE(post_error(cast(2)).starts_with("OVERLOADED")) << "nobody overtakes who waits";
  EXPECT_TRUE(mailbox->take(Match::any()));
  world.turn_all();
  EXPECT_EQ(log, (Log{"large has a place", "small has a place"}));
  EXPECT_EQ(mailbox->take(Match::any())->body, "large");
  EXPECT_EQ(mailbox->take(Match::any())->body, "s");
}

TEST_F(SmallMailboxTest, AReservedPlaceCountsUntilItIsUsed) {
  reserve("slow", 10, kNever, kSecond);
  world.turn_all();
  EXPECT_TRUE(post_error(cast(1, "x")).starts_with("OVERLOADED"));
  world.run_for(kSecond);
  EXPECT_TRUE(mailbox->take(Match::any()));
  post(cast(1, Bytes(10, 'x')));
}

TEST_F(SmallMailboxTest, APermitThatIsDroppedGivesItsPlaceBack) {
  auto join = reserve("slow", 10, kNever, kSecond);
  world.turn_all();
  join.cancel({rt::CancelKind::user, "stop"});
  reserve("next", 10);
  world.turn_all();
  EXPECT_EQ(log, (Log{"slow has a place", "next has a place"}));
}

TEST_F(SmallMailboxTest, WaitingForAPlaceEnds) {
  post(cast(1, Bytes(10, 'x')));
  reserve("late", 1, world.env.time + kSecond);
  auto cancelled = reserve("cancelled", 1);
  reserve("patient", 1);
  reserve("huge", 11);
  world.turn_all();
  cancelled.cancel({rt::CancelKind::user, "stop"});
  world.run_for(kSecond);
  EXPECT_EQ(log, (Log{"huge: LIMIT_EXCEEDED: a message to actor 1 (a) is 11 bytes; at most 10",
                      "cancelled: CANCELLED: stop",
                      "late: DEADLINE_EXCEEDED: the mailbox of actor 1 (a) stayed full"}));
  mailbox->refuse();
  world.turn_all();
  EXPECT_EQ(log.back(), "patient: NOT_FOUND: actor 1 (a) is ending");
}

// One that waits for much stands in the way of those who want little, until it goes.
TEST_F(SmallMailboxTest, WhoeverLeavesTheLineLetsTheNextGo) {
  post(cast(1, Bytes(8, 'x')));
  auto cancelled = reserve("cancelled", 9);
  reserve("late", 9, world.env.time + kSecond);
  reserve("small", 2);
  world.turn_all();
  cancelled.cancel({rt::CancelKind::user, "stop"});
  world.turn_all();
  EXPECT_EQ(log, Log{"cancelled: CANCELLED: stop"});
  world.run_for(kSecond);
  EXPECT_EQ(log.back(), "small has a place");
}

// There is a place in the mailbox, and none in the ledger of who waits for it. Only that one hears of it, not
// the receiver that made the place; and the place is the next one's.
TEST_F(SmallMailboxTest, WhoseLedgerIsFullIsRefused) {
  rt::Region small(root, {.obligations_max = 1});
  std::optional<rt::Obligation> held(std::in_place, small, "held");
  post(cast(1, Bytes(10, 'x')));
  reserve("full", 10, kNever, 0, &small);
  reserve("next", 10);
  world.turn_all();
  EXPECT_EQ(log, Log());
  EXPECT_TRUE(mailbox->take(Match::any()));
  world.turn_all();
  ASSERT_EQ(log.size(), 2u);
  EXPECT_TRUE(log[0].starts_with("full: OVERLOADED: ")) << log[0];
  EXPECT_NE(log[0].find("obligations_max"), std::string::npos) << log[0];
  EXPECT_EQ(log[1], "next has a place");
  EXPECT_EQ(mailbox->take(Match::any())->body, "next");

  reserve("at once", 10, kNever, 0, &small);
  world.turn_all();
  EXPECT_TRUE(log.back().starts_with("at once: OVERLOADED: ")) << log.back();
  held.reset();
  reserve("again", 10, kNever, 0, &small);
  world.turn_all();
  EXPECT_EQ(log.back(), "again has a place") << "what was refused counts nowhere";
  small.close([] {});
  world.turn_all();
}

// Two of a region with room for one.
TEST_F(SmallMailboxTest, APermitThatIsDroppedMakesRoomInTheLedgerToo) {
  rt::Region small(root, {.obligations_max = 1});
  auto dropped = reserve("dropped", 10, kNever, kSecond, &small);
  reserve("next", 10, kNever, 0, &small);
  world.turn_all();
  dropped.cancel({rt::CancelKind::user, "stop"});
  world.turn_all();
  EXPECT_EQ(log, (Log{"dropped has a place", "next has a place"}));
  small.close([] {});
  world.turn_all();
}

TEST_F(SmallMailboxTest, APermitNamesWhoWaitedForIt) {
  post(cast(1, Bytes(10, 'x')));
  reserve("sender", 10);
  root.spawn("receiver", [this](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await cx.sleep(kSecond));
    EXPECT_TRUE(mailbox->take(Match::any()));
    co_return Result<>();
  });
  world.run_for(kSecond);
  EXPECT_EQ(log, Log{"sender has a place"});
  EXPECT_EQ(promises.last(), "mailbox permit of reserve");
}

TEST_F(SmallMailboxTest, RefusesWhenItsActorEnds) {
  reserve("early", 1, kNever, kSecond);
  world.turn_all();
  mailbox->refuse();
  EXPECT_EQ(post_error(cast(1)), "NOT_FOUND: actor 1 (a) is ending");
  mailbox->post_signal(down(1));
  EXPECT_TRUE(mailbox->take({.kinds = kDowns})) << "signals still come";
  mailbox->end(boom());
  EXPECT_EQ(post_error(cast(1)), "NOT_FOUND: actor 1 (a) has ended: error IO: boom");
  mailbox->post_signal(down(2));
  world.run_for(kSecond);
  EXPECT_EQ(log, Log{"early has a place"}) << "its message is dropped, not refused";
  EXPECT_EQ(mailbox->size(), 0u);
}

TEST_F(MailboxTest, ExitsHaveAFewPlacesOfTheirOwn) {
  for (size_t i = 0; i < limits::kActorExitsQueuedMax; ++i) {
    EXPECT_TRUE(mailbox->post_exit({.kind = Message::Kind::exit}));
  }
  EXPECT_EQ(mailbox->post_exit({.kind = Message::Kind::exit}).error().to_string(),
            "OVERLOADED: actor 1 (a) has not yet received 16 exits; kill it instead");
  EXPECT_EQ(mailbox->signals(), 0u);
  EXPECT_TRUE(mailbox->take(Match::any()));
  EXPECT_TRUE(mailbox->post_exit({.kind = Message::Kind::exit}));
}

TEST_F(MailboxTest, WhatAMessageCarriesGoesWithIt) {
  int alive = 0;
  post({.attachment = Attachment::of(rt::Counted(alive))});
  post({.attachment = Attachment::of(rt::Counted(alive))});
  EXPECT_EQ(alive, 2);
  {
    auto message = mailbox->take(Match::any());
    EXPECT_FALSE(message->attachment.take<int>()) << "another type";
    auto counted = message->attachment.take<rt::Counted>();
    EXPECT_TRUE(counted);
    EXPECT_FALSE(message->attachment);
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 1);
  mailbox->end(ExitReason::normal());
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace aspen::actor

#include "core/actor/system.h"

#include "core/actor/test_actors.h"

namespace aspen::actor {
namespace {

struct SystemTest : ActorTest {};

// ---- how actors end

TEST_F(SystemTest, AnActorEndsAsItsBodyDoes) {
  watch("returns", spawn("a", [](Self&) -> Task<Result<>> { co_return Result<>(); }));
  watch("fails", spawn("b", [](Self&) -> Task<Result<>> { co_return fail(Code::IO, "the disk"); }));
  watch("chooses",
        spawn("c", [](Self& self) -> Task<Result<>> { co_return self.exit(ExitReason::shutdown()); }));
  watch("panics", spawn("d", [](Self& self) -> Task<Result<>> {
          ASPEN_ASSERT(self.id() == ActorId());
          co_return Result<>();
        }));
  EXPECT_EQ(system.size(), 4u);
  turn();
  ASSERT_EQ(log.size(), 4u);
  EXPECT_EQ(log[0], "returns: normal");
  EXPECT_EQ(log[1], "fails: error IO: the disk");
  EXPECT_EQ(log[2], "chooses: shutdown");
  EXPECT_TRUE(log[3].starts_with("panics: panic: ")) << log[3];
  EXPECT_EQ(system.size(), 0u);
}

TEST_F(SystemTest, IdsAreNotUsedAgain) {
  ActorId first = spawn("a", [](Self&) -> Task<Result<>> { co_return Result<>(); });
  turn();
  EXPECT_FALSE(system.alive(first));
  EXPECT_GT(spawn("a", idle()), first);
}

TEST_F(SystemTest, ExitEndsWithItsReason) {
  ActorId shut = spawn("a", idle());
  ActorId failed = spawn("b", idle());
  ActorId killed = spawn("c", idle());
  ActorId unmoved = spawn("d", idle());
  for (auto [name, id] : {std::pair("a", shut), {"b", failed}, {"c", killed}, {"d", unmoved}})
    watch(name, id);
  turn();
  EXPECT_TRUE(system.exit(shut, ExitReason::shutdown()));
  EXPECT_TRUE(system.exit(failed, boom()));
  EXPECT_TRUE(system.exit(killed, ExitReason::killed()));
  EXPECT_TRUE(system.exit(unmoved, ExitReason::normal()));
  turn();
  EXPECT_EQ(log, (Log{"a: shutdown", "b: error IO: boom", "c: killed"}));
  EXPECT_EQ(system.exit(shut, ExitReason::shutdown()).error().code, Code::NOT_FOUND);
}

TEST_F(SystemTest, AnExitDecidesTheReasonHoweverTheBodyReturns) {
  ActorId id = spawn("a", [](Self& self) -> Task<Result<>> {
    EXPECT_FALSE(co_await self.receive());
    co_return Result<>();
  });
  watch("a", id);
  turn();
  EXPECT_TRUE(system.exit(id, boom()));
  turn();
  EXPECT_EQ(log, Log{"a: error IO: boom"});
}

TEST_F(SystemTest, AnExitBeforeTheFirstTurn) {
  ActorId id = spawn("a", idle());
  watch("a", id);
  system.kill(id);
  turn();
  EXPECT_EQ(log, Log{"a: killed"});
}

TEST_F(SystemTest, AKillDrains) {
  int alive = 0;
  ActorId id = spawn("a", [&](Self& self) -> Task<Result<>> {
    rt::Counted counted(alive);
    self.trap_exits(true);
    EXPECT_EQ((co_await self.receive()).error().message, "actor 1 was told to exit: killed");
    Cx::Mask mask(self.cx());
    EXPECT_TRUE(co_await self.cx().sleep(kSecond));
    log.push_back("cleaned up");
    co_return Result<>();
  });
  watch("a", id);
  turn();
  system.kill(id);
  system.kill(id);
  turn();
  EXPECT_TRUE(log.empty()) << "it still drains";
  EXPECT_TRUE(system.alive(id));
  world.run_for(kSecond);
  EXPECT_EQ(log, (Log{"cleaned up", "a: killed"}));
  EXPECT_EQ(alive, 0);
}

TEST_F(SystemTest, TheReasonTellsThatItHadToBeKilled) {
  ActorId id = spawn("a", [](Self& self) -> Task<Result<>> {
    EXPECT_FALSE(co_await self.receive());
    Cx::Mask mask(self.cx());
    co_return co_await self.cx().sleep(kSecond);
  });
  watch("a", id);
  turn();
  EXPECT_TRUE(system.exit(id, ExitReason::shutdown()));
  system.kill(id);
  EXPECT_TRUE(system.exit(id, boom()));
  world.run_for(kSecond);
  EXPECT_EQ(log, Log{"a: killed"});
}

TEST_F(SystemTest, TheEndIsToldWhenNothingOfTheActorRuns) {
  ActorId id = spawn("a", [&](Self& self) -> Task<Result<>> {
    self.cx().region().spawn("helper", [&](Cx& cx) -> Task<Result<>> {
      EXPECT_FALSE(co_await cx.sleep(3600 * kSecond));
      Cx::Mask mask(cx);
      EXPECT_TRUE(co_await cx.sleep(kSecond));
      log.push_back("helper ends");
      co_return Result<>();
    });
    co_return co_await self.cx().sleep(1);
  });
  watch("a", id);
  world.run_for(kSecond / 2);
  EXPECT_EQ(system.send(id, {}).error().message, "actor 1 (a) is ending");
  EXPECT_TRUE(log.empty());
  world.run_for(kSecond);
  EXPECT_EQ(log, (Log{"helper ends", "a: normal"}));
}

// ---- messages

TEST_F(SystemTest, MessagesComeInOrder) {
  ActorId id = spawn("a", logs(log));
  EXPECT_TRUE(system.send(id, {.tag = 1, .body = "one"}));
  EXPECT_TRUE(system.send(id, {.tag = 2, .body = "two"}));
  turn();
  EXPECT_EQ(log, (Log{"cast 1 one", "cast 2 two"}));
}

TEST_F(SystemTest, SendTellsTheSender) {
  ActorId full = spawn("full", idle(), {.mailbox = {.messages_max = 1}});
  EXPECT_TRUE(system.send(full, {}));
  EXPECT_EQ(system.send(full, {}).error().code, Code::OVERLOADED);
  EXPECT_EQ(system.send(full, {.body = Bytes(limits::kActorMessageBytesMax + 1, 'x')}).error().code,
            Code::LIMIT_EXCEEDED);
  EXPECT_EQ(system.send({77}, {}).error().to_string(), "NOT_FOUND: there is no actor 77 (any more)");
}

TEST_F(SystemTest, WaitingSendersAreServedAsTheReceiverTakes) {
  ActorId slow = spawn("slow",
                       [&](Self& self) -> Task<Result<>> {
                         for (int i = 0; i < 5; ++i) {
                           ASPEN_CO_CHECK(co_await self.cx().sleep(kSecond));
                           ASPEN_CO_TRY(auto message, co_await self.receive());
                           log.push_back(message.body);
                         }
                         co_return Result<>();
                       },
                       {.mailbox = {.messages_max = 2}});
  spawn("sender", [slow](Self& self) -> Task<Result<>> {
    for (char c = 'a'; c < 'e'; ++c) {
      auto sent = co_await self.send_waiting(slow, {.body = Bytes(1, c)});
      EXPECT_TRUE(sent) << sent.error().to_string();
    }
    co_return Result<>();
  });
  task([this, slow](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_TRY(auto permit, co_await system.reserve(cx, slow, 10));
    std::move(permit).send({.body = "task"});
    co_return Result<>();
  });
  world.run_for(10 * kSecond);
  EXPECT_EQ(log, (Log{"a", "b", "c", "task", "d"}));
}

TEST_F(SystemTest, WaitToldTheReason) {
  ActorId id = spawn("a", ends_after(kSecond, boom()));
  task([this, id](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_TRY(auto reason, co_await system.wait(cx, id));
    log.push_back(reason.to_string());
    co_return forward_error(co_await system.wait(cx, id));
  });
  world.run_for(kSecond);
  EXPECT_EQ(log, (Log{"error IO: boom", "NOT_FOUND: there is no actor 1 (any more)"}));
}

TEST_F(SystemTest, ReceiveForEndsInTime) {
  TimeNs start = world.env.time;
  spawn("a", [&](Self& self) -> Task<Result<>> {
    auto none = co_await self.receive_for(Match::any(), kSecond);
    EXPECT_TRUE(none && !*none);
    EXPECT_EQ(self.cx().now(), start + kSecond);
    co_return Result<>();
  });
  world.run();
  EXPECT_EQ(system.size(), 0u);
}

// ---- names

TEST_F(SystemTest, ANameIsALeaseOfALiveActor) {
  ActorId first = spawn("first", idle());
  ActorId second = spawn("second", idle());
  EXPECT_TRUE(system.register_name("router", first));
  EXPECT_EQ(system.whereis("router"), first);
  EXPECT_EQ(*system.lookup("router"), first);
  EXPECT_EQ(system.register_name("router", second).error().to_string(),
            "ALREADY_EXISTS: the name router is held by actor 1 (first)");
  EXPECT_EQ(system.names_of(first), std::vector<std::string>{"router"});
  EXPECT_TRUE(system.unregister_name("router"));
  EXPECT_EQ(system.unregister_name("router").error().to_string(), "NOT_FOUND: no actor has the name router");
  EXPECT_EQ(system.whereis("router"), ActorId());
  EXPECT_TRUE(system.register_name("router", second));
  EXPECT_EQ(system.register_name("other", {77}).error().code, Code::NOT_FOUND);
}

TEST_F(SystemTest, NamesAreFreeOnceTheEndIsTold) {
  ActorId holder = spawn("holder", ends_after(kSecond, boom()));
  ActorId heir = spawn("heir", [&](Self& self) -> Task<Result<>> {
    ASPEN_CO_TRY(Reference reference, self.monitor("router"));
    ASPEN_CO_TRY(auto message, co_await self.receive({.reference = reference}));
    log.push_back(text_of(message));
    EXPECT_TRUE(self.system().register_name("router", self.id()));
    EXPECT_TRUE(self.system().register_name("second", self.id()));
    co_return co_await self.cx().sleep(kSecond);
  });
  EXPECT_TRUE(system.register_name("router", holder));
  EXPECT_TRUE(system.register_name("second", holder));
  world.run_for(kSecond);
  EXPECT_EQ(log, Log{"down of 1: error IO: boom"});
  EXPECT_EQ(system.whereis("router"), heir);
  world.run_for(kSecond);
  EXPECT_EQ(system.whereis("router"), ActorId());
}

TEST_F(SystemTest, AnActorThatIsEndingTakesNoName) {
  ActorId id = spawn("a", [](Self& self) -> Task<Result<>> {
    self.cx().region().spawn("helper", [](Cx& cx) -> Task<Result<>> {
      Cx::Mask mask(cx);
      co_return co_await cx.sleep(kSecond);
    });
    co_return Result<>();
  });
  EXPECT_TRUE(system.register_name("early", id));
  turn();
  EXPECT_TRUE(system.alive(id));
  EXPECT_EQ(system.register_name("late", id).error().code, Code::NOT_FOUND);
  EXPECT_EQ(system.whereis("early"), id) << "held until nothing of it runs";
  world.run();
  EXPECT_EQ(system.whereis("early"), ActorId());
}

TEST_F(SystemTest, AnActorWithAFullLedgerTakesNoName) {
  ActorId id = spawn("a", [](Self& self) -> Task<Result<>> {
    std::vector<rt::Obligation> ledger;
    ledger.reserve(limits::kRegionObligationsMax);
    while (auto one = rt::Obligation::make(self.cx().region(), rt::ObligationKind::io, "something"))
      ledger.push_back(std::move(*one));
    Result<> full = self.system().register_name("router", self.id());
    EXPECT_EQ(full.error().code, Code::OVERLOADED) << full.error().to_string();
    EXPECT_EQ(self.system().whereis("router"), ActorId());
    ledger.pop_back();
    co_return self.system().register_name("router", self.id());
  });
  watch("a", id);
  turn();
  EXPECT_EQ(log, Log{"a: normal"});
}

// A name is a lease, which demands a word: it ends with its holder, by unregistering, or to be taken over.
TEST_F(SystemTest, GivingANameBackBreaksNoPromise) {
  ActorId returns = spawn("returns", ends_after(kSecond, ExitReason::normal()));
  ActorId fails = spawn("fails", ends_after(kSecond, boom()));
  ActorId killed = spawn("killed", idle());
  ActorId heir = spawn("heir", idle());
  for (auto [name, id] : {std::pair("a", returns), {"b", returns}, {"c", fails}, {"d", killed}})
    EXPECT_TRUE(system.register_name(name, id));
  turn();
  EXPECT_TRUE(system.unregister_name("a"));
  EXPECT_TRUE(system.register_name("a", heir));
  system.kill(killed);
  world.run_for(kSecond);
  for (std::string name : {"b", "c", "d"}) EXPECT_TRUE(system.register_name(name, heir)) << name;
  EXPECT_EQ(system.names_of(heir).size(), 4u);
  close();
  EXPECT_EQ(promises.broken, Log());
}

// ---- close

TEST_F(SystemTest, CloseAsksAndThenKills) {
  watch("good", spawn("good", idle()));
  watch("deaf", spawn("deaf", [](Self& self) -> Task<Result<>> {
          self.trap_exits(true);
          co_return co_await self.cx().sleep(3600 * kSecond);
        }));
  turn();
  bool closed = false;
  system.close([&] { closed = true; }, 2 * kSecond);
  world.run_for(2 * kSecond - 1);
  EXPECT_EQ(log, Log{"good: shutdown"});
  EXPECT_EQ(system.spawn("late", idle()).error().to_string(),
            "SHUTDOWN: late is not started: the actor system is closing");
  world.run_for(1);
  EXPECT_EQ(log, (Log{"good: shutdown", "deaf: killed"}));
  EXPECT_TRUE(closed);
}

TEST_F(SystemTest, CloseAsksTheNewestFirst) {
  for (const char* name : {"a", "b", "c"}) watch(name, spawn(name, idle()));
  turn();
  close();
  EXPECT_EQ(log, (Log{"c: shutdown", "b: shutdown", "a: shutdown"}));
}

TEST_F(SystemTest, ACancelAroundTheSystemReachesAllActors) {
  watch("a", spawn("a", idle()));
  watch("b", spawn("b", logs(log)));
  turn();
  root.cancel({rt::CancelKind::shutdown, "the node closes"});
  turn();
  EXPECT_EQ(system.size(), 0u);
}

}  // namespace
}  // namespace aspen::actor

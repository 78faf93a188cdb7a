// Links, trapped exits and monitors.
#include "core/actor/test_actors.h"

namespace aspen::actor {
namespace {

struct LinkTest : ActorTest {
  // Links to `other`, then waits.
  Body linked_to(ActorId other) {
    return [other](Self& self) -> Task<Result<>> {
      EXPECT_TRUE(self.link(other));
      auto message = co_await self.receive();
      co_return message ? Result<>() : Result<>(std::unexpected(message.error()));
    };
  }
};

TEST_F(LinkTest, AnAbnormalEndCascades) {
  ActorId a = spawn("a", ends_after(kSecond, boom()));
  ActorId b = spawn("b", linked_to(a));
  ActorId c = spawn("c", linked_to(b));
  watch("b", b);
  watch("c", c);
  world.run_for(kSecond);
  EXPECT_EQ(log, (Log{"b: error IO: boom", "c: error IO: boom"}));
}

TEST_F(LinkTest, ALinkGoesBothWays) {
  ActorId a = spawn("a", idle());
  ActorId b = spawn("b", linked_to(a));
  watch("a", a);
  turn();
  system.kill(b);
  turn();
  EXPECT_EQ(log, Log{"a: killed"});
}

TEST_F(LinkTest, ANormalEndDoesNotCascade) {
  ActorId a = spawn("a", ends_after(kSecond, ExitReason::normal()));
  ActorId b = spawn("b", linked_to(a));
  world.run_for(2 * kSecond);
  EXPECT_FALSE(system.alive(a));
  EXPECT_TRUE(system.alive(b));
}

TEST_F(LinkTest, AShutdownCascades) {
  ActorId a = spawn("a", ends_after(kSecond, ExitReason::shutdown()));
  watch("b", spawn("b", linked_to(a)));
  world.run_for(kSecond);
  EXPECT_EQ(log, Log{"b: shutdown"});
}

// A body sees whether a link ended it, a request to shut down, or a kill.
TEST_F(LinkTest, TheCancelTellsHowTheExitCame) {
  auto body = [this](ActorId other) {
    return [this, other](Self& self) -> Task<Result<>> {
      if (other) EXPECT_TRUE(self.link(other));
      EXPECT_FALSE(co_await self.receive());
      log.push_back(rt::to_string(self.cx().cancel_reason()->kind));
      co_return Result<>();
    };
  };
  ActorId a = spawn("a", ends_after(kSecond, boom()));
  spawn("linked", body(a));
  ActorId asked = spawn("asked", body({}));
  ActorId killed = spawn("killed", body({}));
  world.run_for(kSecond);
  EXPECT_TRUE(system.exit(asked, ExitReason::shutdown()));
  turn();
  system.kill(killed);
  turn();
  EXPECT_EQ(log, (Log{"linked_exit", "shutdown", "user"}));
}

TEST_F(LinkTest, CyclesEnd) {
  std::vector<ActorId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(spawn("a", logs(log)));
  for (int i = 0; i < 3; ++i) {
    ActorId next = ids[static_cast<size_t>(i)];
    ids.push_back(spawn("b", [next, previous = ids.back()](Self& self) -> Task<Result<>> {
      EXPECT_TRUE(self.link(next));
      EXPECT_TRUE(self.link(previous));
      co_return std::unexpected((co_await self.receive()).error());
    }));
  }
  turn();
  system.kill(ids[4]);
  turn();
  EXPECT_EQ(system.size(), 3u) << "those that trap";
  // 4 was linked to 1 and 3 (and 5 to 2 and 4, 6 to 3 and 5).
  EXPECT_EQ(
      log, (Log{"exit from 5: killed", "exit from 4: killed", "exit from 4: killed", "exit from 6: killed"}));
}

TEST_F(LinkTest, ALongChainDoesNotRecurse) {
  ActorId last = spawn("first", ends_after(kSecond, boom()));
  for (int i = 0; i < 70'000; ++i) last = spawn("a", linked_to(last));
  watch("last", last);
  EXPECT_TRUE(world.run_for(kSecond));
  EXPECT_EQ(log, Log{"last: error IO: boom"});
  EXPECT_EQ(system.size(), 0u);
}

TEST_F(LinkTest, TrappedExitsAreMessages) {
  ActorId trapper = spawn("trapper", logs(log));
  ActorId fails = spawn("fails", ends_after(kSecond, boom()));
  ActorId returns = spawn("returns", ends_after(2 * kSecond, ExitReason::normal()));
  for (ActorId id : {fails, returns}) {
    spawn("joins", [trapper, id](Self& self) -> Task<Result<>> {
      self.trap_exits(true);
      EXPECT_TRUE(self.link(trapper));
      EXPECT_TRUE(self.link(id));
      ASPEN_CO_TRY(auto message, co_await self.receive());
      co_return self.exit(message.reason);
    });
  }
  world.run_for(2 * kSecond);
  EXPECT_EQ(log, (Log{"exit from 4: error IO: boom", "exit from 5: normal"}));
}

TEST_F(LinkTest, OnlyAKillIsNotTrapped) {
  ActorId id = spawn("a", logs(log));
  watch("a", id);
  turn();
  EXPECT_TRUE(system.exit(id, ExitReason::normal()));
  EXPECT_TRUE(system.exit(id, ExitReason::shutdown(), {7}));
  turn();
  EXPECT_EQ(log, (Log{"exit from 0: normal", "exit from 7: shutdown"}));
  system.kill(id);
  turn();
  EXPECT_EQ(log.back(), "a: killed");
}

TEST_F(LinkTest, OneThatStartsTrappedMissesNoExit) {
  ActorId early = spawn("early", logs(log), {.trap_exits = true});
  ActorId late = spawn("late", logs(log));
  watch("late", late);
  EXPECT_TRUE(system.exit(early, boom(), {9}));
  EXPECT_TRUE(system.exit(late, boom(), {9}));
  turn();
  EXPECT_EQ(log, (Log{"exit from 9: error IO: boom", "late: error IO: boom"}));
}

TEST_F(LinkTest, TheKilledOfAnotherCanBeTrapped) {
  ActorId victim = spawn("victim", idle());
  spawn("a", [&, victim](Self& self) -> Task<Result<>> {
    self.trap_exits(true);
    EXPECT_TRUE(self.link(victim));
    ASPEN_CO_TRY(auto message, co_await self.receive());
    log.push_back(text_of(message));
    co_return Result<>();
  });
  turn();
  system.kill(victim);
  turn();
  EXPECT_EQ(log, Log{"exit from 1: killed"});
}

TEST_F(LinkTest, AfterUnlinkNothingComes) {
  ActorId a = spawn("a", ends_after(kSecond, boom()));
  ActorId b = spawn("b", [a](Self& self) -> Task<Result<>> {
    EXPECT_TRUE(self.link(a));
    EXPECT_TRUE(self.link(a)) << "twice is once";
    EXPECT_TRUE(self.unlink(a));
    EXPECT_TRUE(self.unlink(a));
    co_return std::unexpected((co_await self.receive()).error());
  });
  world.run_for(2 * kSecond);
  EXPECT_TRUE(system.alive(b));
}

TEST_F(LinkTest, LinkingOneThatIsGoneEndsWithNoproc) {
  watch("a", spawn("a", linked_to({77})));
  spawn("b", [&](Self& self) -> Task<Result<>> {
    self.trap_exits(true);
    EXPECT_TRUE(self.link({78}));
    ASPEN_CO_TRY(auto message, co_await self.receive());
    log.push_back(text_of(message));
    EXPECT_EQ(self.link(self.id()).error().to_string(), "INVALID_ARGUMENT: actor 2 links itself");
    co_return Result<>();
  });
  turn();
  EXPECT_EQ(log, (Log{"a: noproc", "exit from 78: noproc"}));
}

TEST_F(LinkTest, SpawnLinkLinksBeforeTheFirstTurn) {
  spawn("parent", [&](Self& self) -> Task<Result<>> {
    self.trap_exits(true);
    ASPEN_CO_TRY(ActorId child, self.spawn_link("child", [](Self&) -> Task<Result<>> {
      co_return fail(Code::IO, "at once");
    }));
    ASPEN_CO_TRY(auto message, co_await self.receive({.from = child}));
    log.push_back(text_of(message));
    co_return Result<>();
  });
  turn();
  EXPECT_EQ(log, Log{"exit from 2: error IO: at once"});
}

TEST_F(LinkTest, AChildCannotUnlinkItsSupervisor) {
  spawn("parent", [&](Self& self) -> Task<Result<>> {
    self.trap_exits(true);
    ActorId parent = self.id();
    ASPEN_CO_TRY(ActorId child, self.spawn_child("child", [parent](Self& self) -> Task<Result<>> {
      EXPECT_EQ(self.unlink(parent).error().code, Code::PERMISSION_DENIED);
      self.ready();
      self.ready();  // once
      co_return boom().kind == ExitKind::error ? fail(Code::IO, "boom") : Result<>();
    }));
    for (int i = 0; i < 2; ++i) {
      ASPEN_CO_TRY(auto message, co_await self.receive({.from = child}));
      log.push_back(text_of(message));
    }
    co_return Result<>();
  });
  turn();
  EXPECT_EQ(log, (Log{"ready from 2", "exit from 2: error IO: boom"}));
}

TEST_F(LinkTest, LinksAndMonitorsAreBounded) {
  ActorId hub = spawn("hub", [&](Self& self) -> Task<Result<>> {
    self.trap_exits(true);
    for (size_t i = 0; i < limits::kActorSignalsMax; ++i) EXPECT_TRUE(self.link({1'000'000 + i}));
    Result<> one_more = self.link({1'000'000});
    EXPECT_EQ(
        one_more.error().to_string(),
        "LIMIT_EXCEEDED: actor 1 (hub) has 16384 links, monitors and signals it did not receive; at most "
        "16384");
    EXPECT_FALSE(self.monitor(ActorId{1'000'000}));
    EXPECT_FALSE(self.spawn_link("child", idle()));
    ASPEN_CO_TRY(auto message, co_await self.receive());
    EXPECT_TRUE(self.monitor(ActorId{1'000'000})) << "one was received";
    co_return std::unexpected((co_await self.receive({.kinds = 0})).error());
  });
  ActorId other = spawn("other", [hub](Self& self) -> Task<Result<>> {
    EXPECT_EQ(self.link(hub).error().code, Code::LIMIT_EXCEEDED) << "a link takes room of both";
    EXPECT_TRUE(self.monitor(hub));
    co_return std::unexpected((co_await self.receive()).error());
  });
  turn();
  EXPECT_TRUE(system.alive(hub) && system.alive(other));
}

// ---- monitors

TEST_F(LinkTest, AMonitorDeliversOneDown) {
  ActorId target = spawn("target", ends_after(kSecond, boom()));
  spawn("watcher", [&](Self& self) -> Task<Result<>> {
    ASPEN_CO_TRY(Reference first, self.monitor(target));
    ASPEN_CO_TRY(Reference second, self.monitor(target));
    EXPECT_NE(first, second);
    ASPEN_CO_TRY(auto down, co_await self.receive({.kinds = kDowns, .reference = second}));
    log.push_back(text_of(down));
    ASPEN_CO_TRY(down, co_await self.receive({.kinds = kDowns, .reference = first}));
    log.push_back(text_of(down));
    ASPEN_CO_TRY(auto more, co_await self.receive_for(Match::any(), 10 * kSecond));
    EXPECT_FALSE(more) << "exactly once";
    co_return Result<>();
  });
  world.run_for(20 * kSecond);
  EXPECT_EQ(log, (Log{"down of 1: error IO: boom", "down of 1: error IO: boom"}));
  EXPECT_EQ(system.size(), 0u);
}

TEST_F(LinkTest, AMonitorOfOneThatIsGoneIsToldAtOnce) {
  spawn("watcher", [&](Self& self) -> Task<Result<>> {
    ASPEN_CO_TRY(Reference reference, self.monitor(ActorId{77}));
    ASPEN_CO_TRY(auto down, co_await self.receive_for({.reference = reference}, 0));
    log.push_back(down ? text_of(*down) : "nothing");
    ASPEN_CO_TRY(reference, self.monitor("nobody's name"));
    ASPEN_CO_TRY(down, co_await self.receive_for({.reference = reference}, 0));
    log.push_back(down ? text_of(*down) : "nothing");
    EXPECT_EQ(self.monitor(self.id()).error().code, Code::INVALID_ARGUMENT);
    co_return Result<>();
  });
  turn();
  EXPECT_EQ(log, (Log{"down of 77: noproc", "down of 0: noproc"}));
}

TEST_F(LinkTest, MonitorsDoNotEndTheirWatcher) {
  ActorId target = spawn("target", idle());
  ActorId watcher = spawn("watcher", [target](Self& self) -> Task<Result<>> {
    EXPECT_TRUE(self.monitor(target));
    co_return std::unexpected((co_await self.receive({.kinds = 0})).error());
  });
  turn();
  system.kill(target);
  turn();
  EXPECT_TRUE(system.alive(watcher));
}

TEST_F(LinkTest, DemonitorStopsTheDown) {
  ActorId target = spawn("target", ends_after(kSecond, boom()));
  spawn("watcher", [&, target](Self& self) -> Task<Result<>> {
    ASPEN_CO_TRY(Reference early, self.monitor(target));
    ASPEN_CO_TRY(Reference flushed, self.monitor(target));
    ASPEN_CO_TRY(Reference kept, self.monitor(target));
    EXPECT_TRUE(self.demonitor(early));
    EXPECT_FALSE(self.demonitor(early));
    ASPEN_CO_CHECK(co_await self.cx().sleep(2 * kSecond));
    EXPECT_FALSE(self.demonitor(flushed, Self::Flush::yes)) << "it had come";
    EXPECT_FALSE(self.demonitor(kept));
    ASPEN_CO_TRY(auto down, co_await self.receive_for(Match::any(), 0));
    EXPECT_TRUE(down && down->reference == kept);
    ASPEN_CO_TRY(down, co_await self.receive_for(Match::any(), 0));
    EXPECT_FALSE(down);
    log.push_back("done");
    co_return Result<>();
  });
  world.run_for(3 * kSecond);
  EXPECT_EQ(log, Log{"done"});
}

}  // namespace
}  // namespace aspen::actor

#include "core/rt/session.h"

#include <deque>
#include <map>
#include <set>

#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

using Doubler = Session<int, int>;

struct SessionTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  Doubler session{root, 2};
  std::string log;

  static std::string text(const Result<int>& answer) {
    if (answer) return std::to_string(*answer);
    return fmt::format("{}/{}", answer.error().name(),
                       answer.error().applied == Applied::NO ? "no" : "maybe");
  }
  Join<> caller(std::string name, int ask) {
    return root.spawn("task", [this, name, ask](Cx& cx) -> Task<Result<>> {
      log += name + "=" + text(co_await session.call(cx, ask)) + " ";
      co_return Result<>();
    });
  }
  // Takes the next request; the test answers it.
  std::optional<Doubler::Request> take() {
    std::optional<Doubler::Request> request;
    root.spawn("server", [&](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_TRY(auto next, co_await session.recv(cx));
      if (next) request.emplace(std::move(*next));
      co_return Result<>();
    });
    world.run();
    return request;
  }
  void TearDown() override {
    world.run();
    session.refuse();
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
    EXPECT_EQ(session.in_flight(), 0u);
  }
};

TEST_F(SessionTest, AnswersGoToTheirCallers) {
  caller("a", 1);
  caller("b", 2);
  world.run();
  EXPECT_EQ(session.queued(), 2u);
  auto first = take();
  auto second = take();
  EXPECT_EQ(root.obligation_count(), 2u);
  EXPECT_EQ(second->ask, 2);
  std::move(second->reply).send(4);
  world.run();
  EXPECT_EQ(log, "b=4 ");
  EXPECT_TRUE(first->reply.wanted());
  std::move(first->reply).send(fail(Code::NOT_FOUND, "no such number"));
  world.run();
  EXPECT_EQ(log, "b=4 a=NOT_FOUND/no ");
  EXPECT_EQ(root.obligation_count(), 0u);
  EXPECT_EQ(session.in_flight(), 0u);
}

TEST_F(SessionTest, RequestsAreTakenInTheOrderSent) {
  auto first = session.try_reserve();
  auto second = session.try_reserve();
  auto b = std::move(*second).send(2);
  auto a = std::move(*first).send(1);
  auto earlier = take();
  auto later = take();
  EXPECT_EQ(earlier->ask, 2);
  EXPECT_EQ(later->ask, 1);
  std::move(earlier->reply).send(0);
  std::move(later->reply).send(0);
}

TEST_F(SessionTest, AServerThatWaitsIsHandedTheRequest) {
  std::optional<Doubler::Request> request;
  root.spawn("server", [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_TRY(auto next, co_await session.recv(cx));
    request.emplace(std::move(*next));
    co_return Result<>();
  });
  world.run();
  caller("a", 3);
  world.run();
  ASSERT_TRUE(request);
  std::move(request->reply).send(6);
  world.run();
  EXPECT_EQ(log, "a=6 ");
}

TEST_F(SessionTest, CapacityCountsCallsInFlight) {
  for (const char* name : {"a", "b", "c"}) caller(name, 1);
  world.run();
  EXPECT_EQ(session.in_flight(), 2u);
  EXPECT_EQ(session.queued(), 2u);
  EXPECT_EQ(session.try_reserve().error().code, Code::OVERLOADED);
  auto request = take();
  EXPECT_EQ(session.queued(), 1u);  // it is in flight until it is answered
  std::move(request->reply).send(1);
  world.run();
  EXPECT_EQ(log, "a=1 ");
  EXPECT_EQ(session.queued(), 2u);
}

TEST_F(SessionTest, ADroppedRequestIsAnsweredAndCounted) {
  caller("a", 1);
  caller("b", 1);
  world.run();
  take();  // and let go
  world.run();
  EXPECT_EQ(log, "a=UNAVAILABLE/maybe ");
  EXPECT_EQ(session.dropped(), 1u);
  auto request = take();
  std::move(request->reply).drop();
  world.run();
  EXPECT_EQ(log, "a=UNAVAILABLE/maybe b=UNAVAILABLE/maybe ");
  EXPECT_EQ(session.dropped(), 2u);
}

TEST_F(SessionTest, AServerThatPanicsAnswers) {
  caller("a", 1);
  root.spawn("server", [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_TRY(auto request, co_await session.recv(cx));
    ASPEN_ASSERT(request->ask == 2);
    std::move(request->reply).send(1);
    co_return Result<>();
  });
  world.run();
  EXPECT_EQ(log, "a=UNAVAILABLE/maybe ");
}

TEST_F(SessionTest, AReplyMovesAndIsGivenOnce) {
  caller("a", 1);
  world.run();
  auto request = take();
  Doubler::Reply reply = std::move(request->reply);
  EXPECT_THROW(std::move(request->reply).send(1), Panic);
  std::move(reply).send(2);
  EXPECT_THROW(std::move(reply).drop(), Panic);
  world.run();
  EXPECT_EQ(log, "a=2 ");
  EXPECT_EQ(session.dropped(), 0u);
}

TEST_F(SessionTest, ACallerThatIsCancelledTakesItsRequestBack) {
  auto a = caller("a", 1);
  caller("b", 2);
  auto c = caller("c", 3);
  world.run();
  a.cancel({CancelKind::user, "stop"});
  c.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_NE(log.find("a=CANCELLED/no"), std::string::npos);
  EXPECT_NE(log.find("c=CANCELLED/no"), std::string::npos);
  auto request = take();
  EXPECT_EQ(request->ask, 2);
  std::move(request->reply).send(4);
}

TEST_F(SessionTest, ACallerThatIsCancelledLaterMayHaveBeenServed) {
  auto a = caller("a", 1);
  world.run();
  auto request = take();
  a.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a=CANCELLED/maybe ");
  EXPECT_FALSE(request->reply.wanted());
  EXPECT_EQ(session.in_flight(), 1u);
  std::move(request->reply).send(1);
  EXPECT_EQ(session.in_flight(), 0u);
}

TEST_F(SessionTest, AnAnswerThatIsThereIsKept) {
  auto a = caller("a", 1);
  world.run();
  auto request = take();
  std::move(request->reply).send(2);
  a.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a=2 ");
}

TEST_F(SessionTest, CloseServesWhatIsQueuedAndPermitted) {
  caller("a", 1);
  auto permit = session.try_reserve();
  caller("waits", 2);
  world.run();
  session.close();
  caller("late", 3);
  world.run();
  EXPECT_EQ(log, "waits=UNAVAILABLE/no late=UNAVAILABLE/no ");
  std::move(take()->reply).send(2);
  bool ended = false;
  root.spawn("server", [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_TRY(auto request, co_await session.recv(cx));
    EXPECT_EQ(request->ask, 7);
    std::move(request->reply).send(14);
    ASPEN_CO_TRY(auto end, co_await session.recv(cx));
    ended = !end;
    co_return Result<>();
  });
  world.run();
  EXPECT_FALSE(ended);
  {
    auto call = std::move(*permit).send(7);
  }  // gives the request up
  EXPECT_EQ(session.in_flight(), 1u);  // the server had been handed it
  world.run();
  EXPECT_TRUE(ended);
}

TEST_F(SessionTest, AServerThatGoesRefusesTheRest) {
  caller("a", 1);
  caller("b", 2);
  caller("c", 3);
  world.run();
  auto request = take();
  session.refuse();
  world.run();
  EXPECT_NE(log.find("b=UNAVAILABLE/no"), std::string::npos);
  EXPECT_NE(log.find("c=UNAVAILABLE/no"), std::string::npos);
  std::move(request->reply).send(2);
  world.run();
  EXPECT_NE(log.find("a=2"), std::string::npos);
}

TEST_F(SessionTest, AReplyHoldsTheRegionsClose) {
  caller("a", 1);
  world.run();
  auto request = take();
  root.close([] {});
  world.run();
  EXPECT_NE(root.pending().find("session reply from"), std::string::npos) << root.pending();
  std::move(request->reply).send(2);
  world.run();
  EXPECT_EQ(root.state(), Region::State::closed);
}

// To drop a request is a broken promise, unless it is on purpose or a panic takes it along.
TEST(SessionLedger, AReplyDemandsAWord) {
  TestWorld world;
  int told = 0;
  world.executor.on_panic = [&](const std::string& text) {
    told += text.starts_with("ack session reply, made at") && text.ends_with("is dropped without a word");
  };
  Region root(world.executor, {.broken_promise = BrokenPromise::panic});
  Doubler session(root, 8);
  for (int i = 0; i < 4; ++i) {
    root.spawn("caller", [&, i](Cx& cx) -> Task<Result<>> {
      EXPECT_EQ((co_await session.call(cx, i)).has_value(), i == 3);
      co_return Result<>();
    });
  }
  for (int expected = 0; expected < 4; ++expected) {
    root.spawn("server", [&session, expected](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_TRY(auto request, co_await session.recv(cx));
      EXPECT_EQ(request->ask, expected);
      if (request->ask == 0) std::move(request->reply).drop();
      ASPEN_ASSERT(expected != 1);
      if (request->ask == 3) std::move(request->reply).send(6);
      co_return Result<>();
    });
    world.run();
    EXPECT_EQ(told, expected < 2 ? 0 : 1) << expected;
  }
  EXPECT_EQ(session.dropped(), 3u);
  EXPECT_EQ(root.obligation_count(), 0u);
  root.close([] {});
  world.run();
}

// What was sent before the region closed is still there; there is no ledger for its reply.
TEST(SessionLedger, AClosedRegionAnswersNobody) {
  TestWorld world;
  Region others(world.executor);
  Region root(world.executor);
  Doubler session(root, 1);
  std::optional<Doubler::Call> call(std::move(*session.try_reserve()).send(1));
  root.close([] {});
  EXPECT_EQ(root.state(), RegionState::closed);
  EXPECT_EQ(session.try_reserve().error().code, Code::UNAVAILABLE);
  others.spawn("server", [&](Cx& cx) -> Task<Result<>> {
    auto request = co_await session.recv(cx);
    EXPECT_EQ(request.error().code, Code::UNAVAILABLE);
    co_return Result<>();
  });
  others.close([] {});
  world.run();
  call.reset();
}

TEST(SessionDeathTest, ItOutlivesItsCalls) {
  EXPECT_DEATH(
      {
        TestWorld world;
        Region root(world.executor);
        std::optional<Doubler> session(std::in_place, root, 1);
        auto permit = session->try_reserve();
        session.reset();
      },
      "");
}

// Callers and servers that come, go and are cancelled at random: a request is taken once at most, and every
// call ends once, as it must.
struct SessionGame {
  explicit SessionGame(uint32_t seed) : random(seed) {}
  std::minstd_rand random;
  TestWorld world;
  Region root{world.executor};
  Doubler session{root, random() % 4 + 1};
  int last_id = 0;
  std::set<int> answered, dropped;
  std::map<int, Join<>> callers, servers;
  std::map<int, Doubler::Reply> replies;

  void start_caller() {
    int id = ++last_id;
    callers.emplace(id, root.spawn("caller", [this, id](Cx& cx) -> Task<Result<>> {
      auto answer = co_await session.call(cx, id);
      if (answer) {
        EXPECT_EQ(*answer, 2 * id);
      } else if (answer.error().code == Code::UNAVAILABLE) {
        EXPECT_TRUE(dropped.contains(id));
        EXPECT_EQ(answer.error().applied, Applied::MAYBE);
      } else {
        EXPECT_EQ(answer.error().code, Code::CANCELLED);
        (answer.error().applied == Applied::MAYBE ? maybe_applied : not_applied).insert(id);
      }
      EXPECT_EQ(answer.has_value(), answered.contains(id) && !gave_up.contains(id));
      callers.erase(id);
      co_return Result<>();
    }));
  }
  void start_server() {
    int id = ++last_id;
    servers.emplace(id, root.spawn("server", [this, id](Cx& cx) -> Task<Result<>> {
      auto request = co_await session.recv(cx);
      if (request && *request) {
        int ask = (*request)->ask;
        EXPECT_TRUE(taken.insert(ask).second) << ask << " was taken twice";
        replies.emplace(ask, std::move((*request)->reply));
      }
      servers.erase(id);
      co_return Result<>();
    }));
  }
  void end_reply() {
    auto it = std::next(replies.begin(), random() % replies.size());
    auto [id, reply] = std::move(*it);
    replies.erase(it);
    if (!reply.wanted()) gave_up.insert(id);
    if (random() % 4 == 0) {
      dropped.insert(id);
      std::move(reply).drop();
    } else {
      answered.insert(id);
      std::move(reply).send(2 * id);
    }
  }
  void cancel(std::map<int, Join<>>& of) {
    if (of.empty()) return;
    std::next(of.begin(), random() % of.size())->second.cancel({CancelKind::user, "a move"});
    // So that a model of who was cancelled before what is not needed.
    world.turn_all();
  }
  void move() {
    uint32_t kind = random() % 12;
    if (kind < 4) return start_caller();
    if (kind < 7) return start_server();
    if (kind < 10 && !replies.empty()) return end_reply();
    cancel(kind == 10 ? callers : servers);
  }
  void play() {
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
      move();
      EXPECT_LE(session.in_flight(), 4u);
      if (random() % 2 == 0) world.executor.turn();
    }
    world.turn_all();
    while (!callers.empty() || !replies.empty()) {
      if (servers.empty()) start_server();
      world.turn_all();
      if (!replies.empty()) end_reply();
      world.turn_all();
      if (testing::Test::HasFailure()) break;
    }
    session.close();
    root.close([] {});
    world.run();
    EXPECT_TRUE(servers.empty());
    EXPECT_EQ(session.in_flight(), 0u);
    EXPECT_EQ(session.dropped(), dropped.size());
    for (int id : maybe_applied) EXPECT_TRUE(taken.contains(id)) << id;
    for (int id : not_applied) EXPECT_FALSE(taken.contains(id)) << id;
  }
  std::set<int> taken, gave_up, maybe_applied, not_applied;
};

TEST(Session, EveryCallEndsOnceInAnyOrder) {
  for (uint32_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    SessionGame(seed).play();
  }
}

struct SessionWorkload : InjectedWorkload {
  Doubler session{root, 2};
  int answered = 0;
  int callers = 3;

  void start() override {
    for (int i = 0; i < 3; ++i) {
      part("caller", [this, i](Cx& cx) -> Task<Result<>> {
        auto answer = co_await session.call(cx, i);
        if (answer) {
          EXPECT_EQ(*answer, 2 * i);
          ++answered;
        }
        if (--callers == 0) session.close();
        co_return Result<>();
      });
    }
    part("server", [this](Cx& cx) -> Task<Result<>> {
      auto served = co_await serve(cx);
      session.refuse();
      co_return served;
    });
  }
  Task<Result<>> serve(Cx& cx) {
    for (;;) {
      ASPEN_CO_TRY(auto request, co_await session.recv(cx));
      if (!request) co_return Result<>();
      if (auto slept = co_await cx.sleep(1); !slept) {
        std::move(request->reply).drop();
        co_return slept;
      }
      std::move(request->reply).send(2 * request->ask);
    }
  }
  void check(bool cancelled) override {
    EXPECT_EQ(session.in_flight(), 0u);
    EXPECT_EQ(root.obligation_count(), 0u);
    if (!cancelled) EXPECT_EQ(answered, 3);
  }
};

TEST(Session, CancelledAnywhereEveryCallEnds) {
  EXPECT_GT(inject_cancels<SessionWorkload>().runs, 20);
}

}  // namespace
}  // namespace aspen::rt

#include "core/actor/supervisor.h"

#include <random>

#include "core/actor/test_actors.h"

namespace aspen::actor {
namespace {

struct SupervisorTest : ActorTest {
  // Says when it starts and ends, can be found by its name, and ends when it is told to.
  auto worker(std::string name) {
    return [this, name](Self& self) -> Task<Result<>> {
      ASPEN_CO_CHECK(self.system().register_name(name, self.id()));
      log.push_back(name + " starts");
      auto message = co_await self.receive();
      log.push_back(name + " ends");
      if (!message) co_return std::unexpected(message.error());
      co_return fail(Code::IO, "{}", message->body);
    };
  }
  ChildSpec child(std::string name, ChildPolicy policy = {}) {
    policy.id = name;
    return {.policy = std::move(policy), .body = worker(std::move(name))};
  }
  SupervisorSpec spec(Strategy strategy, std::vector<std::string> names) {
    SupervisorSpec spec{.options = {.strategy = strategy, .backoff = {.first = 0, .max = 0}}};
    for (std::string& name : names) spec.children.push_back(child(std::move(name)));
    return spec;
  }
  ActorId start(SupervisorSpec spec, std::string label = "root") {
    ActorId id = spawn(label, supervisor(std::move(spec)));
    watch(label, id);
    turn();
    return id;
  }
  ActorId at(std::string_view name) { return system.whereis(name); }
  void crash(std::string_view name) {
    EXPECT_TRUE(system.send(at(name), {.body = "boom"}));
    turn();
  }
  Log take_log() { return std::exchange(log, {}); }
};

// The story: a worker is killed, and comes back under its name before anybody has to care.
TEST_F(SupervisorTest, AKilledWorkerIsRestarted) {
  start({.children = {child("worker")}});
  ActorId first = at("worker");
  EXPECT_TRUE(system.alive(first));

  system.kill(first);
  turn();
  EXPECT_FALSE(system.alive(first));
  EXPECT_EQ(at("worker"), ActorId()) << "it waits for its back-off";

  world.run_for(10 * kMillisecond);
  EXPECT_TRUE(system.alive(at("worker")));
  EXPECT_NE(at("worker"), first) << "an id is never used again";
  EXPECT_EQ(log, (Log{"worker starts", "worker ends", "worker starts"}));
}

TEST_F(SupervisorTest, StartsInOrderAndEndsInReverse) {
  start(spec(Strategy::one_for_one, {"a", "b", "c"}));
  EXPECT_EQ(take_log(), (Log{"a starts", "b starts", "c starts"}));
  close();
  EXPECT_EQ(log, (Log{"c ends", "b ends", "a ends", "root: shutdown"}));
}

TEST_F(SupervisorTest, TheStrategiesRestartWhatTheySay) {
  start(spec(Strategy::one_for_one, {"a", "b", "c"}), "one_for_one");
  start(spec(Strategy::one_for_all, {"d", "e", "f"}), "one_for_all");
  start(spec(Strategy::rest_for_one, {"g", "h", "i"}), "rest_for_one");
  take_log();
  crash("b");
  EXPECT_EQ(take_log(), (Log{"b ends", "b starts"}));
  crash("e");
  EXPECT_EQ(take_log(), (Log{"e ends", "f ends", "d ends", "d starts", "e starts", "f starts"}));
  crash("h");
  EXPECT_EQ(take_log(), (Log{"h ends", "i ends", "h starts", "i starts"}));
}

TEST_F(SupervisorTest, GivesUpUpwardsWithAReason) {
  start({.options = {.backoff = {.first = 0, .max = 0}},
         .children = {child("first"), nested("inner", spec(Strategy::one_for_one, {"a", "b"}))}});
  for (int i = 0; i < 3; ++i) crash("a");
  take_log();
  crash("a");
  EXPECT_EQ(log, (Log{"a ends", "b ends", "a starts", "b starts"})) << "the inner supervisor was restarted";
  for (int i = 0; i < 11; ++i) crash("a");
  take_log();
  crash("a");
  EXPECT_EQ(
      log,
      (Log{"a ends", "b ends", "first ends",
           "root: error LIMIT_EXCEEDED: 4 restarts within 5000 ms, at most 3; the last of child inner: error "
           "LIMIT_EXCEEDED: 4 restarts within 5000 ms, at most 3; the last of child a: error IO: boom"}));
  EXPECT_EQ(system.size(), 0u);
}

TEST_F(SupervisorTest, ANestedSupervisorIsStartedBeforeTheNext) {
  auto slow = [this](Self& self) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await self.cx().sleep(kSecond));
    log.push_back("slow is ready");
    self.ready();
    co_return std::unexpected((co_await self.receive()).error());
  };
  start({.children = {
             nested("inner", {.children = {{.policy = {.id = "slow", .reports_ready = true}, .body = slow},
                                           child("a")}}),
             child("b")}});
  EXPECT_EQ(log, Log{});
  world.run_for(kSecond);
  EXPECT_EQ(log, (Log{"slow is ready", "a starts", "b starts"}));
  take_log();
  close();
  EXPECT_EQ(log, (Log{"b ends", "a ends", "root: shutdown"}));
}

TEST_F(SupervisorTest, AFailedStartEndsTheEarlierOnes) {
  ChildSpec bad{.policy = {.id = "bad", .reports_ready = true},
                .body = [](Self&) -> Task<Result<>> { co_return fail(Code::IO, "no disk"); }};
  start({.children = {child("a"), child("b"), bad, child("c")}});
  EXPECT_EQ(log, (Log{"a starts", "b starts", "b ends", "a ends",
                      "root: error UNAVAILABLE: child bad failed to start: error IO: no disk"}));
}

TEST_F(SupervisorTest, WhatIsWrongWithASpecIsTheReason) {
  start({.children = {child("a"), child("a")}});
  EXPECT_EQ(log, Log{"root: error INVALID_ARGUMENT: two children are a"});
}

TEST_F(SupervisorTest, AChildThatDoesNotEndIsKilled) {
  auto deaf = [this](Self& self) -> Task<Result<>> {
    self.trap_exits(true);
    auto slept = co_await self.cx().sleep(3600 * kSecond);
    log.push_back("deaf: " + slept.error().message);
    co_return slept;
  };
  ActorId root = start({.children = {child("a"), {.policy = {.id = "deaf"}, .body = deaf}}});
  take_log();
  EXPECT_TRUE(system.exit(root, ExitReason::shutdown()));
  world.run_for(5 * kSecond - 1);
  EXPECT_EQ(log, Log{});
  world.run_for(1);
  EXPECT_EQ(log, (Log{"deaf: actor 3 was told to exit: killed", "a ends", "root: shutdown"}));
}

TEST_F(SupervisorTest, AKilledSupervisorLeavesNobodyBehind) {
  auto deaf = [](Self& self) -> Task<Result<>> {
    self.trap_exits(true);
    co_return co_await self.cx().sleep(3600 * kSecond);
  };
  ActorId root = start(
      {.children = {
           child("a"), {.policy = {.id = "deaf", .shutdown_timeout = kNever}, .body = deaf}, child("b")}});
  take_log();
  system.kill(root);
  turn();
  EXPECT_EQ(log, (Log{"b ends", "a ends", "root: killed"}));
  EXPECT_EQ(system.size(), 0u);
}

TEST_F(SupervisorTest, OneThatIsOutOfTimeKillsTheRest) {
  auto slow = [this](std::string name) {
    return [this, name](Self& self) -> Task<Result<>> {
      EXPECT_FALSE(co_await self.receive());
      log.push_back(name + " drains");
      Cx::Mask mask(self.cx());
      (void)co_await self.cx().sleep(3600 * kSecond);  // cut short by the budget
      log.push_back(name + " ends");
      co_return Result<>();
    };
  };
  ActorId root = start(
      {.children = {{.policy = {.id = "a"}, .body = slow("a")}, {.policy = {.id = "b"}, .body = slow("b")}}});
  system.kill(root);
  turn();
  EXPECT_EQ(log, Log{"b drains"});
  world.run_for(limits::kCleanupRequestTime);
  EXPECT_EQ(log, (Log{"b drains", "b ends", "a drains", "root: killed"}));
  world.run_for(limits::kCleanupRequestTime);
  EXPECT_EQ(log.back(), "a ends");
  EXPECT_EQ(system.size(), 0u);
}

TEST_F(SupervisorTest, EndsWithWhomItIsLinkedTo) {
  spawn("owner", [this](Self& self) -> Task<Result<>> {
    ASPEN_CO_TRY(ActorId id, self.spawn_link("root", supervisor(spec(Strategy::one_for_one, {"a"}))));
    watch("root", id);
    ASPEN_CO_CHECK(co_await self.cx().sleep(kSecond));
    co_return fail(Code::IO, "boom");
  });
  world.run_for(kSecond);
  EXPECT_EQ(log, (Log{"a starts", "a ends", "root: error IO: boom"}));
}

TEST_F(SupervisorTest, ChildrenComeAndGo) {
  Supervisor root(system, start(spec(Strategy::one_for_one, {"a"})));
  task([&, root](Cx& cx) mutable -> Task<Result<>> {
    ASPEN_CO_TRY(ActorId b, co_await root.start_child(cx, child("b")));
    EXPECT_EQ(b, at("b"));
    EXPECT_EQ((co_await root.start_child(cx, child("b"))).error().to_string(),
              "ALREADY_EXISTS: the supervisor has a child b");
    ASPEN_CO_TRY(auto list, co_await root.list(cx));
    EXPECT_EQ(list.size(), 2u);
    EXPECT_EQ(list[1].status.id, "b");
    EXPECT_EQ(list[1].actor, b);
    EXPECT_EQ(list[1].status.state, ChildStatus::State::up);

    EXPECT_EQ((co_await root.delete_child(cx, "b")).error().code, Code::IN_USE);
    EXPECT_EQ((co_await root.restart_child(cx, "b")).error().code, Code::ALREADY_EXISTS);
    ASPEN_CO_CHECK(co_await root.terminate_child(cx, "b"));
    EXPECT_FALSE(system.alive(b)) << "answered when it is gone";
    ASPEN_CO_TRY(ActorId again, co_await root.restart_child(cx, "b"));
    EXPECT_GT(again, b);
    ASPEN_CO_CHECK(co_await root.terminate_child(cx, "b"));
    ASPEN_CO_CHECK(co_await root.delete_child(cx, "b"));
    EXPECT_EQ((co_await root.terminate_child(cx, "b")).error().to_string(),
              "NOT_FOUND: the supervisor has no child b");

    ChildSpec bad{.policy = {.id = "bad", .reports_ready = true},
                  .body = [](Self&) -> Task<Result<>> { co_return fail(Code::IO, "no disk"); }};
    EXPECT_EQ((co_await root.start_child(cx, bad)).error().to_string(),
              "UNAVAILABLE: child bad failed to start: error IO: no disk");
    ASPEN_CO_TRY(list, co_await root.list(cx));
    EXPECT_EQ(list.size(), 1u);
    co_return Result<>();
  });
  turn();
  EXPECT_EQ(log, (Log{"a starts", "b starts", "b ends", "b starts", "b ends"}));
}

TEST_F(SupervisorTest, OthersRequestsAreRefused) {
  ActorId root = start(spec(Strategy::one_for_one, {"a"}));
  task([&](Cx& cx) -> Task<Result<>> {
    EXPECT_EQ((co_await system.call(cx, root, {})).error().code, Code::INVALID_ARGUMENT);
    EXPECT_TRUE(system.send(root, {.tag = 7}));
    ASPEN_CO_TRY(auto list, co_await Supervisor(system, root).list(cx));
    EXPECT_EQ(list.size(), 1u);
    ActorId none = spawn("none", [](Self& self) -> Task<Result<>> {
      ASPEN_CO_TRY(auto call, co_await self.receive());
      std::move(call.reply).send({});
      co_return Result<>();
    });
    EXPECT_EQ((co_await Supervisor(system, none).list(cx)).error().to_string(),
              "INVALID_ARGUMENT: actor 3 is no supervisor");
    co_return Result<>();
  });
  turn();
}

// A request is cancelled at every turn: the supervisor goes on, and the child is either there or not.
TEST_F(SupervisorTest, ACancelledRequestLeavesTheSupervisorWhole) {
  ActorId root = start(spec(Strategy::one_for_one, {"a"}));
  for (int point = 0; point < 10; ++point) {
    std::string name = fmt::format("child{}", point);
    auto join = task([&, root, name](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_CHECK(co_await Supervisor(system, root).start_child(cx, child(name)));
      co_return Result<>();
    });
    for (int step = 0; step < point; ++step) world.executor.turn();
    join.cancel({rt::CancelKind::user, "stop"});
    turn();
    task([&, root](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_TRY(auto list, co_await Supervisor(system, root).list(cx));
      for (const ChildInfo& info : list) EXPECT_EQ(info.status.state, ChildStatus::State::up);
      for (const ChildInfo& info : list) EXPECT_TRUE(system.alive(info.actor));
      co_return Result<>();
    });
    turn();
  }
}

// Trees with random strategies, whose workers and supervisors are killed at random times. Once that ends, all
// of them are back, in their order; and they end in the reverse of it.
TEST_F(SupervisorTest, TreesHealFromRandomCrashes) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::minstd_rand random(seed);
    rt::TestWorld world;
    rt::Region region(world.executor);
    System system(region);
    std::map<std::string, std::vector<std::string>> running;  // by supervisor, in the order of their starts
    std::vector<std::string> ended;
    auto member = [&](std::string group, std::string name) {
      return [&, group, name](Self& self) -> Task<Result<>> {
        EXPECT_TRUE(self.system().register_name(name, self.id())) << "the one before it is gone";
        running[group].push_back(name);
        auto message = co_await self.receive();
        std::erase(running[group], name);
        ended.push_back(name);
        co_return std::unexpected(message.error());
      };
    };
    SupervisorSpec root{.options = {.restarts_max = 1000}};
    std::vector<std::string> names;
    std::map<std::string, std::vector<std::string>> order;
    std::map<std::string, Strategy> strategies;
    for (int i = 0; i < 3; ++i) {
      std::string group = fmt::format("group{}", i);
      strategies[group] = static_cast<Strategy>(random() % 3);
      SupervisorSpec spec{.options = {.strategy = strategies[group],
                                      .restarts_max = 2 + static_cast<uint32_t>(random() % 3)}};
      for (int j = 0; j < 4; ++j) {
        std::string name = fmt::format("{}/{}", group, j);
        names.push_back(name);
        order[group].push_back(name);
        spec.children.push_back({.policy = {.id = name}, .body = member(group, name)});
      }
      root.children.push_back(nested(group, spec));
    }
    ActorId id = *system.spawn("root", supervisor(root));
    for (int crash = 0; crash < 60; ++crash) {
      EXPECT_TRUE(world.run_for(static_cast<DurationNs>(random() % 300) * kMillisecond));
      system.kill(random() % 10 == 0 ? ActorId{2 + random() % 3}
                                     : system.whereis(names[random() % names.size()]));
    }
    EXPECT_TRUE(world.run_for(3600 * kSecond));
    EXPECT_TRUE(system.alive(id));
    EXPECT_EQ(system.size(), 1 + 3 + names.size());
    for (const auto& [group, members] : order) {
      auto sorted = running[group];
      std::ranges::sort(sorted);
      EXPECT_EQ(sorted, members);
      if (strategies[group] != Strategy::one_for_one)
        EXPECT_EQ(running[group], members) << "started in order";
    }
    ended.clear();
    bool closed = false;
    world.executor.read_clock();
    system.close([] {});
    region.close([&] { closed = true; });
    EXPECT_TRUE(world.run());
    ASSERT_TRUE(closed) << region.pending();
    EXPECT_EQ(ended, (std::vector<std::string>(names.rbegin(), names.rend())))
        << "in the reverse of the order";
  }
}

}  // namespace
}  // namespace aspen::actor

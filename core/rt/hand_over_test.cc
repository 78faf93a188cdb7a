// What becomes of the ledger when one task hands something to another that waits for it: a permit, a lock, a
// lease, a request.
#include <map>

#include "core/rt/channel.h"
#include "core/rt/mutex.h"
#include "core/rt/observer.h"
#include "core/rt/pool.h"
#include "core/rt/rwlock.h"
#include "core/rt/session.h"
#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

// Notes whose each obligation is.
struct Owners final : Observer {
  void task_spawned(const TaskBase& task) override { names[task.id()] = task.name(); }
  void obligation_made(const Obligation& obligation) override {
    story.push_back(fmt::format("{} {} of {}", to_string(obligation.kind()), obligation.name(),
                                names[obligation.made_by()]));
  }
  std::map<uint64_t, std::string> names;
  std::vector<std::string> story;
};

struct HandOverTest : testing::Test {
  HandOverTest() { world.executor.observer = &owners; }
  void open(size_t obligations_max) {
    root.emplace(world.executor, RegionOptions{.name = "root", .obligations_max = obligations_max});
  }
  // One task gets something, another waits for it and gets it when the first lets go.
  template <typename Acquire>
  void pass_on(Acquire acquire) {
    owners.story.clear();
    log.clear();
    for (const char* name : {"holder", "waiter"}) {
      root->spawn(name, [this, name, acquire](Cx& cx) -> Task<Result<>> {
        auto got = co_await acquire(cx);
        log += fmt::format("{}:{} ", name, got ? "ok" : got.error().name());
        co_return co_await cx.sleep(1);
      });
    }
    world.run();
    EXPECT_EQ(log, "holder:ok waiter:ok ");
    EXPECT_EQ(root->obligation_count(), 0u);
  }
  void expect_passed(const std::string& what) {
    EXPECT_EQ(owners.story, (std::vector<std::string>{what + " of holder", what + " of waiter"}));
  }
  void TearDown() override {
    root->close([] {});
    world.run();
    EXPECT_EQ(root->state(), RegionState::closed) << root->pending();
  }

  Owners owners;
  TestWorld world;
  std::optional<Region> root;
  std::string log;
};

// And the region has room for no more than one of it.
TEST_F(HandOverTest, WhatAWaiterGetsIsItsOwnAndTakesTheOthersPlace) {
  open(1);
  Semaphore semaphore(*root, 1);
  pass_on([&](Cx& cx) { return semaphore.acquire(cx); });
  expect_passed("permit semaphore");
  Mutex mutex(*root);
  pass_on([&](Cx& cx) { return mutex.lock(cx); });
  expect_passed("permit mutex");
  RwLock lock(*root);
  pass_on([&](Cx& cx) { return lock.write(cx); });
  expect_passed("permit read-write lock");
  Channel<int> channel(*root, 1);
  pass_on([&](Cx& cx) { return channel.reserve(cx); });
  expect_passed("permit channel permit");
  Session<int, int> session(*root, 1);
  pass_on([&](Cx& cx) { return session.reserve(cx); });
  expect_passed("permit session permit");
  Pool<int> pool(*root, {.make = [](Cx&) -> Task<Result<int>> { co_return 1; }});
  pass_on([&](Cx& cx) { return pool.acquire(cx); });
  expect_passed("lease pool");
}

TEST_F(HandOverTest, ARequestIsItsServers) {
  open(1);
  Session<int, int> session(*root, 1);
  root->spawn("server", [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_TRY(auto request, co_await session.recv(cx));
    ASPEN_CO_CHECK(co_await cx.sleep(1));
    std::move(request->reply).send(2 * request->ask);
    co_return Result<>();
  });
  world.run();
  root->spawn("caller", [&](Cx& cx) -> Task<Result<>> {
    EXPECT_EQ(*co_await session.call(cx, 4), 8);
    co_return Result<>();
  });
  world.run();
  EXPECT_EQ(owners.story,
            (std::vector<std::string>{"permit session permit of caller", "ack session reply of server"}));
}

// There is a place for who waits, and none in the ledger for its permit: it is told, and takes nothing.
TEST_F(HandOverTest, AFullLedgerRefuses) {
  open(2);
  std::optional<Obligation> full(std::in_place, *root, "the other place");
  Semaphore semaphore(*root, 2);
  Channel<int> channel(*root, 1);
  auto wait = [&](auto acquire) {
    root->spawn("waiter", [this, acquire](Cx& cx) -> Task<Result<>> {
      auto got = co_await acquire(cx);
      log += got ? "ok " : fmt::format("{} ", got.error().name());
      if (!got) EXPECT_NE(got.error().message.find("obligations_max"), std::string::npos);
      co_return co_await cx.sleep(1);
    });
  };
  {
    auto both = semaphore.try_acquire(2);
    EXPECT_EQ(semaphore.try_acquire().error().code, Code::OVERLOADED);
    for (int i = 0; i < 2; ++i) wait([&](Cx& cx) { return semaphore.acquire(cx); });
    world.run();
  }
  world.run();
  EXPECT_EQ(log, "ok OVERLOADED ");
  EXPECT_EQ(semaphore.available(), 2u);

  log.clear();
  std::move(*channel.try_reserve()).send(7);
  wait([&](Cx& cx) { return channel.reserve(cx); });
  world.run();
  std::optional<Obligation> fuller(std::in_place, *root, "the last place");
  EXPECT_EQ(channel.try_recv(), 7);
  EXPECT_EQ(channel.try_reserve().error().code, Code::OVERLOADED);
  world.run();
  EXPECT_EQ(log, "OVERLOADED ");
  fuller.reset();
  EXPECT_TRUE(channel.try_reserve());
}

TEST_F(HandOverTest, WithAFullLedgerRequestsStayQueued) {
  open(1);
  Session<int, int> session(*root, 2);
  auto call = std::move(*session.try_reserve()).send(1);
  std::optional<Obligation> full(std::in_place, *root, "the only place");
  EXPECT_EQ(session.try_reserve().error().code, Code::OVERLOADED);
  auto serve = [&](Cx& cx) -> Task<Result<>> {
    auto request = co_await session.recv(cx);
    log += request ? "ok " : fmt::format("{} ", request.error().name());
    if (request) std::move((*request)->reply).send(2);
    co_return Result<>();
  };
  root->spawn("server", serve);
  world.run();
  full.reset();
  root->spawn("server", serve);
  world.run();
  EXPECT_EQ(log, "OVERLOADED ok ");
}

TEST(ClosedRegion, GivesOutNothing) {
  TestWorld world;
  Region root(world.executor);
  Semaphore semaphore(root, 1);
  root.close([] {});
  EXPECT_EQ(semaphore.try_acquire().error().code, Code::UNAVAILABLE);
  EXPECT_EQ(Obligation::make(root, ObligationKind::io, "read").error().code, Code::UNAVAILABLE);
}

}  // namespace
}  // namespace aspen::rt

#include "core/rt/cx.h"

#include "core/rt/event.h"
#include "core/rt/oneshot.h"
#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

TEST(Cx, SleepTakesItsTime) {
  TestWorld world;
  TimeNs begin = world.env.time;
  auto outcome = run_task(world, [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await cx.sleep(5 * kSecond));
    EXPECT_EQ(cx.now(), begin + 5 * kSecond);
    ASPEN_CO_CHECK(co_await cx.sleep_until(begin + 7 * kSecond));
    EXPECT_EQ(cx.now(), begin + 7 * kSecond);
    ASPEN_CO_CHECK(co_await cx.sleep_until(begin));  // long past
    ASPEN_CO_CHECK(co_await cx.sleep(-1));
    EXPECT_EQ(cx.now(), begin + 7 * kSecond);
    co_return Result<>();
  });
  EXPECT_TRUE(outcome.ok());
}

TEST(Cx, AnEndlessLoopOfSleepsLetsTurnsEnd) {
  TestWorld world;
  Region root(world.executor);
  int rounds = 0;
  auto join = root.spawn("loop", [&](Cx& cx) -> Task<Result<>> {
    for (;;) {
      ASPEN_CO_CHECK(co_await cx.sleep(0));
      ++rounds;
    }
  });
  for (int i = 0; i < 10; ++i) world.executor.turn();
  EXPECT_GT(rounds, 3);
  EXPECT_LE(rounds, 10);
  join.cancel({CancelKind::user, "enough"});
  root.close([] {});
  world.run();
}

TEST(Cx, CancelEndsASleep) {
  TestWorld world;
  TimeNs begin = world.env.time;
  Region root(world.executor);
  auto join = root.spawn("sleeper", [](Cx& cx) -> Task<Result<>> {
    auto slept = co_await cx.sleep(kNever);
    EXPECT_FALSE(slept);
    EXPECT_TRUE(cx.cancelled());
    EXPECT_FALSE(cx.checkpoint());
    EXPECT_FALSE(co_await cx.sleep(kSecond)) << "every later wait fails too";
    co_return slept;
  });
  std::optional<Outcome<>> outcome;
  join.then([&](Outcome<> o) { outcome = std::move(o); });
  world.run_for(kSecond);
  EXPECT_FALSE(outcome);
  join.cancel({CancelKind::user, "stop"});
  world.turn_all();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->severity(), Severity::cancelled);
  EXPECT_EQ(outcome->result().error().code, Code::CANCELLED);
  EXPECT_EQ(outcome->result().error().message, "stop");
  EXPECT_EQ(world.env.time, begin + kSecond);
  EXPECT_EQ(world.executor.next_timer(), kNever);
  root.close([] {});
}

// Cancel and the end of the wait in one turn, in both orders.
TEST(Cx, ASatisfiedWaitKeepsItsValue) {
  for (bool cancel_first : {false, true}) {
    TestWorld world;
    Region root(world.executor);
    Result<> slept;
    bool cancelled = false;
    auto join = root.spawn("sleeper", [&](Cx& cx) -> Task<Result<>> {
      slept = co_await cx.sleep(kSecond);
      cancelled = cx.cancelled();
      co_return Result<>();
    });
    Timer canceller(world.executor, [&] { join.cancel({CancelKind::user, "stop"}); });
    TimeNs at = world.env.time + kSecond;
    if (cancel_first) canceller.arm(at);
    world.turn_all();
    if (!cancel_first) canceller.arm(at);
    world.run();
    EXPECT_EQ(slept.has_value(), !cancel_first);
    EXPECT_TRUE(cancelled);
    root.close([] {});
  }
}

TEST(Cx, AnUncancelledTaskPassesItsCheckpoints) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<>> {
    EXPECT_FALSE(cx.cancelled());
    EXPECT_EQ(cx.deadline(), kNever);
    EXPECT_EQ(cx.region().task_count(), 1u);
    co_return cx.checkpoint();
  });
  EXPECT_TRUE(outcome.ok());
}

// Two waits of one task at a time: the lambda below uses the Cx of the task around it.
TEST(Cx, WaitingTwiceAtOncePanics) {
  TestWorld world;
  Region root(world.executor);
  Cx* stolen = nullptr;
  std::optional<Outcome<>> outcome;
  auto owner = root.spawn("owner", [&](Cx& cx) -> Task<Result<>> {
    stolen = &cx;
    co_return co_await cx.sleep(kSecond);
  });
  root.spawn("thief", [&](Cx&) -> Task<Result<>> { co_return co_await stolen->sleep(kSecond); })
      .then([&](Outcome<> o) { outcome = std::move(o); });
  world.run();
  EXPECT_EQ(outcome->severity(), Severity::panicked);
  EXPECT_TRUE(owner.done());
  root.close([] {});
}

// Which lane a task goes on in. Each writes its name when it does.
struct TaskLanes : testing::Test {
  ~TaskLanes() override {
    root.close([] {});
    EXPECT_TRUE(world.run());
  }
  auto waits(const char* name) {
    return [this, name](Cx& cx) -> Task<Result<>> {
      auto woken = co_await event.wait(cx);
      log.push_back(name);
      co_return woken;
    };
  }
  auto starts(const char* name) {
    return [this, name](Cx&) -> Task<Result<>> {
      log.push_back(name);
      co_return Result<>();
    };
  }
  TimeNs in(int seconds) const { return world.env.time + seconds * kSecond; }

  TestWorld world;
  Event event;
  std::vector<std::string> log;
  Region root{world.executor};
};

TEST_F(TaskLanes, ACancelledTaskGoesBeforeAThousandReadyOnes) {
  auto stopped = root.spawn("stopped", waits("stopped"));
  world.turn_all();
  for (int i = 0; i < 1000; ++i) root.spawn("ready", starts("ready"));
  stopped.cancel({CancelKind::user, "stop"});
  world.turn_all();
  ASSERT_EQ(log.size(), 1001u);
  EXPECT_EQ(log.front(), "stopped");
}

TEST_F(TaskLanes, TasksGoOnByTheirDeadlines) {
  // One turn each, so that they wait in another order than that of their deadlines.
  root.spawn("none", waits("none"));
  world.turn_all();
  for (auto [name, seconds] : {std::pair("third", 30), std::pair("first", 10), std::pair("second", 20)}) {
    root.spawn(name, waits(name), in(seconds));
    world.turn_all();
  }
  event.set();
  world.turn_all();
  EXPECT_EQ(log, (std::vector<std::string>{"first", "second", "third", "none"}));
}

TEST_F(TaskLanes, TasksStartByTheirDeadlines) {
  root.spawn("none", starts("none"));
  root.spawn("third", starts("third"), in(30));
  root.spawn("first", starts("first"), in(10));
  root.spawn("second", starts("second"), in(20));
  world.turn_all();
  EXPECT_EQ(log, (std::vector<std::string>{"first", "second", "third", "none"}));
}

}  // namespace
}  // namespace aspen::rt

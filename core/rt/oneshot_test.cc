#include "core/rt/oneshot.h"

#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct OneshotTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  Oneshot<int> oneshot;
  std::optional<Outcome<int>> outcome;
  Join<int> join;

  void start() {
    join = root.spawn("waiter", [&](Cx& cx) -> Task<Result<int>> { co_return co_await oneshot.recv(cx); });
    join.then([&](Outcome<int> o) { outcome = std::move(o); });
  }
  void TearDown() override {
    root.close([] {});
    world.run();
  }
};

TEST_F(OneshotTest, ValueBeforeTheWait) {
  oneshot.set(1);
  oneshot.set(2);  // the first counts
  EXPECT_TRUE(oneshot.has_value());
  start();
  world.run();
  EXPECT_EQ(*outcome->result(), 1);
}

TEST_F(OneshotTest, ValueDuringTheWait) {
  start();
  world.run();
  EXPECT_FALSE(outcome);
  oneshot.set(1);
  world.run();
  EXPECT_EQ(*outcome->result(), 1);
}

TEST_F(OneshotTest, ValueThenCancelKeepsTheValue) {
  start();
  world.run();
  oneshot.set(1);
  join.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(*outcome->result(), 1);
}

TEST_F(OneshotTest, CancelThenValueBeforeItResumesKeepsTheValueToo) {
  start();
  world.run();
  join.cancel({CancelKind::user, "stop"});
  oneshot.set(1);
  world.run();
  EXPECT_EQ(*outcome->result(), 1);
}

TEST_F(OneshotTest, AValueThatIsThereWinsOverACancelBeforeTheWait) {
  oneshot.set(1);
  start();
  join.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(*outcome->result(), 1);
}

TEST_F(OneshotTest, CancelLeavesNothingBehind) {
  start();
  world.run();
  join.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(outcome->severity(), Severity::cancelled);
  oneshot.set(1);  // nobody waits
  EXPECT_TRUE(oneshot.has_value());
}

TEST_F(OneshotTest, ASecondWaiterPanics) {
  start();
  std::optional<Outcome<int>> second;
  root.spawn("second", [&](Cx& cx) -> Task<Result<int>> { co_return co_await oneshot.recv(cx); })
      .then([&](Outcome<int> o) { second = std::move(o); });
  world.run();
  EXPECT_EQ(second->severity(), Severity::panicked);
  EXPECT_FALSE(outcome);
  oneshot.set(1);
  world.run();
  EXPECT_EQ(*outcome->result(), 1);
}

TEST(Oneshot, WhoWaitsWhenItGoesHearsIt) {
  TestWorld world;
  Region root(world.executor);
  std::optional<Oneshot<int>> oneshot(std::in_place);
  std::string log;
  auto receive = [&](Cx& cx) -> Task<Result<>> {
    auto value = co_await oneshot->recv(cx);
    log += value ? std::to_string(*value) : value.error().name();
    log += " ";
    co_return Result<>();
  };
  root.spawn("waits", receive);
  world.run();
  oneshot.reset();
  world.run();
  EXPECT_EQ(log, "UNAVAILABLE ");

  oneshot.emplace();
  root.spawn("has its value", receive);
  world.run();
  oneshot->set(1);
  oneshot.reset();
  world.run();
  EXPECT_EQ(log, "UNAVAILABLE 1 ");

  oneshot.emplace();
  auto join = root.spawn("cancelled", receive);
  world.run();
  join.cancel({CancelKind::user, "stop"});
  oneshot.reset();
  world.run();
  EXPECT_EQ(log, "UNAVAILABLE 1 CANCELLED ");
  root.close([] {});
  world.run();
}

TEST(Oneshot, MovesItsValue) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<int>> {
    Oneshot<std::unique_ptr<int>> oneshot;
    oneshot.set(std::make_unique<int>(42));
    ASPEN_CO_TRY(auto value, co_await oneshot.recv(cx));
    co_return *value;
  });
  EXPECT_EQ(*outcome.result(), 42);
}

struct OneshotWorkload : InjectedWorkload {
  Oneshot<int> oneshot;
  bool set = false;
  int asked = 0;

  void start() override {
    part("sets", [this](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_CHECK(co_await cx.sleep(1));
      ASPEN_CO_CHECK(co_await cx.sleep(1));
      oneshot.set(7);
      set = true;
      co_return Result<>();
    });
    part("asks", [this](Cx& cx) -> Task<Result<>> {
      ASPEN_CO_CHECK(co_await cx.sleep(1));
      auto value = co_await oneshot.recv(cx);
      // A cancel on the way takes nothing that is there.
      EXPECT_EQ(value.has_value(), set);
      ++asked;
      co_return Result<>();
    });
  }
  bool may_stall() const override { return true; }  // nobody else sets it
  void check(bool cancelled) override {
    if (!cancelled) EXPECT_TRUE(set && asked == 1);
    EXPECT_EQ(oneshot.has_value(), set);
  }
};

TEST(Oneshot, CancelledAnywhereKeepsTheValue) {
  EXPECT_GT(inject_cancels<OneshotWorkload>().runs, 10);
}

}  // namespace
}  // namespace aspen::rt

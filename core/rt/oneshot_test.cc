#include "core/rt/oneshot.h"

#include "core/rt/test_world.h"

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

TEST(Oneshot, MovesItsValue) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<int>> {
    Oneshot<std::unique_ptr<int>> oneshot;
    oneshot.set(std::make_unique<int>(42));
    ASPEN_CO_TRY(auto value, co_await oneshot.recv(cx));
    co_return *value;
  });
  EXPECT_EQ(*outcome.result(), 42);
}

}  // namespace
}  // namespace aspen::rt

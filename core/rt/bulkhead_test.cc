#include "core/rt/bulkhead.h"

#include "core/rt/test_attempts.h"

namespace aspen::rt {
namespace {

struct BulkheadTest : testing::Test, TestAttempts {
  Region root{world.executor};
  Bulkhead bulkhead{root, {.name = "uploads", .running_max = 2, .waiting_max = 1}};
  std::vector<Outcome<int>> ended;
  std::vector<DurationNs> ended_at;

  ~BulkheadTest() override {
    root.close([] {});
    EXPECT_TRUE(world.run());
    EXPECT_EQ(root.state(), RegionState::closed) << root.pending();
  }

  Join<int> call(Attempt<int> function) {
    auto body = [this, function = std::move(function)](Cx& cx) mutable {
      return bulkhead.run(cx, std::move(function));
    };
    auto join = root.spawn("call", std::move(body));
    join.then([this](Outcome<int> outcome) {
      ended.push_back(std::move(outcome));
      ended_at.push_back(elapsed());
    });
    return join;
  }
  void expect_empty() {
    EXPECT_EQ(bulkhead.running(), 0u);
    EXPECT_EQ(bulkhead.waiting(), 0u);
    EXPECT_EQ(root.obligation_count(), 0u);
  }
};

TEST_F(BulkheadTest, SoManyRunTheNextWaitsAndTheRestAreRefused) {
  for (int i = 0; i < 4; ++i) call(value(10, i));
  world.turn_all();
  EXPECT_EQ(bulkhead.running(), 2u);
  EXPECT_EQ(running, 2);
  EXPECT_EQ(bulkhead.waiting(), 1u);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].error().code, Code::OVERLOADED);
  EXPECT_EQ(ended[0].error().message, "uploads: 2 calls run and 1 wait; at most 2 and 1; try later");
  EXPECT_EQ(ended[0].error().applied, Applied::NO);
  world.run();
  EXPECT_EQ(ended_at, (std::vector<DurationNs>{0, 10, 10, 20}));
  EXPECT_EQ(*ended[3].result(), 2);
  expect_empty();
}

TEST_F(BulkheadTest, WithoutQueueItRefusesAtOnce) {
  Bulkhead strict(root, {.running_max = 1});
  auto outcome =
      run([&](Cx& cx) { return strict.run(cx, [&](Cx& cx) { return strict.run(cx, value(1, 7)); }); });
  EXPECT_EQ(outcome.error().code, Code::OVERLOADED);
  EXPECT_EQ(strict.running(), 0u);
}

TEST_F(BulkheadTest, APlaceComesBackAfterAnErrorAPanicAndACancel) {
  call(error(10));
  call(panic(10));
  world.run();
  auto long_one = call(value(kSecond, 1));
  call(value(kSecond, 2)).cancel({CancelKind::user, "before it began"});
  world.run_for(10);
  long_one.cancel({CancelKind::user, "stop"});
  world.run();
  ASSERT_EQ(ended.size(), 4u);
  EXPECT_EQ(ended[0].severity(), Severity::err);
  EXPECT_EQ(ended[1].severity(), Severity::panicked);
  EXPECT_EQ(ended[2].severity(), Severity::cancelled);
  EXPECT_EQ(ended[3].severity(), Severity::cancelled);
  expect_empty();
}

TEST_F(BulkheadTest, AValueThatCameAlthoughCancelledIsTheResult) {
  auto join = call(stubborn(kSecond, 5, 7));
  world.run_for(10);
  join.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(*ended[0].result(), 7);
  expect_empty();
}

TEST_F(BulkheadTest, ACancelledWaiterMakesRoomForTheNext) {
  call(value(10, 1));
  call(value(10, 2));
  auto waits = call(value(10, 3));
  world.turn_all();
  waits.cancel({CancelKind::user, "stop"});
  world.turn_all();
  EXPECT_EQ(bulkhead.waiting(), 0u);
  call(value(10, 4));
  world.run();
  EXPECT_EQ(started, 3) << "the cancelled one never ran";
  EXPECT_EQ(*ended[3].result(), 4);
  EXPECT_EQ(ended_at[3], 20);
  expect_empty();
}

TEST_F(BulkheadTest, WhoGetsAPlaceTogetherWithItsCancelDoesNotRun) {
  call(value(20, 1));
  Join<int> waits;
  auto first = root.spawn("first", [&](Cx& cx) { return bulkhead.run(cx, value(10, 2)); });
  first.then([&](Outcome<int>) { waits.cancel({CancelKind::user, "stop"}); });
  world.turn_all();
  waits = call(value(10, 3));
  world.run();
  ASSERT_EQ(ended.size(), 2u);
  EXPECT_EQ(ended[0].severity(), Severity::cancelled);
  EXPECT_EQ(started, 2);
  expect_empty();
}

TEST_F(BulkheadTest, OneThatIsCancelledAlreadyTakesNoPlace) {
  call(value(10, 1)).cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(ended[0].severity(), Severity::cancelled);
  EXPECT_EQ(started, 0);
}

}  // namespace
}  // namespace aspen::rt

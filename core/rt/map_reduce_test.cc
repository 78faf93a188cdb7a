#include "core/rt/map_reduce.h"

#include "core/rt/test_attempts.h"
#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct MapReduceTest : testing::Test, TestAttempts {
  std::vector<int> reduced;
  int most_running = 0;

  auto map(Attempts<int>& list) {
    return [&](Cx& cx, size_t item) -> Task<Result<int>> {
      most_running = std::max(most_running, running + 1);
      co_return co_await list[item](cx);
    };
  }
  auto map_reduce_of(size_t running_max, Attempts<int> list, DurationNs cancel_after = kNever) {
    std::vector<size_t> items(list.size());
    for (size_t i = 0; i < items.size(); ++i) items[i] = i;
    auto body = [&](Cx& cx) {
      return map_reduce(
          cx, {.running_max = running_max}, items, map(list), [&](int value) { reduced.push_back(value); },
          discard());
    };
    return run(body, cancel_after);
  }
};

TEST_F(MapReduceTest, ReducesInTheOrderOfTheItems) {
  EXPECT_TRUE(map_reduce_of(3, attempts(value(30, 1), value(10, 2), value(20, 3), value(5, 4))).ok());
  EXPECT_EQ(reduced, (std::vector{1, 2, 3, 4}));
  EXPECT_EQ(elapsed(), 30);
}

TEST_F(MapReduceTest, OnlySoManyRun) {
  Attempts<int> list;
  for (int i = 0; i < 20; ++i) list.push_back(value(10 + i % 3, i));
  EXPECT_TRUE(map_reduce_of(4, std::move(list)).ok());
  EXPECT_EQ(most_running, 4);
  EXPECT_EQ(reduced.size(), 20u);
}

TEST_F(MapReduceTest, ASlowItemHoldsBackWhatIsFarAheadOfIt) {
  Attempts<int> list;
  list.push_back(value(1000, 0));
  for (int i = 1; i < 20; ++i) list.push_back(value(1, i));
  Region root(world.executor);
  std::vector<size_t> items(20);
  for (size_t i = 0; i < items.size(); ++i) items[i] = i;
  root.spawn("caller", [&](Cx& cx) {
    return map_reduce(cx, {.running_max = 3}, items, map(list), [&](int value) { reduced.push_back(value); });
  });
  world.run_for(900);
  EXPECT_EQ(started, 6);
  root.close([] {});
  world.run();
  EXPECT_EQ(reduced.size(), 20u);
}

TEST_F(MapReduceTest, AFailureLeavesAPrefixAndStartsNoMore) {
  auto outcome = map_reduce_of(3, attempts(value(10, 0), error(30), value(20, 2), stubborn(kSecond, 5, 3),
                                           value(kSecond, 4), value(1, 5)));
  EXPECT_EQ(outcome.error().code, Code::IO);
  EXPECT_EQ(elapsed(), 35);
  EXPECT_EQ(reduced, (std::vector{0}));
  EXPECT_EQ(discarded, (std::vector{2, 3}));
  EXPECT_EQ(cancelled, std::vector(2, CancelKind::fail_fast));
  EXPECT_EQ(started, 5);
}

TEST_F(MapReduceTest, APanicInTheMapIsTheResult) {
  EXPECT_EQ(map_reduce_of(3, attempts(value(10, 0), panic(5))).error().code, Code::INTERNAL);
}

TEST_F(MapReduceTest, APanicInTheReduceEndsAllAndGoesOn) {
  Attempts<int> list = attempts(value(10, 0), stubborn(kSecond, 5, 1));
  auto outcome = run([&](Cx& cx) {
    return map_reduce(
        cx, {.running_max = 2}, std::vector<size_t>{0, 1}, map(list),
        [](int) { throw Panic("in the reduce"); }, discard());
  });
  EXPECT_EQ(outcome.severity(), Severity::panicked);
  EXPECT_EQ(discarded, (std::vector{1}));
}

TEST_F(MapReduceTest, ACancelReachesAllAndStartsNoMore) {
  auto outcome =
      map_reduce_of(2, attempts(value(10, 0), value(kSecond, 1), stubborn(kSecond, 5, 2), value(1, 3)), 15);
  EXPECT_EQ(outcome.severity(), Severity::cancelled);
  EXPECT_EQ(reduced, (std::vector{0}));
  EXPECT_EQ(discarded, (std::vector{2}));
  EXPECT_EQ(started, 3);
}

TEST_F(MapReduceTest, OfNothingAndWithNobody) {
  EXPECT_TRUE(map_reduce_of(2, {}).ok());
  EXPECT_EQ(map_reduce_of(0, attempts(value(1, 1))).error().code, Code::INVALID_ARGUMENT);
}

TEST_F(MapReduceTest, MoveOnlyItemsAndNoValues) {
  std::vector<std::unique_ptr<int>> items;
  for (int i = 0; i < 5; ++i) items.push_back(std::make_unique<int>(i));
  int sum = 0;
  int ends = 0;
  auto outcome = run([&](Cx& cx) {
    return map_reduce(
        cx, {.running_max = 2}, std::move(items),
        [&](Cx& cx, std::unique_ptr<int> item) -> Task<Result<>> {
          ASPEN_CO_CHECK(co_await cx.sleep(1));
          sum += *item;
          co_return Result<>();
        },
        [&] { ++ends; });
  });
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(sum, 10);
  EXPECT_EQ(ends, 5);
}

struct MapReduceWorkload : InjectedWorkload {
  int finished = 0;
  std::vector<int> reduced;
  std::vector<int> discarded;
  void start() override {
    part("caller", [this](Cx& cx) -> Task<Result<>> {
      co_return co_await map_reduce(
          cx, {.running_max = 2}, std::vector{3, 1, 2, 1, 3},
          [this](Cx& cx, int item) -> Task<Result<int>> {
            ASPEN_CO_CHECK(co_await cx.sleep(item));
            ++finished;
            co_return item;
          },
          [this](int value) { reduced.push_back(value); }, [this](int value) { discarded.push_back(value); });
    });
  }
  void check(bool cancelled) override {
    if (!cancelled) EXPECT_EQ(reduced.size(), 5u);
    EXPECT_EQ(reduced.size() + discarded.size(), static_cast<size_t>(finished));
    const std::vector<int> items{3, 1, 2, 1, 3};
    EXPECT_TRUE(std::equal(reduced.begin(), reduced.end(), items.begin()));
  }
};

TEST(MapReduceInjection, AccountsForEachValueWhereverItIsCancelled) {
  EXPECT_GT(inject_cancels<MapReduceWorkload>().runs, 20);
}

}  // namespace
}  // namespace aspen::rt

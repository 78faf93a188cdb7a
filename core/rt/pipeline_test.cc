#include "core/rt/pipeline.h"

#include <set>

#include "core/rt/test_attempts.h"
#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct PipelineTest : testing::Test, TestAttempts {
  int next = 0;
  std::vector<std::string> sunk;

  // 0, 1, ... up to `count`.
  auto source(int count, DurationNs each = 0) {
    return [this, count, each](Cx& cx) -> Task<Result<std::optional<int>>> {
      if (next == count) co_return std::nullopt;
      if (each > 0) ASPEN_CO_CHECK(co_await cx.sleep(each));
      co_return next++;
    };
  }
  auto to_text(DurationNs each) {
    return [this, each](Cx& cx, int item) -> Task<Result<std::string>> {
      Counted counted(running);
      ASPEN_CO_CHECK(co_await cx.sleep(each));
      co_return std::to_string(item);
    };
  }
  auto sink(DurationNs each = 0) {
    return [this, each](Cx& cx, std::string item) -> Task<Result<>> {
      if (each > 0) ASPEN_CO_CHECK(co_await cx.sleep(each));
      sunk.push_back(std::move(item));
      co_return Result<>();
    };
  }
};

TEST_F(PipelineTest, ItemsKeepTheirOrderAndStagesWorkAtTheSameTime) {
  EXPECT_TRUE(run([&](Cx& cx) { return pipeline(cx, {}, source(5, 10), to_text(10), sink(10)); }).ok());
  EXPECT_EQ(sunk, (std::vector<std::string>{"0", "1", "2", "3", "4"}));
  EXPECT_EQ(elapsed(), 70);
}

TEST_F(PipelineTest, WithoutItemsItIsOverAtOnce) {
  EXPECT_TRUE(run([&](Cx& cx) { return pipeline(cx, {}, source(0), to_text(10), sink()); }).ok());
  EXPECT_EQ(elapsed(), 0);
}

TEST_F(PipelineTest, ASlowStageHoldsBackTheSource) {
  Region root(world.executor);
  root.spawn("caller",
             [&](Cx& cx) { return pipeline(cx, {.capacity = 2}, source(100), to_text(10), sink()); });
  world.run_for(25);
  EXPECT_EQ(sunk.size(), 2u);
  EXPECT_EQ(next, 5) << "two are through, one is in the stage, two wait for it";
  root.close([] {});
  world.run();
  EXPECT_EQ(sunk.size(), 100u);
}

TEST_F(PipelineTest, AFailureEndsAllAndNoItemIsLostBetweenStages) {
  std::vector<int> numbers;
  std::vector<std::string> texts;
  auto discard = [&]<typename T>(T item) {
    if constexpr (std::is_same_v<T, int>) {
      numbers.push_back(item);
    } else {
      texts.push_back(std::move(item));
    }
  };
  auto fails = [&](Cx& cx, std::string item) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await cx.sleep(25));
    if (item == "1") co_return fail(Code::CORRUPT, "1 is bad");
    sunk.push_back(item);
    co_return Result<>();
  };
  auto outcome = run([&](Cx& cx) {
    return pipeline(cx, PipelineOptions{.capacity = 3, .discard = discard}, source(100), to_text(10), fails);
  });
  EXPECT_EQ(outcome.error().code, Code::CORRUPT);
  EXPECT_EQ(elapsed(), 60);
  EXPECT_EQ(sunk, (std::vector<std::string>{"0"}));
  EXPECT_EQ(texts, (std::vector<std::string>{"2", "3", "4"}));
  EXPECT_EQ(numbers, (std::vector{5, 6, 7}));
  EXPECT_EQ(next, 8);
}

TEST_F(PipelineTest, AFailingSourceAndAPanic) {
  auto bad = [](Cx&) -> Task<Result<std::optional<int>>> { co_return fail(Code::IO, "no disk"); };
  EXPECT_EQ(run([&](Cx& cx) { return pipeline(cx, {}, bad, to_text(10), sink()); }).error().code, Code::IO);
  auto panics = [](Cx&, int) -> Task<Result<>> {
    throw Panic("in the sink");
    co_return Result<>();
  };
  auto outcome = run([&](Cx& cx) { return pipeline(cx, {}, source(9), panics); });
  EXPECT_EQ(outcome.error().code, Code::INTERNAL);
}

TEST_F(PipelineTest, ACancelReachesAllStages) {
  auto outcome = run([&](Cx& cx) { return pipeline(cx, {}, source(5), to_text(10), sink(kSecond)); }, 25);
  EXPECT_EQ(outcome.severity(), Severity::cancelled);
  EXPECT_EQ(elapsed(), 25);
}

// Wherever it is cancelled, each item is in the sink, discarded, or in the hands of the stage that failed
// with it; and nowhere twice.
struct PipelineWorkload : InjectedWorkload {
  static constexpr int kItems = 6;
  int made = 0;
  std::multiset<int> sunk, discarded, kept;

  Task<Result<>> work(Cx& cx, int item) {
    auto slept = co_await cx.sleep(1);
    if (!slept) kept.insert(item);
    co_return slept;
  }
  void start() override {
    part("caller", [this](Cx& cx) -> Task<Result<>> {
      auto discard = [this](auto item) { discarded.insert(static_cast<int>(item)); };
      co_return co_await pipeline(
          cx, PipelineOptions{.capacity = 2, .discard = discard},
          [this](Cx& cx) -> Task<Result<std::optional<int>>> {
            if (made == kItems) co_return std::nullopt;
            if (made % 2 == 0) ASPEN_CO_CHECK(co_await cx.sleep(2));
            co_return made++;
          },
          [this](Cx& cx, int item) -> Task<Result<long>> {
            ASPEN_CO_CHECK(co_await work(cx, item));
            co_return item;
          },
          [this](Cx& cx, long item) -> Task<Result<>> {
            ASPEN_CO_CHECK(co_await work(cx, static_cast<int>(item)));
            sunk.insert(static_cast<int>(item));
            co_return Result<>();
          });
    });
  }
  void check(bool cancelled) override {
    if (!cancelled) EXPECT_EQ(sunk.size(), static_cast<size_t>(kItems));
    std::multiset<int> seen;
    for (auto* part : {&sunk, &discarded, &kept}) seen.insert(part->begin(), part->end());
    std::multiset<int> all;
    for (int i = 0; i < made; ++i) all.insert(i);
    EXPECT_EQ(seen, all);
  }
};

TEST(PipelineInjection, AccountsForEachItemWhereverItIsCancelled) {
  EXPECT_GT(inject_cancels<PipelineWorkload>().runs, 30);
}

}  // namespace
}  // namespace aspen::rt

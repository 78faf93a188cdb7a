#include "core/rt/task.h"

#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

constexpr int kMillion = 1'000'000;

Task<int> constant(int value) {
  co_return value;
}

Task<int> recurse(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await recurse(depth - 1);
}

Task<int> recurse_and_throw(int depth) {
  if (depth == 0) throw std::runtime_error("from the bottom");
  co_return 1 + co_await recurse_and_throw(depth - 1);
}

TEST(Task, AMillionAwaitsInARowNeedNoStack) {
  auto outcome = run_task([](Cx&) -> Task<Result<int>> {
    int sum = 0;
    for (int i = 0; i < kMillion; ++i) sum += co_await constant(1);
    co_return sum;
  });
  EXPECT_EQ(*outcome.result(), kMillion);
}

TEST(Task, AMillionAwaitsInsideEachOtherNeedNoStack) {
  auto outcome = run_task([](Cx&) -> Task<Result<int>> { co_return co_await recurse(kMillion); });
  EXPECT_EQ(*outcome.result(), kMillion);
}

TEST(Task, ExceptionsTravelToTheAwaiter) {
  auto outcome = run_task([](Cx&) -> Task<Result<std::string>> {
    try {
      co_await recurse_and_throw(1000);
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing came";
  });
  EXPECT_EQ(*outcome.result(), "from the bottom");
}

TEST(Task, ATaskOfNothingThrowsToo) {
  auto outcome = run_task([](Cx&) -> Task<Result<int>> {
    auto body = [](bool fails) -> Task<> {
      if (fails) throw 7;
      co_return;
    };
    co_await body(false);
    try {
      co_await body(true);
    } catch (int thrown) {
      co_return thrown;
    }
    co_return 0;
  });
  EXPECT_EQ(*outcome.result(), 7);
}

TEST(Task, IsLazyAndOwned) {
  int alive = 0;
  bool ran = false;
  auto body = [](Counted, bool& ran) -> Task<> {
    ran = true;
    co_return;
  };
  {
    Task<> task = body(Counted(alive), ran);
    EXPECT_EQ(alive, 1);
    Task<> moved = std::move(task);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_FALSE(ran);
  EXPECT_EQ(alive, 0);
}

TEST(Task, FramesGoOnce) {
  int alive = 0;
  auto outcome = run_task([&](Cx& cx) -> Task<Result<>> {
    auto inner = [&](Cx& cx, Counted) -> Task<Result<int>> {
      Counted local(alive);
      ASPEN_CO_CHECK(co_await cx.sleep(1));
      co_return alive;
    };
    auto failing = [&](Counted) -> Task<int> {
      Counted local(alive);
      throw 7;
      co_return 0;
    };
    EXPECT_EQ(*co_await inner(cx, Counted(alive)), 3);  // the argument, the parameter, the local
    EXPECT_EQ(alive, 0);
    try {
      co_await failing(Counted(alive));
    } catch (int) {
    }
    EXPECT_EQ(alive, 0);
    co_return Result<>();
  });
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(alive, 0);
}

TEST(Task, AwaitingAMovedFromTaskPanics) {
  auto outcome = run_task([](Cx&) -> Task<Result<int>> {
    Task<int> task = constant(1);
    Task<int> taken = std::move(task);
    co_await std::move(taken);
    co_return co_await std::move(task);
  });
  EXPECT_EQ(outcome.severity(), Severity::panicked);
}

TEST(Task, MovesItsValueOut) {
  auto outcome = run_task([](Cx&) -> Task<Result<int>> {
    auto body = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(42); };
    std::unique_ptr<int> value = co_await body();
    co_return *value;
  });
  EXPECT_EQ(*outcome.result(), 42);
}

}  // namespace
}  // namespace aspen::rt

#include "core/rt/region.h"

#include <gtest/gtest.h>

#include "core/rt/channel.h"
#include "core/rt/loop.h"

namespace aspen::rt {
namespace {

// Runs `body` as the only task of a root region on a real loop and returns its outcome.
template <typename F>
auto run(F body) {
  Loop loop;
  Region region(loop.executor());
  using T = typename detail::ResultValue<std::invoke_result_t<F, Cx&>>::type;
  std::optional<Outcome<T>> outcome;
  region.spawn("test", std::move(body)).then([&](Outcome<T> o) {
    outcome = std::move(o);
    region.close([&] { loop.stop(); });
  });
  loop.run();
  return std::move(*outcome);
}

TEST(Region, JoinsAChildWithItsValue) {
  auto outcome = run([](Cx& cx) -> Task<Result<int>> {
    Region region(cx);
    auto join = region.spawn("child", [](Cx& cx) -> Task<Result<int>> {
      ASPEN_CO_CHECK(co_await cx.sleep(kMillisecond));
      co_return 42;
    });
    auto out = co_await join.wait(cx);
    co_await region.close();
    co_return std::move(out).result();
  });
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(*outcome.result(), 42);
}

TEST(Region, TimeoutCancelsAndDrains) {
  bool drained = false;
  auto outcome = run([&](Cx& cx) -> Task<Result<>> {
    co_return co_await timeout(cx, kMillisecond, [&](Cx& cx) -> Task<Result<>> {
      auto slept = co_await cx.sleep(3600 * kSecond);
      drained = true;
      co_return slept;
    });
  });
  EXPECT_TRUE(drained);
  EXPECT_EQ(outcome.result().error().code, Code::DEADLINE_EXCEEDED);
}

TEST(Region, PanicIsContained) {
  auto outcome = run([](Cx&) -> Task<Result<>> {
    ASPEN_ASSERT(1 + 1 == 3);
    co_return Result<>();
  });
  EXPECT_EQ(outcome.severity(), Severity::panicked);
}

TEST(Channel, DeliversInOrderAndBlocksWhenFull) {
  auto outcome = run([](Cx& cx) -> Task<Result<int>> {
    Region region(cx);
    Channel<int> channel(region, 2);
    region.spawn("sender", [&](Cx& cx) -> Task<Result<>> {
      for (int i = 1; i <= 100; ++i) {
        ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
        std::move(permit).send(i);
      }
      channel.close();
      co_return Result<>();
    });
    int sum = 0;
    for (;;) {
      ASPEN_CO_TRY(auto item, co_await channel.recv(cx));
      if (!item) break;
      EXPECT_LE(channel.size(), 2u);
      sum += *item;
    }
    co_await region.close();
    co_return sum;
  });
  EXPECT_EQ(*outcome.result(), 5050);
}

}  // namespace
}  // namespace aspen::rt

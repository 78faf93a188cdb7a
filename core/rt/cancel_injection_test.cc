// A small workload that uses everything at once, cancelled at every suspension point.
#include "core/rt/channel.h"
#include "core/rt/event.h"
#include "core/rt/oneshot.h"
#include "core/rt/test_injection.h"
#include "core/rt/timeout.h"

namespace aspen::rt {
namespace {

struct Workload : InjectedWorkload {
  static constexpr int kItems = 6;

  Channel<int> channel{root, 2};
  Oneshot<int> reply;
  Event ready;
  int sent = 0;
  int received = 0;
  int finalized = 0;

  Task<Result<>> send_all(Cx& cx) {
    for (int i = 0; i < kItems; ++i) {
      ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
      // Two phases: what is acquired between them may still be given up.
      ASPEN_CO_CHECK(co_await cx.sleep(i % 2));
      std::move(permit).send(i);
      ++sent;
    }
    co_return Result<>();
  }

  void start() override {
    root.add_finalizer([this](Cx& cx) -> Task<void> {
      EXPECT_TRUE(co_await cx.sleep(1));
      ++finalized;
    });
    part("sender", [this](Cx& cx) -> Task<Result<>> {
      auto result = co_await send_all(cx);
      channel.close();
      co_return result;
    });
    part("receiver", [this](Cx& cx) -> Task<Result<>> {
      for (;;) {
        ASPEN_CO_TRY(auto item, co_await channel.recv(cx));
        if (!item) break;
        EXPECT_EQ(*item, received);
        ++received;
        if (*item == 2) ready.set();
      }
      co_return Result<>();
    });
    part("nested", [this](Cx& cx) -> Task<Result<>> {
      Region region(cx);
      Region inner(region);
      auto join = inner.spawn("inner", [this](Cx& cx) -> Task<Result<int>> {
        Counted counted(alive);
        ASPEN_CO_CHECK(co_await ready.wait(cx));
        reply.set(7);
        co_return co_await timeout(cx, 5, [](Cx& cx) -> Task<Result<int>> {
          ASPEN_CO_CHECK(co_await cx.sleep(3));
          co_return 1;
        });
      });
      auto outcome = co_await join.wait(cx);
      co_await inner.close();
      co_await region.close();
      co_return outcome.ok() ? Result<>() : Result<>(std::unexpected(outcome.result().error()));
    });
    part("asks", [this](Cx& cx) -> Task<Result<>> {
      Counted counted(alive);
      ASPEN_CO_TRY(int value, co_await reply.recv(cx));
      EXPECT_EQ(value, 7);
      Cx::Mask mask(cx);
      EXPECT_TRUE(co_await cx.sleep(2));
      co_return Result<>();
    });
    part("slow", [](Cx& cx) -> Task<Result<>> {
      co_return co_await timeout(cx, 4, [](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(100); });
    });
  }

  // A part whose counterpart was cancelled waits for something that never comes: that is the workload's
  // business, and the region's cancel ends it.
  bool may_stall() const override { return true; }

  void check(bool cancelled) override {
    EXPECT_EQ(finalized, 1);
    EXPECT_EQ(sent, received + static_cast<int>(channel.size()));
    if (!cancelled) EXPECT_EQ(received, kItems);
  }
};

TEST(CancelInjection, EverySuspensionPointDrains) {
  Injected injected = inject_cancels<Workload>();
  EXPECT_GT(injected.runs, 100);
  EXPECT_GT(injected.stalled, 0);
}

}  // namespace
}  // namespace aspen::rt

// A small workload that uses everything at once, run again and again: each time one of its parts is
// cancelled after one more turn, until it is cancelled at every point where it can be suspended. However it
// ends, everything must be drained and nothing lost.
#include "core/rt/channel.h"
#include "core/rt/event.h"
#include "core/rt/oneshot.h"
#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

struct Workload {
  static constexpr int kItems = 6;
  static constexpr int kTargets = 6;  // parts, then the region as a whole

  TestWorld world;
  Region root{world.executor};
  Channel<int> channel{root, 2};
  Oneshot<int> reply;
  Event ready;
  int alive = 0;
  int sent = 0;
  int received = 0;
  int finalized = 0;
  int ended = 0;
  std::vector<std::function<void(const CancelReason&)>> cancels;

  template <typename F>
  void part(const char* name, F body) {
    auto join = root.spawn(name, [this, body = std::move(body)](Cx& cx) -> Task<Result<>> {
      Counted counted(alive);
      co_return co_await body(cx);
    });
    join.then([this](Outcome<> outcome) {
      EXPECT_NE(outcome.severity(), Severity::panicked) << outcome.result().error().message;
      ++ended;
    });
    cancels.push_back([join](const CancelReason& reason) mutable { join.cancel(reason); });
  }

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

  void start() {
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
    root.close([] {});
  }

  // One turn, or one move of the clock. False when nothing is left.
  bool step() {
    bool more = world.executor.turn();
    if (more) return true;
    if (world.executor.next_timer() == kNever) return false;
    world.env.time = std::max(world.env.time, world.executor.next_timer());
    return true;
  }
};

TEST(CancelInjection, EverySuspensionPointDrains) {
  int runs = 0;
  int not_reached = 0;
  for (int target = -1; target < Workload::kTargets; ++target) {
    for (int point = 0;; ++point) {
      Workload work;
      work.start();
      bool ran_out = false;
      for (int i = 0; i < point && !ran_out; ++i) ran_out = !work.step();
      if (ran_out && target >= 0) break;  // cancelled at each of its points
      bool cancelled = target >= 0;
      CancelReason reason{CancelKind::user, "injected"};
      if (target == Workload::kTargets - 1) {
        work.root.cancel(reason);
      } else if (cancelled) {
        work.cancels[target](reason);
      }
      for (int i = 0; i < 10'000 && work.step(); ++i) {
      }
      // A part whose counterpart was cancelled waits for something that never comes: that is the
      // workload's business, and the region's cancel ends it.
      if (work.root.state() != Region::State::closed) {
        ASSERT_TRUE(cancelled);
        ++not_reached;
        work.root.cancel({CancelKind::fail_fast, "a part was cancelled"});
        for (int i = 0; i < 10'000 && work.step(); ++i) {
        }
      }
      SCOPED_TRACE(fmt::format("target {} point {}", target, point));
      ASSERT_EQ(work.root.state(), Region::State::closed) << work.root.pending();
      EXPECT_EQ(work.ended, 5);
      EXPECT_EQ(work.alive, 0);
      EXPECT_EQ(work.finalized, 1);
      EXPECT_EQ(work.sent, work.received + static_cast<int>(work.channel.size()));
      EXPECT_EQ(work.world.executor.next_timer(), kNever);
      if (!cancelled) {
        EXPECT_EQ(work.received, Workload::kItems);
      }
      ++runs;
      if (!cancelled) break;
    }
  }
  EXPECT_GT(runs, 100);
  EXPECT_GT(not_reached, 0);
}

}  // namespace
}  // namespace aspen::rt

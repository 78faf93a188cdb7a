// Cancels a workload at every point where one of its parts can be suspended: it is run again and again, each
// time with one part cancelled after one more turn, then with the whole region cancelled. However it ends,
// everything must be drained and nothing lost.
//
//   struct Workload : InjectedWorkload {
//     Mutex mutex{root};
//     void start() override { part("a", [this](Cx& cx) -> Task<Result<>> { ... }); ... }
//     void check(bool cancelled) override { EXPECT_...; }
//   };
//   EXPECT_GT(inject_cancels<Workload>().runs, 20);
#pragma once

#include <functional>
#include <vector>

#include "core/rt/test_world.h"

namespace aspen::rt {

class InjectedWorkload {
 public:
  virtual ~InjectedWorkload() = default;
  // Adds the parts.
  virtual void start() = 0;
  // After everything has ended. `cancelled` is false in the run in which nobody was.
  virtual void check(bool cancelled) = 0;
  // Whether parts may wait for ever once one of them was cancelled; the region's cancel then ends them. Where
  // a part depends on no other, that it does would be a lost wake-up.
  virtual bool may_stall() const { return false; }

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

  // One turn, or one move of the clock. False when nothing is left.
  bool step() {
    if (world.executor.turn()) return true;
    if (world.executor.next_timer() == kNever) return false;
    world.env.time = std::max(world.env.time, world.executor.next_timer());
    return true;
  }
  void run() {
    for (int i = 0; i < 10'000 && step(); ++i) {
    }
  }

  TestWorld world;
  Region root{world.executor};
  int alive = 0;
  size_t ended = 0;
  std::vector<std::function<void(const CancelReason&)>> cancels;  // of each part
};

struct Injected {
  int runs = 0;
  int stalled = 0;
};

// One run, with part `target` cancelled after `point` steps; the region as a whole when there is no such
// part, nobody when it is negative. False when the run is over before.
template <typename Workload>
bool inject_cancel(int target, int point, Injected& injected) {
  Workload work;
  work.start();
  work.root.close([] {});
  for (int i = 0; i < point; ++i) {
    if (!work.step()) return false;
  }
  CancelReason reason{CancelKind::user, "injected"};
  const bool cancelled = target >= 0;
  if (cancelled && target < static_cast<int>(work.cancels.size())) {
    work.cancels[static_cast<size_t>(target)](reason);
  } else if (cancelled) {
    work.root.cancel(reason);
  }
  work.run();
  if (work.root.state() != Region::State::closed) {
    EXPECT_TRUE(cancelled && work.may_stall()) << "waits for ever: " << work.root.pending();
    ++injected.stalled;
    work.root.cancel({CancelKind::fail_fast, "a part was cancelled"});
    work.run();
  }
  EXPECT_EQ(work.root.state(), Region::State::closed) << work.root.pending();
  EXPECT_EQ(work.ended, work.cancels.size());
  EXPECT_EQ(work.alive, 0);
  EXPECT_EQ(work.world.executor.next_timer(), kNever);
  work.check(cancelled);
  ++injected.runs;
  return true;
}

template <typename Workload>
Injected inject_cancels() {
  Injected injected;
  inject_cancel<Workload>(-1, 0, injected);
  Workload parts;
  parts.start();
  parts.root.close([] {});
  parts.run();
  const int targets = static_cast<int>(parts.cancels.size()) + 1;
  for (int target = 0; target < targets; ++target) {
    for (int point = 0;; ++point) {
      SCOPED_TRACE(fmt::format("target {} point {}", target, point));
      if (testing::Test::HasFailure() || !inject_cancel<Workload>(target, point, injected)) break;
    }
  }
  return injected;
}

}  // namespace aspen::rt

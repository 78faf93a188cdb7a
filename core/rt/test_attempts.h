// Attempts of every temper for the tests of the combinators, and a count of those that run: after a
// combinator there must be none.
#pragma once

#include <vector>

#include "core/rt/attempt.h"
#include "core/rt/test_world.h"

namespace aspen::rt {

struct TestAttempts {
  TestWorld world;
  int running = 0;
  int started = 0;
  std::vector<CancelKind> cancelled;  // why, of each that was cut short
  std::vector<int> discarded;

  TimeNs begin = world.env.time;
  DurationNs elapsed() { return world.env.time - begin; }
  auto discard() {
    return [this](int value) { discarded.push_back(value); };
  }

  // After `duration`: `value`, or an error, or a panic. Cut short at once by a cancel.
  Attempt<int> value(DurationNs duration, int value) {
    return ends(duration, [value]() -> Result<int> { return value; });
  }
  Attempt<int> error(DurationNs duration, Code code = Code::IO) {
    return ends(duration, [code, duration]() -> Result<int> { return fail(code, "after {}", duration); });
  }
  Attempt<int> panic(DurationNs duration) {
    return ends(duration, [duration]() -> Result<int> { throw Panic(fmt::format("after {}", duration)); });
  }
  // When it is cancelled before `duration` is over it takes `drain` for its cleanup, and then ends with
  // `last`.
  template <typename F>
  Attempt<int> drains(DurationNs duration, DurationNs drain, F last) {
    return [this, duration, drain, last](Cx& cx) -> Task<Result<int>> {
      Counted counted(running);
      ++started;
      if (co_await cx.sleep(duration)) co_return -1;
      cancelled.push_back(cx.cancel_reason()->root().kind);
      Cx::Mask mask(cx);
      EXPECT_TRUE(co_await cx.sleep(drain));
      co_return last();
    };
  }
  Attempt<int> stubborn(DurationNs duration, DurationNs drain, int value) {
    return drains(duration, drain, [value]() -> Result<int> { return value; });
  }

  // Runs `body` as a task; when `cancel_after` has passed, it is cancelled.
  template <typename F>
  auto run(F body, DurationNs cancel_after = kNever) {
    using T = ResultOf<F, Cx&>;
    std::optional<Outcome<T>> outcome;
    {
      Region root(world.executor);
      auto join = root.spawn("caller", [this, &body](Cx& cx) -> Task<Result<T>> {
        Result<T> result = co_await body(cx);
        EXPECT_EQ(running, 0) << "the combinator returned before all had ended";
        co_return result;
      });
      join.then([&](Outcome<T> o) { outcome = std::move(o); });
      if (cancel_after != kNever) {
        world.run_for(cancel_after);
        join.cancel({CancelKind::user, "stop"});
      }
      root.close([] {});
      EXPECT_TRUE(world.run());
      EXPECT_EQ(root.state(), RegionState::closed) << root.pending();
    }
    EXPECT_EQ(running, 0);
    return std::move(*outcome);
  }

 private:
  template <typename F>
  Attempt<int> ends(DurationNs duration, F last) {
    return [this, duration, last](Cx& cx) -> Task<Result<int>> {
      Counted counted(running);
      ++started;
      auto slept = co_await cx.sleep(duration);
      if (!slept) {
        cancelled.push_back(cx.cancel_reason()->root().kind);
        co_return forward_error(std::move(slept));
      }
      co_return last();
    };
  }
};

}  // namespace aspen::rt

// What is the same for every combinator, wherever its caller is cancelled: it returns when all that it
// started has ended; each value that came is in its result or discarded, once; values that are enough for a
// result are the result, in spite of the cancel; a panic is the result, in spite of everything.
#include <set>

#include "core/rt/all.h"
#include "core/rt/bulkhead.h"
#include "core/rt/circuit_breaker.h"
#include "core/rt/first_ok.h"
#include "core/rt/hedge.h"
#include "core/rt/quorum.h"
#include "core/rt/race.h"
#include "core/rt/retry.h"
#include "core/rt/test_injection.h"
#include "core/rt/timeout.h"

namespace aspen::rt {
namespace {

struct CombinatorWorkload : InjectedWorkload {
  int running = 0;
  std::multiset<int> made;
  std::multiset<int> kept;
  std::multiset<int> discarded;
  bool panicked = false;

  // Runs the combinator and keeps the values of its result.
  virtual Task<Result<>> call(Cx& cx) = 0;
  // So many values are a result.
  virtual size_t enough() const { return 1; }

  void start() override {
    part("caller", [this](Cx& cx) -> Task<Result<>> {
      Result<> result = co_await call(cx);
      EXPECT_EQ(running, 0) << "it returned before all had ended";
      if (panicked) EXPECT_EQ(code(result), Code::INTERNAL);
      co_return result;
    });
  }
  void check(bool cancelled) override {
    std::multiset<int> known = kept;
    known.insert(discarded.begin(), discarded.end());
    EXPECT_EQ(known, made);
    if (!panicked) EXPECT_EQ(kept.size(), made.size() < enough() ? 0 : enough());
    if (!cancelled && !panicked) EXPECT_FALSE(kept.empty());
  }

  static Code code(const Result<>& result) { return result ? Code::OK : result.error().code; }
  Result<> keep(Result<int> result) {
    ASPEN_TRY(int value, std::move(result));
    kept.insert(value);
    return {};
  }
  auto discard() {
    return [this](int value) { discarded.insert(value); };
  }
  Result<int> make(int value) {
    made.insert(value);
    return value;
  }
  Attempt<int> value(DurationNs duration, int value) {
    return [this, duration, value](Cx& cx) -> Task<Result<int>> {
      Counted counted(running);
      ASPEN_CO_CHECK(co_await cx.sleep(duration));
      co_return make(value);
    };
  }
  Attempt<int> error(DurationNs duration, Code code = Code::IO) {
    return [this, duration, code](Cx& cx) -> Task<Result<int>> {
      Counted counted(running);
      ASPEN_CO_CHECK(co_await cx.sleep(duration));
      co_return fail(code, "after {}", duration);
    };
  }
  // A cancel makes it clean up for a while and then do what it would have done.
  Attempt<int> stubborn(DurationNs duration, int value) {
    return [this, duration, value](Cx& cx) -> Task<Result<int>> {
      Counted counted(running);
      co_await clean_sleep(cx, duration);
      co_return make(value);
    };
  }
  Attempt<int> panics(DurationNs duration) {
    return [this, duration](Cx& cx) -> Task<Result<int>> {
      Counted counted(running);
      co_await clean_sleep(cx, duration);
      panicked = true;
      throw Panic("in an attempt");
    };
  }

 private:
  static Task<void> clean_sleep(Cx& cx, DurationNs duration) {
    if (co_await cx.sleep(duration)) co_return;
    Cx::Mask mask(cx);
    EXPECT_TRUE(co_await cx.sleep(3));
  }
};

struct RaceWorkload : CombinatorWorkload {
  Task<Result<>> call(Cx& cx) override {
    co_return keep(
        co_await race(cx, attempts(value(4, 1), stubborn(9, 2), value(6, 3), stubborn(4, 4)), discard()));
  }
};
struct RaceWithAPanicWorkload : CombinatorWorkload {
  Task<Result<>> call(Cx& cx) override {
    co_return keep(co_await race(cx, attempts(value(4, 1), stubborn(9, 2), panics(6)), discard()));
  }
};
struct FirstOkWorkload : CombinatorWorkload {
  Task<Result<>> call(Cx& cx) override {
    co_return keep(
        co_await first_ok(cx, attempts(error(2), value(5, 1), stubborn(9, 2), value(7, 3)), discard()));
  }
};
struct QuorumWorkload : CombinatorWorkload {
  size_t enough() const override { return 2; }
  Task<Result<>> call(Cx& cx) override {
    auto list = attempts(error(2), value(4, 1), stubborn(9, 2), value(6, 3), stubborn(8, 4));
    ASPEN_CO_TRY(auto values, co_await quorum(cx, 2, std::move(list), discard()));
    kept.insert(values.begin(), values.end());
    co_return Result<>();
  }
};
struct HedgeWorkload : CombinatorWorkload {
  Task<Result<>> call(Cx& cx) override {
    auto list = attempts(stubborn(9, 1), value(4, 2), value(4, 3));
    auto attempt = [&](Cx& cx, size_t i) { return list[i](cx); };
    co_return keep(co_await hedge(cx, {.delay = 2, .attempts_max = 3}, attempt, discard()));
  }
};
template <Policy policy>
struct AllWorkload : CombinatorWorkload {
  size_t enough() const override { return made.size(); }
  Task<Result<>> call(Cx& cx) override {
    auto list = attempts(value(2, 1), stubborn(5, 2), error(4), value(7, 3), stubborn(9, 4));
    auto joined = co_await all(cx, std::move(list), policy);
    for (Outcome<int>& outcome : joined.outcomes) {
      if (outcome.ok()) kept.insert(*outcome.result());
    }
    co_return cx.checkpoint();
  }
};
struct TimeoutWorkload : CombinatorWorkload {
  size_t enough() const override { return made.size(); }
  Task<Result<>> call(Cx& cx) override {
    Result<> in_time = keep(co_await timeout(cx, 9, value(4, 1)));
    Result<> late = keep(co_await timeout(cx, 4, value(9, 2)));
    EXPECT_FALSE(late);
    ASPEN_CO_CHECK(keep(co_await timeout(cx, 4, stubborn(9, 3))));
    co_return in_time;
  }
};
struct RetryWorkload : CombinatorWorkload {
  Task<Result<>> call(Cx& cx) override {
    auto list = attempts(error(2, Code::UNAVAILABLE), error(2, Code::UNAVAILABLE), stubborn(4, 1));
    auto attempt = [&](Cx& cx, size_t i) { return list[i](cx); };
    co_return keep(co_await retry(cx, {.backoff_base = 3, .backoff_max = 5}, attempt));
  }
};

// Calls that fail, and then calls that find the breaker half open: it never keeps the place of a call that
// was cancelled.
struct CircuitBreakerWorkload : InjectedWorkload {
  CircuitBreaker breaker{world.executor, {.failures_max = 2, .open_for = 5}};

  void start() override {
    for (DurationNs begin : {0, 1, 7, 8, 9}) {
      part("call", [this, begin](Cx& cx) -> Task<Result<>> {
        ASPEN_CO_CHECK(co_await cx.sleep(begin));
        co_return co_await breaker.run(cx, [begin](Cx& cx) -> Task<Result<>> {
          ASPEN_CO_CHECK(co_await cx.sleep(2));
          if (begin < 5) co_return fail(Code::UNAVAILABLE, "not yet");
          co_return Result<>();
        });
      });
    }
  }
  void check(bool) override {
    world.env.time += 100;
    auto outcome = run_task(
        world, [&](Cx& cx) { return breaker.run(cx, [](Cx&) -> Task<Result<>> { co_return Result<>(); }); });
    EXPECT_TRUE(outcome.ok());
    EXPECT_EQ(breaker.state(), CircuitBreaker::State::closed);
  }
};

struct BulkheadWorkload : InjectedWorkload {
  Bulkhead bulkhead{root, {.running_max = 2, .waiting_max = 4}};
  int running = 0;
  int done = 0;

  void start() override {
    for (int i = 0; i < 6; ++i) {
      part("call", [this](Cx& cx) -> Task<Result<>> {
        co_return co_await bulkhead.run(cx, [this](Cx& cx) -> Task<Result<>> {
          EXPECT_FALSE(cx.cancelled()) << "it began in spite of its cancel";
          Counted counted(running);
          EXPECT_LE(running, 2);
          ASPEN_CO_CHECK(co_await cx.sleep(2));
          ++done;
          co_return Result<>();
        });
      });
    }
  }
  void check(bool cancelled) override {
    EXPECT_EQ(bulkhead.running(), 0u);
    EXPECT_EQ(bulkhead.waiting(), 0u);
    EXPECT_EQ(root.obligation_count(), 0u);
    EXPECT_GE(done, cancelled ? 0 : 6);
  }
};

template <typename Workload>
struct CombinatorInjection : testing::Test {};
using Workloads =
    testing::Types<RaceWorkload, RaceWithAPanicWorkload, FirstOkWorkload, QuorumWorkload, HedgeWorkload,
                   AllWorkload<Policy::collect_all>, AllWorkload<Policy::fail_fast>, TimeoutWorkload,
                   RetryWorkload, CircuitBreakerWorkload, BulkheadWorkload>;
TYPED_TEST_SUITE(CombinatorInjection, Workloads);

TYPED_TEST(CombinatorInjection, KeepsTheRuleWhereverItIsCancelled) {
  EXPECT_GT(inject_cancels<TypeParam>().runs, 12);
}

}  // namespace
}  // namespace aspen::rt

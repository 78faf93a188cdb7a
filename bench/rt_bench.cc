// The kernel's own costs: what bench/rt compares with Asio (asio_bench.cc), Go (go/rt_bench) and a bare
// coroutine, which is the row `bare`: its frame is allocated, it is resumed once to its end, and destroyed.
//
//   rt_bench ROUNDS     prints the samples, as micro.h says
//
// Each row runs in a task on an rt::Loop, as in production: with the loop's clock and epoll calls.
#include <coroutine>
#include <deque>
#include <vector>

#include "bench/micro.h"
#include "core/rt/channel.h"
#include "core/rt/loop.h"

namespace aspen::bench {
namespace {

using rt::Cx;
using rt::Region;
using rt::Task;

struct Bare {
  struct promise_type {
    int value = 0;
    Bare get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_value(int result) { value = result; }
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

// Not inlined, or the compiler would put the frame on the stack.
[[gnu::noinline]] Bare bare(int value) {
  co_return value;
}

void measure_bare(Samples& samples) {
  Sample sample(samples, "bare", kOperations);
  for (size_t i = 0; i < kOperations; ++i) {
    const Bare coroutine = bare(static_cast<int>(i));
    coroutine.handle.resume();
    keep(coroutine.handle.promise().value);
    coroutine.handle.destroy();
  }
}

[[gnu::noinline]] Task<Result<int>> child(int value) {
  co_return value;
}

Task<Result<>> measure_spawn(Cx& cx, Samples& samples) {
  Region region(cx);
  {
    Sample sample(samples, "spawn", kOperations);
    for (size_t i = 0; i < kOperations; ++i) {
      auto join = region.spawn("child", [](Cx&) { return child(1); });
      keep((co_await join.wait(cx)).ok());
    }
  }
  co_await region.close();
  co_return Result<>();
}

Task<Result<>> measure_spawn_many(Cx& cx, Samples& samples) {
  Region region(cx);
  std::vector<rt::Join<int>> joins;
  joins.reserve(kTogether);
  {
    Sample sample(samples, "spawn_many", kOperations);
    for (size_t done = 0; done < kOperations; done += kTogether) {
      for (size_t i = 0; i < kTogether; ++i) {
        joins.push_back(region.spawn("child", [](Cx&) { return child(1); }));
      }
      for (auto& join : joins) keep((co_await join.wait(cx)).ok());
      joins.clear();
    }
  }
  co_await region.close();
  co_return Result<>();
}

Task<Result<>> measure_await(Cx&, Samples& samples) {
  Sample sample(samples, "await", kOperations);
  for (size_t i = 0; i < kOperations; ++i) keep(*co_await child(static_cast<int>(i)));
  co_return Result<>();
}

// Lets everything else that is ready run first.
class Yield final : public rt::Waiter {
 public:
  using Waiter::Waiter;
  bool await_ready() { return checkpoint_failed(); }
  void await_suspend(std::coroutine_handle<> handle) {
    suspend(handle);
    wake();
  }
  void await_resume() const {}
};

Task<Result<>> reschedule(Cx& cx, size_t count) {
  for (size_t i = 0; i < count; ++i) co_await Yield(cx);
  co_return Result<>();
}

Task<Result<>> measure_reschedule(Cx& cx, Samples& samples) {
  Sample sample(samples, "reschedule", kOperations);
  co_return co_await reschedule(cx, kOperations);
}

Task<Result<>> measure_reschedule_many(Cx& cx, Samples& samples) {
  Region region(cx);
  for (size_t i = 0; i < kTogether; ++i) {
    region.spawn("task", [](Cx& cx) { return reschedule(cx, kOperations / kTogether); });
  }
  Sample sample(samples, "reschedule_many", kOperations);
  co_await region.close();
  co_return Result<>();
}

Task<Result<>> send_all(Cx& cx, rt::Channel<int>& channel, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
    std::move(permit).send(static_cast<int>(i));
  }
  co_return Result<>();
}

Task<Result<>> receive(Cx& cx, rt::Channel<int>& channel, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    ASPEN_CO_TRY(std::optional<int> item, co_await channel.recv(cx));
    keep(*item);
  }
  co_return Result<>();
}

Task<Result<>> measure_channel(Cx& cx, Samples& samples) {
  Region region(cx);
  rt::Channel<int> channel(region, kChannelCapacity);
  region.spawn("sender", [&](Cx& cx) { return send_all(cx, channel, kWarmUp + kOperations); });
  auto receiver = region.spawn("receiver", [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await receive(cx, channel, kWarmUp));
    Sample sample(samples, "channel", kOperations);
    co_return co_await receive(cx, channel, kOperations);
  });
  auto outcome = co_await receiver.wait(cx);
  co_await region.close();
  co_return std::move(outcome).result();
}

Task<Result<>> measure_cancel(Cx& cx, Samples& samples) {
  Region region(cx);
  for (size_t i = 0; i < kTogether; ++i) {
    region.spawn("sleeper", [](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(3600 * kSecond); });
  }
  co_await Yield(cx);
  co_await Yield(cx);  // all of them sleep
  Sample sample(samples, "cancel", 1);
  region.cancel({rt::CancelKind::user, "the end"});
  co_await region.close();
  co_return Result<>();
}

// One executor that holds all the timers that pend.
class Timers {
 public:
  Timers() : executor_(rt::system_env()), delays_(timer_delays_ns(kTimersPending)) {
    for (const long long delay : delays_)
      pending_.emplace_back(executor_, [] {}).arm(executor_.now() + delay);
    for (size_t i = 0; i < kTimersAtOnce; ++i) measured_.emplace_back(executor_, [] {});
  }

  void measure(Samples& samples) {
    Sample sample(samples, "timer", kOperations);
    for (size_t done = 0; done < kOperations; done += kTimersAtOnce) {
      for (rt::Timer& timer : measured_) timer.arm(executor_.now() + next_delay());
      for (rt::Timer& timer : measured_) timer.disarm();
    }
  }

 private:
  long long next_delay() { return delays_[next_++ % delays_.size()]; }

  rt::Executor executor_;
  std::vector<long long> delays_;
  size_t next_ = 0;
  std::deque<rt::Timer> pending_;
  std::deque<rt::Timer> measured_;
};

// Runs `measure` as the only task of a loop of its own.
void run(Task<Result<>> (*measure)(Cx&, Samples&), Samples& samples) {
  rt::Loop loop;
  Region root(loop.executor());
  root.spawn("bench", [&](Cx& cx) { return measure(cx, samples); }).then([&](const rt::Outcome<>& outcome) {
    if (!outcome.ok()) rt::detail::die(outcome.error().to_string());
    root.close([&] { loop.stop(); });
  });
  loop.run();
}

}  // namespace
}  // namespace aspen::bench

int main(int argc, char** argv) {
  using namespace aspen::bench;
  const int rounds = parse_rounds(argc, argv);
  Samples samples;
  Timers timers;
  for (int round = 0; round < rounds; ++round) {
    measure_bare(samples);
    for (auto measure : {measure_spawn, measure_spawn_many, measure_await, measure_reschedule,
                         measure_reschedule_many, measure_channel, measure_cancel}) {
      run(measure, samples);
    }
    timers.measure(samples);
  }
  samples.print();
}

// What rt_bench.cc measures, done with Asio, for bench/rt.
//
//   asio_bench ROUNDS     prints the samples, as micro.h says
//
// Each row runs on an io_context of its own that one thread uses and that is told so (no locks). There Asio
// calls epoll only in the rows that have timers, which favours it: a context in production always has some.
#include <asio.hpp>
#include <asio/experimental/channel.hpp>
#include <deque>
#include <exception>

#include "bench/micro.h"

namespace aspen::bench {
namespace {

using asio::awaitable;
using asio::use_awaitable;

[[gnu::noinline]] awaitable<int> child(int value) {
  co_return value;
}

awaitable<void> measure_spawn(Samples& samples) {
  auto executor = co_await asio::this_coro::executor;
  Sample sample(samples, "spawn", kOperations);
  for (size_t i = 0; i < kOperations; ++i) keep(co_await asio::co_spawn(executor, child(1), use_awaitable));
}

// Waits in turns of the queue, which is Asio's cheapest way to wait for many.
awaitable<void> until_none(const size_t& alive) {
  auto executor = co_await asio::this_coro::executor;
  while (alive > 0) co_await asio::post(executor, use_awaitable);
}

awaitable<void> measure_spawn_many(Samples& samples) {
  auto executor = co_await asio::this_coro::executor;
  Sample sample(samples, "spawn_many", kOperations);
  for (size_t done = 0; done < kOperations; done += kTogether) {
    size_t alive = kTogether;
    for (size_t i = 0; i < kTogether; ++i) {
      asio::co_spawn(executor, child(1), [&alive](const std::exception_ptr&, int) { --alive; });
    }
    co_await until_none(alive);
  }
}

awaitable<void> measure_await(Samples& samples) {
  Sample sample(samples, "await", kOperations);
  for (size_t i = 0; i < kOperations; ++i) keep(co_await child(static_cast<int>(i)));
}

awaitable<void> reschedule(size_t count) {
  auto executor = co_await asio::this_coro::executor;
  for (size_t i = 0; i < count; ++i) co_await asio::post(executor, use_awaitable);
}

awaitable<void> measure_reschedule(Samples& samples) {
  Sample sample(samples, "reschedule", kOperations);
  co_await reschedule(kOperations);
}

awaitable<void> measure_reschedule_many(Samples& samples) {
  auto executor = co_await asio::this_coro::executor;
  size_t alive = kTogether;
  for (size_t i = 0; i < kTogether; ++i) {
    auto ended = [&alive](const std::exception_ptr&) { --alive; };
    asio::co_spawn(executor, reschedule(kOperations / kTogether), ended);
  }
  Sample sample(samples, "reschedule_many", kOperations);
  co_await until_none(alive);
}

using Channel = asio::experimental::channel<void(asio::error_code, int)>;

awaitable<void> send_all(Channel& channel, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    co_await channel.async_send(asio::error_code(), static_cast<int>(i), use_awaitable);
  }
}

awaitable<void> measure_channel(Samples& samples) {
  auto executor = co_await asio::this_coro::executor;
  Channel channel(executor, kChannelCapacity);
  asio::co_spawn(executor, send_all(channel, kWarmUp + kOperations), asio::detached);
  for (size_t i = 0; i < kWarmUp; ++i) keep(co_await channel.async_receive(use_awaitable));
  Sample sample(samples, "channel", kOperations);
  for (size_t i = 0; i < kOperations; ++i) keep(co_await channel.async_receive(use_awaitable));
}

awaitable<void> sleeper() {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::hours(1));
  co_await timer.async_wait(use_awaitable);
}

awaitable<void> measure_cancel(Samples& samples) {
  auto executor = co_await asio::this_coro::executor;
  std::deque<asio::cancellation_signal> signals(kTogether);
  size_t alive = signals.size();
  for (auto& signal : signals) {
    auto ended = [&alive](const std::exception_ptr&) { --alive; };
    asio::co_spawn(executor, sleeper(), asio::bind_cancellation_slot(signal.slot(), ended));
  }
  co_await asio::post(executor, use_awaitable);
  co_await asio::post(executor, use_awaitable);  // all of them sleep
  Sample sample(samples, "cancel", 1);
  for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
  co_await until_none(alive);
}

// One context that holds all the timers that pend.
class Timers {
 public:
  Timers() : delays_(timer_delays_ns(kTimersPending)) {
    for (const long long delay : delays_) arm(pending_.emplace_back(context_), delay);
    for (size_t i = 0; i < kTimersAtOnce; ++i) measured_.emplace_back(context_);
  }

  // A timer that is cancelled calls its handler, which is part of what it costs.
  void measure(Samples& samples) {
    Sample sample(samples, "timer", kOperations);
    for (size_t done = 0; done < kOperations; done += kTimersAtOnce) {
      for (auto& timer : measured_) arm(timer, next_delay());
      for (auto& timer : measured_) timer.cancel();
      context_.poll();
    }
  }

 private:
  void arm(asio::steady_timer& timer, long long delay) {
    timer.expires_at(start_ + std::chrono::nanoseconds(delay));
    timer.async_wait([](asio::error_code) {});
  }
  long long next_delay() { return delays_[next_++ % delays_.size()]; }

  asio::io_context context_{ASIO_CONCURRENCY_HINT_UNSAFE};
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::vector<long long> delays_;
  size_t next_ = 0;
  std::deque<asio::steady_timer> pending_;
  std::deque<asio::steady_timer> measured_;
};

void run(awaitable<void> (*measure)(Samples&), Samples& samples) {
  asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
  asio::co_spawn(context, measure(samples), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
}

}  // namespace
}  // namespace aspen::bench

int main(int argc, char** argv) {
  using namespace aspen::bench;
  const int rounds = parse_rounds(argc, argv);
  Samples samples;
  Timers timers;
  for (int round = 0; round < rounds; ++round) {
    for (auto measure : {measure_spawn, measure_spawn_many, measure_await, measure_reschedule,
                         measure_reschedule_many, measure_channel, measure_cancel}) {
      run(measure, samples);
    }
    timers.measure(samples);
  }
  samples.print();
}

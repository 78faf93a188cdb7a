// Stops asking what keeps failing, and tries now and then whether it is back.
//
// Calls to a dead service cost their timeout each, and a struggling one does not recover under them. The
// breaker refuses such calls at once (Nygard, Release It!, 2007).
//
//   CircuitBreaker breaker(executor, {.failures_max = 5, .open_for = kSecond});
//   auto reply = co_await breaker.run(cx, [&](Cx& cx) { return ask(cx, server); });
//
// Transitions:
//
//            failures_max failures in a row
//     closed ------------------------------> open <----------.
//       ^                                     | open_for      | a failure
//       |                                     v has passed    |
//       '------------------------------- half-open -----------'
//               probes_max successes
//
//   closed     lets all calls through; a success forgets the failures before it.
//   open       refuses all.
//   half-open  lets probes_max calls through at a time, and refuses the others.
//
// A failure is a panic or an error for which `counts` is true: by default those that may pass
// (Error::retryable: UNAVAILABLE, OVERLOADED, DEADLINE_EXCEEDED and so on); other errors are answers, and
// count as success. A call whose caller was cancelled counts as neither, unless its time was over. The end of
// a call that began before the latest transition counts for nothing.
//
// run() runs the function in the caller's task: nothing else runs, and there are no losers; a cancel reaches
// the function and a panic passes through.
// Errors: UNAVAILABLE when refused, those of the function.
// Bounds: none wait. Lifetime: outlives its calls. Thread safety: none; one executor's thread.
#pragma once

#include <functional>

#include "core/rt/attempt.h"

namespace aspen::rt {

struct CircuitBreakerOptions {
  size_t failures_max = 5;
  DurationNs open_for = kSecond;
  size_t probes_max = 1;
  std::function<bool(const Error&)> counts = [](const Error& error) { return error.retryable(); };
};

class CircuitBreaker {
 public:
  enum class State : uint8_t { closed, open, half_open };

  // Closed. Requires: failures_max and probes_max are not 0.
  CircuitBreaker(Executor& executor, CircuitBreakerOptions options);
  CircuitBreaker(const CircuitBreaker&) = delete;
  CircuitBreaker& operator=(const CircuitBreaker&) = delete;

  template <typename F, typename T = ResultOf<F, Cx&>>
  Task<Result<T>> run(Cx& cx, F function) {
    ASPEN_CO_CHECK(cx.checkpoint());
    ASPEN_CO_CHECK(admit());
    Call call(*this);
    Result<T> result = co_await function(cx);
    call.end(judge(cx, result ? nullptr : &result.error()));
    co_return result;
  }

  State state() const;

 private:
  enum class Verdict : uint8_t { success, failure, neither };

  // One call: a failure unless its end is told, which only a panic leaves out.
  class Call {
   public:
    explicit Call(CircuitBreaker& breaker) : breaker_(breaker), period_(breaker.period_) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() { breaker_.ended(period_, verdict_); }
    void end(Verdict verdict) { verdict_ = verdict; }

   private:
    CircuitBreaker& breaker_;
    uint64_t period_;
    Verdict verdict_ = Verdict::failure;
  };

  // Errors: UNAVAILABLE.
  Result<> admit();
  Verdict judge(const Cx& cx, const Error* error) const;
  void ended(uint64_t period, Verdict verdict);
  void enter(State state);

  Executor& executor_;
  const CircuitBreakerOptions options_;
  State state_ = State::closed;
  uint64_t period_ = 0;    // counts the transitions
  size_t failures_ = 0;    // closed: in a row
  size_t successes_ = 0;   // half-open
  size_t probes_ = 0;      // half-open: calls that run
  TimeNs open_until_ = 0;  // open
};

}  // namespace aspen::rt

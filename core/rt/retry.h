// Tries again what failed for a passing reason, ever more patiently.
//
//   auto reply = co_await retry(cx, {.attempts_max = 5}, [&](Cx& cx, size_t attempt) { return ask(cx); });
//
// Between attempts it waits a random time up to a bound that doubles: clients that failed together do not
// come back together ("full jitter": Brooker, Exponential Backoff and Jitter, AWS Architecture Blog, 2015).
// Attempts run one after the other in the caller's task, so nothing else runs and there are no losers.
//
// Retried are errors that may pass (Error::retryable) and that certainly did nothing (Applied::NO); also
// those that may have been applied when `idempotent` says that doing it twice is doing it once. Everything
// else is the result at once, a panic passes through. Result: the first value, or the last error; an error in
// whose wait the caller's deadline would pass is the result at once, and so is one at which the caller has
// been cancelled. Cancel: ends the attempt or the wait; in the wait the result is the cancel's error. Errors:
// INVALID_ARGUMENT for no attempts. Bounds: `attempts_max` attempts; each wait is at most `backoff_max`.
#pragma once

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/rt/attempt.h"

namespace aspen::rt {

struct RetryOptions {
  size_t attempts_max = limits::kRetryAttempts;
  DurationNs backoff_base = 10 * kMillisecond;  // the bound of the first wait
  DurationNs backoff_max = kSecond;             // and of every other
  bool idempotent = false;
};

namespace detail {

inline bool may_retry(const Error& error, const RetryOptions& options) {
  if (ASPEN_MUTANT("rt-retry-retries-permanent-error")) return true;
  if (!error.retryable()) return false;
  return options.idempotent || error.applied == Applied::NO || ASPEN_MUTANT("rt-retry-applies-twice");
}

// A random time up to backoff_base * 2^failures, or backoff_max if that is less.
inline DurationNs backoff(Env& env, const RetryOptions& options, size_t failures) {
  DurationNs bound = std::min(options.backoff_base, options.backoff_max);
  for (size_t i = 0; i < failures && bound < options.backoff_max; ++i) {
    bound = bound > options.backoff_max / 2 ? options.backoff_max : bound * 2;
  }
  if (bound <= 0) return 0;
  return static_cast<DurationNs>(env.random_u64() % (static_cast<uint64_t>(bound) + 1));
}

}  // namespace detail

template <typename F, typename T = ResultOf<F, Cx&, size_t>>
Task<Result<T>> retry(Cx& cx, RetryOptions options, F function) {
  if (options.attempts_max == 0) co_return fail(Code::INVALID_ARGUMENT, "a retry of 0 attempts; at least 1");
  for (size_t attempt = 0;; ++attempt) {
    Result<T> result = co_await function(cx, attempt);
    if (result || !detail::may_retry(result.error(), options)) co_return result;
    if (attempt + 1 >= options.attempts_max || cx.cancelled()) co_return result;
    const TimeNs at = cx.after(detail::backoff(cx.env(), options, attempt));
    if (at >= cx.deadline() && !ASPEN_MUTANT("rt-retry-past-deadline")) co_return result;
    ASPEN_CO_CHECK(co_await cx.sleep_until(at));
  }
}

}  // namespace aspen::rt

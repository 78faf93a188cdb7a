// So many per period on average, and so many at once: a token bucket.
//
//   RateLimit logins(executor, {.tokens = 100, .period = kSecond, .burst = 20});
//   ASPEN_CO_CHECK(co_await logins.acquire(cx));
//
// A bucket of `burst` tokens fills at the rate; each use takes some and waits while there are too few. The
// bucket is kept as one time, that at which it is full again (the generic cell rate algorithm, ITU-T I.371,
// annex A): no timer runs while nobody waits, and no rounding adds up.
//
// Guarantee: in any time d at most burst + d / (period / tokens) are given out. The interval of a token is
// rounded up to whole nanoseconds, so that the rate is never exceeded.
// Fairness: first come, first served; one that waits for many holds back those behind it.
// Cancel: a waiter that is cancelled takes nothing, and those it held back go on.
// Bounds: `waiters_max` tasks wait, then OVERLOADED.
// Lifetime: who waits when it goes hears UNAVAILABLE. Thread safety: none; one executor's thread.
#pragma once

#include "core/rt/wait_queue.h"

namespace aspen::rt {

struct RateLimitOptions {
  uint64_t tokens;  // per period; at most one for each nanosecond
  DurationNs period = kSecond;
  uint64_t burst = 1;
  size_t waiters_max = limits::kWaitersMax;
};

class RateLimit {
 public:
  // Full. Requires: 0 < tokens <= period, 0 < burst, and a full bucket takes less than a year to fill.
  RateLimit(Executor& executor, const RateLimitOptions& options);

  // Errors: OVERLOADED when it would have to wait, LIMIT_EXCEEDED for more than `burst`.
  Result<> try_acquire(uint64_t tokens = 1);

  class Acquire;
  // co_await -> Result<>. Errors: LIMIT_EXCEEDED, OVERLOADED when too many wait, the cancel reason.
  Acquire acquire(Cx& cx, uint64_t tokens = 1);

  // In the bucket now.
  uint64_t available() const;
  size_t waiting() const { return waiters_.size(); }

 private:
  Result<> check(uint64_t tokens) const;
  // When there will be so many.
  TimeNs ready_at(uint64_t tokens) const;
  bool take(uint64_t tokens);
  // Lets go who can, and comes back when the next can.
  void serve();

  Executor& executor_;
  const uint64_t burst_;
  const DurationNs interval_;  // of one token
  TimeNs full_at_;
  WaitQueue waiters_;
  Timer timer_;
};

class RateLimit::Acquire final : public WaitQueue::Entry {
 public:
  Acquire(Cx& cx, RateLimit& limit, uint64_t tokens)
      : Entry(cx, limit.waiters_), limit_(limit), tokens_(tokens) {}
  bool await_ready();
  void await_suspend(std::coroutine_handle<> handle);
  Result<> await_resume();

 private:
  friend class RateLimit;
  void left() override;
  RateLimit& limit_;
  uint64_t tokens_;
  bool taken_ = false;
};

inline RateLimit::Acquire RateLimit::acquire(Cx& cx, uint64_t tokens) {
  return Acquire(cx, *this, tokens);
}

}  // namespace aspen::rt

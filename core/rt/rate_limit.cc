#include "core/rt/rate_limit.h"

#include <algorithm>

#include "core/base/mutant.h"

namespace aspen::rt {
namespace {

constexpr DurationNs kYear = 365 * 24 * 3600 * kSecond;

DurationNs interval_of(const RateLimitOptions& options) {
  ASPEN_ASSERT(options.period > 0 && options.tokens > 0 && options.burst > 0);
  const auto period = static_cast<uint64_t>(options.period);
  ASPEN_ASSERT(options.tokens <= period);
  const uint64_t interval = (period - 1) / options.tokens + 1;
  ASPEN_ASSERT(options.burst <= static_cast<uint64_t>(kYear) / interval);
  return static_cast<DurationNs>(interval);
}

}  // namespace

RateLimit::RateLimit(Executor& executor, const RateLimitOptions& options)
    : executor_(executor),
      burst_(options.burst),
      interval_(interval_of(options)),
      full_at_(executor.now()),
      waiters_("rate limit", options.waiters_max),
      timer_(executor, [this] { serve(); }) {}

uint64_t RateLimit::available() const {
  const DurationNs missing = std::max<DurationNs>(0, full_at_ - executor_.now());
  return burst_ - static_cast<uint64_t>((missing + interval_ - 1) / interval_);
}

Result<> RateLimit::check(uint64_t tokens) const {
  if (tokens <= burst_) return {};
  return fail(Code::LIMIT_EXCEEDED, "{} tokens of a rate limit were asked for; its burst is {}", tokens,
              burst_);
}

TimeNs RateLimit::ready_at(uint64_t tokens) const {
  return full_at_ - static_cast<DurationNs>(burst_ - tokens) * interval_;
}

bool RateLimit::take(uint64_t tokens) {
  const TimeNs now = executor_.now();
  if (ready_at(tokens) > now) return false;
  const bool full = full_at_ <= now && !ASPEN_MUTANT("rt-rate-limit-overshoots");
  full_at_ = (full ? now : full_at_) + static_cast<DurationNs>(tokens) * interval_;
  return true;
}

Result<> RateLimit::try_acquire(uint64_t tokens) {
  ASPEN_CHECK(check(tokens));
  if (waiters_.empty() && take(tokens)) return {};
  return fail(Code::OVERLOADED,
              "the rate limit has {} tokens and {} tasks wait; {} were asked for; try later", available(),
              waiters_.size(), tokens);
}

void RateLimit::serve() {
  while (auto* first = waiters_.front_as<Acquire>()) {
    if (!take(first->tokens_)) return timer_.arm(ready_at(first->tokens_));
    waiters_.serve(*first);
  }
  timer_.disarm();
}

void RateLimit::Acquire::left() {
  if (!ASPEN_MUTANT("rt-rate-limit-cancel-holds-back")) limit_.serve();
}

bool RateLimit::Acquire::await_ready() {
  if (checkpoint_failed() || tokens_ > limit_.burst_) return true;
  taken_ = limit_.waiters_.empty() && limit_.take(tokens_);
  return taken_ || turned_away();
}

void RateLimit::Acquire::await_suspend(std::coroutine_handle<> handle) {
  Entry::await_suspend(handle);
  limit_.serve();
}

Result<> RateLimit::Acquire::await_resume() {
  ASPEN_CHECK(check());
  if (taken_ || served()) return {};
  return limit_.check(tokens_);
}

}  // namespace aspen::rt

#include "core/rt/circuit_breaker.h"

#include "core/base/mutant.h"

namespace aspen::rt {

CircuitBreaker::CircuitBreaker(Executor& executor, CircuitBreakerOptions options)
    : executor_(executor), options_(std::move(options)) {
  ASPEN_ASSERT(options_.failures_max > 0 && options_.probes_max > 0);
}

CircuitBreaker::State CircuitBreaker::state() const {
  if (ASPEN_MUTANT("rt-circuit-breaker-never-half-opens")) return state_;
  return state_ == State::open && executor_.now() >= open_until_ ? State::half_open : state_;
}

Result<> CircuitBreaker::admit() {
  if (state() != state_) enter(State::half_open);
  if (state_ == State::open) {
    return fail(Code::UNAVAILABLE,
                "the circuit breaker is open for another {} ms after {} failures; try later",
                (open_until_ - executor_.now()) / kMillisecond, options_.failures_max);
  }
  if (state_ == State::closed) return {};
  if (probes_ >= options_.probes_max && !ASPEN_MUTANT("rt-circuit-breaker-all-probe")) {
    return fail(Code::UNAVAILABLE,
                "the circuit breaker is half open and {} calls try it; at most {}; try later", probes_,
                options_.probes_max);
  }
  ++probes_;
  return {};
}

CircuitBreaker::Verdict CircuitBreaker::judge(const Cx& cx, const Error* error) const {
  if (error == nullptr) return Verdict::success;
  const bool overdue = error->code == Code::DEADLINE_EXCEEDED;
  if (error->code == Code::CANCELLED || error->code == Code::SHUTDOWN) return Verdict::neither;
  if (cx.cancelled() && !overdue) return Verdict::neither;
  return options_.counts(*error) ? Verdict::failure : Verdict::success;
}

void CircuitBreaker::ended(uint64_t period, Verdict verdict) {
  if (period != period_) return;
  if (verdict == Verdict::neither && ASPEN_MUTANT("rt-circuit-breaker-keeps-cancelled-probe")) return;
  if (state_ == State::half_open) --probes_;
  if (verdict == Verdict::neither) return;
  if (verdict == Verdict::success) {
    failures_ = 0;
    if (state_ == State::half_open && ++successes_ >= options_.probes_max) enter(State::closed);
    return;
  }
  ++failures_;
  if (state_ == State::half_open || failures_ >= options_.failures_max) enter(State::open);
}

void CircuitBreaker::enter(State state) {
  state_ = state;
  ++period_;
  failures_ = successes_ = probes_ = 0;
  if (state != State::open) return;
  const TimeNs now = executor_.now();
  open_until_ = options_.open_for > kNever - now ? kNever : now + options_.open_for;
}

}  // namespace aspen::rt

// Asks again when the answer is slow, and takes the first that comes.
//
// A few requests in a hundred are slow for reasons of one server only. Sending a second one when the first
// has taken longer than almost all do cuts that tail, at the price of a few per cent more requests (Dean and
// Barroso, The Tail at Scale, CACM 56(2), 2013, "hedged requests").
//
//   auto reply = co_await hedge(cx, {.delay = p95}, [&](Cx& cx, size_t attempt) {
//     return ask(cx, replicas[attempt]);
//   });
//
// Attempt 0 starts at once, and each other `delay` after the one before while no value has come. Hedging is
// against slowness and not against errors: an error starts nothing, and when all that were started have
// failed it is over. retry() around it, or first_ok() instead, is for errors.
// Result: the first value; without one, the worst of the errors. A panic ends it at once and is the result.
// Ties: crew.h.
// Losers: cancelled (race_lost) and awaited; their values go to `discard`, or are destroyed without one.
// Cancel: reaches all and is awaited, and starts no more; a value that came nevertheless is the result.
// Errors: INVALID_ARGUMENT without attempts.
// Bounds: `attempts_max` tasks. `function` is called once for each, and may be entered again while it runs.
#pragma once

#include "core/rt/crew.h"

namespace aspen::rt {

struct HedgeOptions {
  DurationNs delay;  // what almost all answers take: their 95th percentile, say
  size_t attempts_max = 2;
};

template <typename F, typename T = ResultOf<F, Cx&, size_t>>
Task<Result<T>> hedge(Cx& cx, HedgeOptions options, F function, Discard<T> discard = {}) {
  if (options.attempts_max == 0) co_return fail(Code::INVALID_ARGUMENT, "a hedge of 0 attempts; at least 1");
  Crew<T> crew(cx, "hedge");
  TimeNs due = kNever;
  auto start_next = [&] {
    crew.start([&function, attempt = crew.size()](Cx& cx) { return function(cx, attempt); });
    due = cx.after(options.delay);
  };
  auto may_start = [&] {
    const bool wanted = !cx.cancelled() || ASPEN_MUTANT("rt-hedge-starts-when-cancelled");
    return wanted && crew.size() < options.attempts_max;
  };
  start_next();
  std::optional<size_t> winner;
  while (crew.more()) {
    auto ended = co_await crew.next(cx, may_start() ? due : kNever);
    if (!ended) {
      if (may_start() && crew.more()) start_next();
      continue;
    }
    Severity severity = crew.outcome(*ended).severity();
    if (severity != Severity::ok && severity != Severity::panicked) continue;
    winner = ended;
    break;
  }
  if (ASPEN_MUTANT("rt-hedge-leaves-first")) co_await crew.close();
  co_await crew.stop({CancelKind::race_lost, "another attempt answered first"});
  co_return crew.settle(winner, discard);
}

}  // namespace aspen::rt

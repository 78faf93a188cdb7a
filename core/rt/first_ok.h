// The first value wins; an error only counts when there is no value at all.
//
// For replicas that are as good as each other, asked at once:
//
//   auto reply = co_await first_ok(cx, std::move(ask_each_replica));
//
// Result: the first value; without one, the worst of the errors, the first argument's of equally bad ones.
// A panic ends it at once and is the result. Ties: crew.h.
// Losers: cancelled (race_lost) and awaited; their values go to `discard`, or are destroyed without one.
// Cancel: reaches all and is awaited; a value that came nevertheless is the result.
// Errors: INVALID_ARGUMENT without attempts.
// Bounds: one task for each attempt.
#pragma once

#include "core/rt/crew.h"

namespace aspen::rt {

template <typename T>
Task<Result<T>> first_ok(Cx& cx, Attempts<T> attempts, Discard<T> discard = {}) {
  if (attempts.empty()) co_return fail(Code::INVALID_ARGUMENT, "first_ok of 0 attempts; at least 1");
  Crew<T> crew(cx, "first_ok");
  for (Attempt<T>& attempt : attempts) crew.start(std::move(attempt));
  std::optional<size_t> winner;
  while (auto ended = co_await crew.next(cx)) {
    Severity severity = crew.outcome(*ended).severity();
    const bool counts = severity == Severity::ok || severity == Severity::panicked;
    if (!counts && !ASPEN_MUTANT("rt-first-ok-takes-an-error")) continue;
    winner = ended;
    break;
  }
  co_await crew.stop({CancelKind::race_lost, "another attempt succeeded first"});
  co_return crew.settle(winner, discard);
}

}  // namespace aspen::rt

// The first to end wins; the others are cancelled and awaited.
//
// For things of which one is enough and each would do: a reply or a shutdown, two ways to the same peer.
//
//   auto event = co_await race(cx, attempts([&](Cx& cx) { return reply(cx); },
//                                           [&](Cx& cx) { return stopped(cx); }));
//
// Result: what the first to end returned, value or error; an error that only says it was cancelled loses
// against whatever else still comes. Ties and panics: crew.h.
// Losers: cancelled (race_lost) and awaited; their values go to `discard`, or are destroyed without one.
// Cancel: reaches all and is awaited; a value that came nevertheless is the result.
// Errors: INVALID_ARGUMENT for a race of none.
// Bounds: one task for each attempt.
#pragma once

#include "core/rt/crew.h"

namespace aspen::rt {

template <typename T>
Task<Result<T>> race(Cx& cx, Attempts<T> attempts, Discard<T> discard = {}) {
  if (attempts.empty()) co_return fail(Code::INVALID_ARGUMENT, "a race of 0 attempts; at least 1");
  Crew<T> crew(cx, "race");
  for (Attempt<T>& attempt : attempts) crew.start(std::move(attempt));
  std::optional<size_t> winner;
  while (auto ended = co_await crew.next(cx)) {
    const bool cut_short = crew.outcome(*ended).severity() == Severity::cancelled;
    if (cut_short && !ASPEN_MUTANT("rt-race-cancelled-wins")) continue;
    winner = ended;
    break;
  }
  co_await crew.stop({CancelKind::race_lost, "another attempt won the race"});
  co_return crew.settle(winner, discard);
}

}  // namespace aspen::rt

// The first k values of n attempts.
//
// For reads and writes that are good when a majority has answered:
//
//   auto replies = co_await quorum(cx, 2, std::move(ask_three_replicas));   // Result<std::vector<Reply>>
//
// Result: the k values that came first, in argument order; only values count. When too many have failed for k
// to come, the worst of those failures. A panic ends it at once and is the result. Ties: crew.h.
// Losers: once k values are there the others are cancelled (race_lost) and awaited; when k cannot come any
// more, with kind fail_fast. Values that are not in the result, also those before a failure, go to `discard`,
// or are destroyed without one.
// Cancel: reaches all and is awaited; k values that came nevertheless are the result.
// Errors: INVALID_ARGUMENT unless 0 < k <= n.
// Bounds: one task for each attempt.
#pragma once

#include "core/rt/crew.h"

namespace aspen::rt {

template <typename T>
Task<Result<Values<T>>> quorum(Cx& cx, size_t k, Attempts<T> attempts, Discard<T> discard = {}) {
  const size_t n = attempts.size();
  if (k == 0 || k > n) {
    co_return fail(Code::INVALID_ARGUMENT, "a quorum of {} of {} attempts; it needs 1 to {}", k, n, n);
  }
  Crew<T> crew(cx, "quorum");
  for (Attempt<T>& attempt : attempts) crew.start(std::move(attempt));
  std::vector<size_t> good;
  size_t failed = 0;
  while (good.size() < k && failed <= n - k) {
    const size_t ended = *co_await crew.next(cx);
    Severity severity = crew.outcome(ended).severity();
    if (severity == Severity::panicked) break;
    if (severity == Severity::ok || ASPEN_MUTANT("rt-quorum-counts-failures")) {
      good.push_back(ended);
      if (ASPEN_MUTANT("rt-quorum-counts-twice")) good.push_back(ended);
    } else {
      ++failed;
    }
  }
  const bool reached = good.size() == k;
  co_await crew.stop(reached ? CancelReason{CancelKind::race_lost, "the quorum was reached without it"}
                             : CancelReason{CancelKind::fail_fast, "the quorum can no longer be reached"});
  std::optional<size_t> failure = crew.panicked();
  if (!failure && !reached) failure = crew.worst();
  if (failure) {
    Error error = crew.outcome(*failure).error();
    crew.discard_rest(discard);
    co_return std::unexpected(std::move(error));
  }
  std::ranges::sort(good);
  if constexpr (std::is_void_v<T>) {
    for (size_t i : good) crew.take(i);
    crew.discard_rest(discard);
    co_return Result<>();
  } else {
    std::vector<T> values;
    values.reserve(k);
    for (size_t i : good) values.push_back(*crew.take(i).result());
    crew.discard_rest(discard);
    co_return values;
  }
}

}  // namespace aspen::rt

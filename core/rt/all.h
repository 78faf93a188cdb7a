// All of them, each with how it ended.
//
//   Joined<int> joined = co_await all(cx, attempts(a, b, c));
//   ASPEN_CO_TRY(std::vector<int> values, std::move(joined).values());
//
// Result: every outcome in argument order, and which of them counts: the worst, the first of equally bad
// ones; none when all are values. With Policy::fail_fast the first Err or Panicked ends the others, and
// counts unless a panic came after it. Ties: crew.h. Losers: collect_all has none. With fail_fast the others
// are cancelled (fail_fast, because of what failed) and awaited, and all outcomes are there, values too;
// values() hands those it does not return to `discard`. Cancel: reaches all and is awaited; the outcomes say
// who was cut short. Bounds: one task for each attempt.
#pragma once

#include "core/rt/crew.h"

namespace aspen::rt {

template <typename T>
struct Joined {
  std::vector<Outcome<T>> outcomes;
  std::optional<size_t> counts;  // the one that makes this not ok

  bool ok() const { return !counts; }
  Severity severity() const { return ok() ? Severity::ok : outcomes[*counts].severity(); }
  // All values in argument order, or the error that counts; then values go to `discard`, or are destroyed
  // without one.
  Result<Values<T>> values(Discard<T> discard = {}) && {
    if (!ok()) {
      Error error = outcomes[*counts].error();
      for (Outcome<T>& outcome : outcomes) discard_value<T>(discard, std::move(outcome));
      return std::unexpected(std::move(error));
    }
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      std::vector<T> values;
      values.reserve(outcomes.size());
      for (Outcome<T>& outcome : outcomes) values.push_back(*std::move(outcome).result());
      return values;
    }
  }
};

template <typename T>
Task<Joined<T>> all(Cx& cx, Attempts<T> attempts, Policy policy = Policy::collect_all) {
  Crew<T> crew(cx, "all");
  for (Attempt<T>& attempt : attempts) crew.start(std::move(attempt));
  std::optional<size_t> failure;
  if (policy == Policy::fail_fast && !ASPEN_MUTANT("rt-all-goes-on-after-a-failure")) {
    failure = co_await crew.close_fail_fast(cx);
  } else {
    while (co_await crew.next(cx)) {
    }
    co_await crew.close();
  }
  Joined<T> joined;
  joined.counts = crew.panicked();
  if (!joined.counts) joined.counts = failure ? failure : crew.worst();
  joined.outcomes.reserve(crew.size());
  for (size_t i = 0; i < crew.size(); ++i) joined.outcomes.push_back(crew.take(i));
  if (joined.counts && joined.outcomes[*joined.counts].ok()) joined.counts.reset();
  co_return joined;
}

}  // namespace aspen::rt

// What is acquired is released, however its use ends.
//
//   auto rows = co_await bracket(cx, [&](Cx& cx) { return pool.connect(cx); },
//                                [&](Cx& cx, Connection& c) { return c.query(cx, text); },
//                                [&](Cx& cx, Connection c) -> Task<void> { co_await c.close(cx); });
//
// For releases that wait, which a destructor cannot. All three run in the caller's task, one after the other:
// nothing else runs, and there are no losers. `use` must not keep the reference.
//
// Result: what `use` returned. What `acquire` returned if that failed: then there is nothing to release.
// Release: runs exactly once when something was acquired: also when `use` failed, panicked or was cancelled,
// and when the cancel came before `use`, which then does not run. It is masked, so its waits go on within the
// cleanup budget of the cancel (cancel_node.h).
// Panic: goes on to the caller, after the release. Of two, the one in `use`; the other is logged.
// Cancel: ends `acquire` or `use` at their next checkpoint.
#pragma once

#include <exception>
#include <optional>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/rt/attempt.h"

namespace aspen::rt {

template <typename Acquire, typename Use, typename Release, typename R = ResultOf<Acquire, Cx&>,
          typename T = ResultOf<Use, Cx&, R&>>
Task<Result<T>> bracket(Cx& cx, Acquire acquire, Use use, Release release) {
  ASPEN_CO_TRY(R resource, co_await acquire(cx));
  std::optional<Result<T>> result;
  std::exception_ptr panic;
  if (auto checked = cx.checkpoint(); !checked) {
    result = forward_error(std::move(checked));
  } else {
    try {
      result = co_await use(cx, resource);
    } catch (...) {
      panic = std::current_exception();
    }
  }
  if (!cx.cancelled() || !ASPEN_MUTANT("rt-bracket-release-skipped-on-cancel")) {
    std::optional<Cx::Mask> mask;
    if (!ASPEN_MUTANT("rt-bracket-release-cut-short")) mask.emplace(cx);
    try {
      co_await release(cx, std::move(resource));
    } catch (...) {
      if (panic) log(LogLevel::error, "a release panicked after its use: {}", current_panic_text());
      if (!panic) panic = std::current_exception();
    }
  }
  if (panic) std::rethrow_exception(panic);
  co_return *std::move(result);
}

}  // namespace aspen::rt

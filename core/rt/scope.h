// A region around a piece of code, closed whatever happens in it.
//
//   int shared = 0;                                       // outside: the tasks may still use it when the
//   auto result = co_await scope(cx, {.policy = Policy::fail_fast}, [&](Cx& cx, Region& region)
//       -> Task<Result<int>> {                            // body is over
//     auto a = region.spawn("a", [&](Cx& cx) -> Task<Result<>> { ... });
//     if (shared > 1) co_return fail(...);                // returning early is safe, a Panic too
//     co_return 42;
//   });
//
// The body is itself a task of the region, so nothing it does can leave the region open. When it ends well
// the other tasks run to their end; when it does not, they are cancelled. Either way the scope is over when
// the region is closed. What the body's lambda captured lives as long; what is declared inside the body does
// not, so tasks must not refer to that.
//
// The result is the body's; but in a fail_fast region, the failure of another task if that is what ended the
// body, or came after it.
#pragma once

#include <utility>

#include "core/rt/region.h"

namespace aspen::rt {

template <typename F>
auto scope(Cx& cx, RegionOptions options, F function) -> std::invoke_result_t<F, Cx&, Region&> {
  Region region(cx, options);
  auto join = region.spawn("scope", [&](Cx& cx) { return function(cx, region); });
  auto outcome = co_await join.wait(cx);
  if (!outcome.ok()) region.cancel({CancelKind::fail_fast, "the scope's body failed"});
  co_await region.close();
  bool others = outcome.ok() || outcome.severity() == Severity::cancelled;
  if (others && region.failure()) co_return std::unexpected(*region.failure());
  co_return std::move(outcome).result();
}

}  // namespace aspen::rt

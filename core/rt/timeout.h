// A function with a limit on its time.
//
//   auto reply = co_await timeout(cx, kSecond, [&](Cx& cx) { return ask(cx, replica); });
//
// The function runs as a task whose deadline is `duration` from now, or the caller's if that is earlier. When
// the time is over it is cancelled (kind timeout; deadline, when it was the caller's) and awaited: no timeout
// leaves work behind, so one over work that masks cancels takes as long as that does.
// Result: the function's, also a value that came when the time was over; DEADLINE_EXCEEDED when it was cut
// short; INTERNAL when it panicked.
// Cancel: reaches the function and is awaited.
// Bounds: one task.
#pragma once

#include "core/base/mutant.h"
#include "core/rt/region.h"

namespace aspen::rt {

template <typename F>
auto timeout(Cx& cx, DurationNs duration, F function) -> std::invoke_result_t<F, Cx&> {
  const TimeNs due = ASPEN_MUTANT("rt-timeout-does-not-cancel") ? kNever : cx.after(duration);
  const bool earlier = due < cx.deadline();
  Region region(cx, {.name = "timeout"});
  auto join = region.spawn("timeout", std::move(function), due);
  // Of this reason and the deadline's, which come at the same time, this one stands (cancel.h).
  Timer timer(cx.executor(), [&] {
    join.cancel({CancelKind::timeout, fmt::format("it took longer than {} us", duration / kMicrosecond)});
  });
  if (earlier) timer.arm(due);
  auto outcome = co_await join.wait(cx);
  timer.disarm();
  co_await region.close();
  if (ASPEN_MUTANT("rt-timeout-drops-late-value") && cx.now() >= due) co_return fail(Code::IO, "too late");
  co_return std::move(outcome).result();
}

}  // namespace aspen::rt

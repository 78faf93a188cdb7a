// So many calls at once, a bounded number that wait their turn, and the rest refused at once.
//
// What one dependency is given of a service's tasks and memory is limited, so that a slow one cannot sink the
// whole (Nygard, Release It!, 2007); refusing at once what would only time out in a long queue keeps the
// others fast.
//
//   Bulkhead uploads(region, {.name = "uploads", .running_max = 8, .waiting_max = 32});
//   auto stored = co_await uploads.run(cx, [&](Cx& cx) { return store(cx, blob); });
//
// run() runs the function in the caller's task: nothing else runs, and there are no losers. A panic passes
// through and returns the place.
// Fairness: first come, first served; a place that is returned is handed over (semaphore.h).
// Cancel: reaches the function; one that waits takes no place, and one that gets it together with its cancel
// returns it and does not run the function.
// Result: the function's. Errors: OVERLOADED when refused, UNAVAILABLE when the bulkhead went meanwhile.
// Bounds: `running_max` run and `waiting_max` wait.
// Lifetime: the region outlives the bulkhead, and the bulkhead the calls that run. Thread safety: none; one
// executor's thread.
#pragma once

#include "core/base/mutant.h"
#include "core/rt/attempt.h"
#include "core/rt/semaphore.h"

namespace aspen::rt {

struct BulkheadOptions {
  const char* name = "bulkhead";  // in errors and in the region's ledger: a literal
  size_t running_max;
  size_t waiting_max = 0;
};

class Bulkhead {
 public:
  // Requires: running_max is not 0.
  Bulkhead(Region& region, const BulkheadOptions& options)
      : options_(options), places_(region, options.running_max, options.name) {}

  template <typename F, typename T = ResultOf<F, Cx&>>
  Task<Result<T>> run(Cx& cx, F function) {
    ASPEN_CO_CHECK(cx.checkpoint());
    ASPEN_CO_CHECK(admit());
    ASPEN_CO_TRY(auto place, co_await places_.acquire(cx));
    if (!ASPEN_MUTANT("rt-bulkhead-runs-the-cancelled")) ASPEN_CO_CHECK(cx.checkpoint());
    co_return co_await function(cx);
  }

  size_t running() const { return options_.running_max - places_.available(); }
  size_t waiting() const { return places_.waiting(); }

 private:
  Result<> admit() const {
    if (places_.available() > 0 || waiting() < options_.waiting_max) return {};
    if (ASPEN_MUTANT("rt-bulkhead-queue-unbounded")) return {};
    return fail(Code::OVERLOADED, "{}: {} calls run and {} wait; at most {} and {}; try later", options_.name,
                running(), waiting(), options_.running_max, options_.waiting_max);
  }

  const BulkheadOptions options_;
  Semaphore places_;
};

}  // namespace aspen::rt

// Many runs, each in a process of its own: as many at a time as there are cores, and one that crashes or
// hangs is a failed run with its seed, not the end of all.
//
//   run_all(jobs, [&]() -> std::optional<RunOptions> { ... }, [&](const RunReport& report) { ... });
//
// Thread safety: one call at a time in a process that has no other threads: it forks.
#pragma once

#include <functional>
#include <optional>

#include "core/lab/scenario.h"

namespace aspen::lab {

// A run that takes longer than this, in wall time, is ended and counts as failed (oracle "stuck"): so long
// for any run, and more for one that was asked to last. Without optimisation a second takes a good part of
// one.
inline constexpr DurationNs kRunWallMax = 300 * kSecond;
inline constexpr int64_t kRunWallPerVirtual = 5;
inline DurationNs run_wall_max(const RunOptions& options) {
  return kRunWallMax + kRunWallPerVirtual * options.duration;
}

// Asks `next` for the next run until it has none; `done` gets the reports in the order of the runs. Errors:
// LIMIT_EXCEEDED when the system has no room for so many at a time; those of run_scenario(). Then what still
// runs is ended, and nobody hears of it. The runs end with this process too, however it ends.
Result<> run_all(size_t jobs, const std::function<std::optional<RunOptions>()>& next,
                 const std::function<void(const RunReport&)>& done);

// Errors: as run_all().
Result<RunReport> run_one(const RunOptions& options);

// Smaller options that still fail by the same oracle as `report`: fewer kinds of faults, less time, fewer
// operations. Tries at most `attempts` runs; `progress` hears of each step that succeeded. Errors: as
// run_all(); of `run`, which does one run.
using Run = std::function<Result<RunReport>(const RunOptions&)>;
Result<RunReport> shrink(const RunOptions& options, const RunReport& report, size_t attempts,
                         const std::function<void(const RunReport&)>& progress, const Run& run = run_one);

}  // namespace aspen::lab

// The explorations that are run: by the tests, and by `aspen sim --explore`.
//
// Thread safety: none.
#pragma once

#include <functional>

#include "core/lab/explore_raft.h"

namespace aspen::lab {

// What takes seconds, and, `large`, what takes minutes and some gigabytes as well.
std::vector<RaftBounds> raft_explorations(bool large);
ExploreReport explore_raft(const RaftBounds& bounds);

// Runs all of them, the short ones first; `done` gets each report. False when anything was found or not
// finished.
bool run_explorations(bool large, const std::function<void(const ExploreReport&)>& done);

}  // namespace aspen::lab

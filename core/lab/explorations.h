// The explorations that are run: by the tests, and by `aspen sim --explore`.
//
// Thread safety: none.
#pragma once

#include <ostream>

#include "core/lab/explore_raft.h"

namespace aspen::lab {

// What takes seconds, and, `large`, what takes minutes and some gigabytes as well.
std::vector<RaftBounds> raft_explorations(bool large);
ExploreReport explore_raft(const RaftBounds& bounds);

// Runs all of them and writes a line for each, and how a violation comes about. False when anything was found
// or not finished.
bool run_explorations(std::ostream& out, bool large);

}  // namespace aspen::lab

// The close of a region, explored: tasks that sleep, wait, finish, fail, spawn, open regions or hold
// obligations, in every order, with a close or a cancel at any point.
//
// What must hold: the close completes; closed means no task, no child, no obligation; finalizers ran last
// added first, after all tasks; every task's end was told, once, as what it was; nothing runs in a closed
// region.
//
// Thread safety: none.
#pragma once

#include <string>

#include "core/lab/explore.h"

namespace aspen::lab {

// One run (see Scenario); what each task does is decided first, so that all programs are explored.
std::string explore_region(Choices& choices, size_t tasks = 3);

}  // namespace aspen::lab

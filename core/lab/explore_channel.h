// A two-phase channel, explored: two senders and a receiver, in every order, with one of them cancelled at
// any point where it can be suspended.
//
// What must hold: no item is lost or comes twice; a sender's items come in order; never more items than the
// capacity; a place is given back; whoever can go on does (no wake-up is lost); everything ends.
//
// Thread safety: none.
#pragma once

#include <string>

#include "core/lab/explore.h"

namespace aspen::lab {

// One run (see Scenario). Decided first: the capacity (1 or 2), and who is cancelled, if anybody.
std::string explore_channel(Choices& choices);

}  // namespace aspen::lab

// What a task may use: time, resumes, cost it charges itself, and how urgent it is.
//
// Budgets only get narrower on the way down: what a child is given meets what its parent has left,
// componentwise (min, min, min, max). So a child's deadline is never later than its parent's, and urgent work
// stays urgent through everything it starts. `meet` is associative, commutative and idempotent, and Budget{}
// is its identity: it does not matter along which path limits come together.
//
// Polls and cost are each task's own: what a child takes is not charged to its parent, and two children may
// each take all that the parent has left. What bounds the sum is the number of tasks
// (RegionOptions::tasks_max) and the deadline, which is one moment for all.
//
// The scheduler orders by deadline (executor.h). The priority is kept and handed down for whoever asks
// (Cx::priority); nothing in the engine acts on it.
//
//   region.spawn("fold", work, Budget{.deadline = cx.after(kSecond), .polls = 1000});
#pragma once

#include <algorithm>

#include "core/base/time.h"

namespace aspen::rt {

struct Budget {
  static constexpr uint64_t kUnlimited = ~uint64_t{0};

  TimeNs deadline = kNever;
  uint64_t polls = kUnlimited;  // times the task is resumed, its start included
  uint64_t cost = kUnlimited;   // what Cx::charge() may add up to; its unit is the caller's
  uint8_t priority = 0;         // higher is more urgent

  bool operator==(const Budget&) const = default;
};

constexpr Budget meet(const Budget& a, const Budget& b) {
  return {std::min(a.deadline, b.deadline), std::min(a.polls, b.polls), std::min(a.cost, b.cost),
          std::max(a.priority, b.priority)};
}

}  // namespace aspen::rt

// A meeting point for `parties` tasks: nobody goes on before all have come. Then it begins again.
//
//   Barrier barrier(3);
//   ASPEN_CO_TRY(auto met, co_await barrier.arrive(cx));
//   if (met.leader) merge();                      // exactly one of each generation
//
// The last to come is the leader: it goes on at once, and the others after it.
//
// Fairness: those who waited go on in the order they came; who comes after them belongs to the next
// generation. Cancel: a waiter that is cancelled has not come: the others wait for one more. One whose
// generation was complete goes on. Invariants: fewer than `parties` wait; generation() counts the meetings.
// Bounds: the parties. They should not be more than limits::kWaitersMax.
// Lifetime: who waits when it goes hears UNAVAILABLE.
// Thread safety: none; one executor's thread.
#pragma once

#include "core/base/mutant.h"
#include "core/rt/wait_queue.h"

namespace aspen::rt {

class Barrier {
 public:
  // Requires: 0 < parties <= limits::kWaitersMax.
  explicit Barrier(size_t parties) : parties_(parties) {
    ASPEN_ASSERT(parties > 0 && parties <= limits::kWaitersMax);
  }

  struct Met {
    uint64_t generation;  // from 0
    bool leader;
  };

  class Arrive final : public WaitQueue::Entry {
   public:
    Arrive(Cx& cx, Barrier& barrier) : Entry(cx, barrier.waiters_), barrier_(barrier) {}
    bool await_ready() {
      if (checkpoint_failed()) return true;
      met_ = {barrier_.generation_, false};
      if (barrier_.missing() > 1) return false;
      met_.leader = true;
      barrier_.release();
      return true;
    }
    Result<Met> await_resume() {
      ASPEN_CHECK(check());
      return met_;
    }

   private:
    Barrier& barrier_;
    Met met_{};
  };
  // co_await -> Result<Met>. Errors: the cancel reason, UNAVAILABLE.
  Arrive arrive(Cx& cx) { return Arrive(cx, *this); }

  uint64_t generation() const { return generation_; }
  size_t waiting() const { return waiters_.size(); }

 private:
  size_t missing() const {
    return parties_ - waiters_.size() - (ASPEN_MUTANT("rt-barrier-releases-early") && parties_ > 2 ? 1 : 0);
  }
  void release() {
    ++generation_;
    while (auto* waiter = waiters_.front_as<Arrive>()) waiters_.serve(*waiter);
  }

  size_t parties_;
  uint64_t generation_ = 0;
  WaitQueue waiters_{"barrier"};
};

}  // namespace aspen::rt

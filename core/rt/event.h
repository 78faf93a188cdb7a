// A condition tasks wait for: set() wakes all of them and lets later ones through until reset().
//
//   Event ready;
//   ASPEN_CO_CHECK(co_await ready.wait(cx));
//
// Fairness: all are woken at once, in the order they came.
// Cancel: a cancelled waiter leaves nothing behind; one that was woken first stays woken.
// Bounds: limits::kWaitersMax tasks wait, then OVERLOADED.
// Lifetime: who waits when the event goes hears UNAVAILABLE.
// Thread safety: none; one executor's thread.
#pragma once

#include "core/rt/wait_queue.h"

namespace aspen::rt {

class Event {
 public:
  void set() {
    set_ = true;
    while (auto* wait = waiters_.front_as<Wait>()) waiters_.serve(*wait);
  }
  void reset() { set_ = false; }
  bool is_set() const { return set_; }

  class Wait final : public WaitQueue::Entry {
   public:
    Wait(Cx& cx, Event& event) : Entry(cx, event.waiters_), event_(event) {}
    bool await_ready() { return checkpoint_failed() || event_.set_ || turned_away(); }
    Result<> await_resume() { return check(); }

   private:
    Event& event_;
  };
  // co_await -> Result<>. Errors: the cancel reason, OVERLOADED, UNAVAILABLE.
  Wait wait(Cx& cx) { return Wait(cx, *this); }

 private:
  bool set_ = false;
  WaitQueue waiters_{"event"};
};

}  // namespace aspen::rt

// A condition tasks wait for: set() wakes all of them and lets later ones through until reset().
// Thread safety: none; one executor's thread.
#pragma once

#include "core/rt/region.h"

namespace aspen::rt {

class Event {
 public:
  void set() {
    set_ = true;
    while (Waiter* waiter = waiters_.pop_front()) waiter->wake();
  }
  void reset() { set_ = false; }
  bool is_set() const { return set_; }

  class Wait final : public Waiter {
   public:
    Wait(Cx& cx, Event& event) : Waiter(cx), event_(event) {}
    bool await_ready() { return checkpoint_failed() || event_.set_; }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle);
      event_.waiters_.push_back(*this);
    }
    Result<> await_resume() { return cancelled() ? cx().checkpoint() : Result<>(); }

   private:
    Event& event_;
  };
  // co_await -> Result<>. Errors: the cancel reason.
  Wait wait(Cx& cx) { return Wait(cx, *this); }

 private:
  bool set_ = false;
  List<Waiter, WaiterTag> waiters_;
};

}  // namespace aspen::rt

// One value from whoever has it to one task that waits for it.
//
//   Oneshot<Reply> reply;                 // in the waiting coroutine's frame
//   pending[id] = &reply;                 // ... removed again before the frame goes
//   Result<Reply> r = co_await reply.recv(cx);
//
// A value that was set is kept: a cancel that comes after it does not lose it.
// Thread safety: none; one executor's thread.
#pragma once

#include <optional>

#include "core/rt/region.h"

namespace aspen::rt {

template <typename T>
class Oneshot {
 public:
  // The first value counts; later ones are ignored.
  void set(T value) {
    if (value_) return;
    value_ = std::move(value);
    if (Waiter* waiter = waiters_.pop_front()) waiter->wake();
  }
  bool has_value() const { return value_.has_value(); }

  class Receive final : public Waiter {
   public:
    Receive(Cx& cx, Oneshot& oneshot) : Waiter(cx), oneshot_(oneshot) {}
    bool await_ready() { return oneshot_.has_value() || checkpoint_failed(); }
    void await_suspend(std::coroutine_handle<> handle) {
      ASPEN_ASSERT(oneshot_.waiters_.empty());
      suspend(handle);
      oneshot_.waiters_.push_back(*this);
    }
    Result<T> await_resume() {
      if (oneshot_.value_) return std::move(*oneshot_.value_);
      return std::unexpected(cx().checkpoint().error());
    }

   private:
    Oneshot& oneshot_;
  };
  // co_await -> Result<T>. Errors: the cancel reason.
  Receive recv(Cx& cx) { return Receive(cx, *this); }

 private:
  std::optional<T> value_;
  List<Waiter, WaiterTag> waiters_;
};

}  // namespace aspen::rt

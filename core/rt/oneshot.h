// One value from whoever has it to one task that waits for it.
//
//   Oneshot<Reply> reply;                 // in the waiting coroutine's frame
//   pending[id] = &reply;                 // ... removed again before the frame goes
//   Result<Reply> r = co_await reply.recv(cx);
//
// Cancel: a value that was set is kept, also when the cancel came first and the task has not run since.
// Bounds: one value, one task; a second one that waits panics.
// Lifetime: who waits when the oneshot goes gets the value that was set, or hears UNAVAILABLE.
// Thread safety: none; one executor's thread.
#pragma once

#include <optional>

#include "core/base/mutant.h"
#include "core/rt/region.h"

namespace aspen::rt {

template <typename T>
class Oneshot {
 public:
  Oneshot() = default;
  ~Oneshot() {
    if (receiver_ != nullptr) receiver_->orphan();
  }
  Oneshot(const Oneshot&) = delete;
  Oneshot& operator=(const Oneshot&) = delete;

  // The first value counts; later ones are ignored.
  void set(T value) {
    if (value_) return;
    value_.emplace(std::move(value));
    if (receiver_ != nullptr) receiver_->wake();
  }
  bool has_value() const { return value_.has_value(); }

  class Receive final : public Waiter {
   public:
    Receive(Cx& cx, Oneshot& oneshot) : Waiter(cx), oneshot_(&oneshot) {}
    ~Receive() override { detach(); }
    bool await_ready() { return oneshot_->has_value() || checkpoint_failed(); }
    void await_suspend(std::coroutine_handle<> handle) {
      ASPEN_ASSERT(oneshot_->receiver_ == nullptr);
      suspend(handle);
      oneshot_->receiver_ = this;
    }
    Result<T> await_resume() {
      detach();
      if (ASPEN_MUTANT("rt-oneshot-cancel-loses-value")) ASPEN_CHECK(cx().checkpoint());
      if (oneshot_ != nullptr && oneshot_->value_) value_ = std::move(oneshot_->value_);
      if (value_) return std::move(*value_);
      ASPEN_CHECK(cx().checkpoint());
      return fail(Code::UNAVAILABLE, "the oneshot is gone; nobody can set its value");
    }

   private:
    friend class Oneshot;
    void detach() {
      if (oneshot_ != nullptr && oneshot_->receiver_ == this) oneshot_->receiver_ = nullptr;
    }
    void orphan() {
      value_ = std::move(oneshot_->value_);
      oneshot_ = nullptr;
      wake();
    }
    Oneshot* oneshot_;        // null once it is gone
    std::optional<T> value_;  // what it held when it went
  };
  // co_await -> Result<T>. Errors: the cancel reason, UNAVAILABLE.
  Receive recv(Cx& cx) { return Receive(cx, *this); }

 private:
  std::optional<T> value_;
  Receive* receiver_ = nullptr;  // from its suspension until it has resumed
};

}  // namespace aspen::rt

// A value made once, by whoever needs it first, while the others wait.
//
//   Once<Connection> connection;
//   auto connect = [&](Cx& cx) { return dial(cx, address); };
//   ASPEN_CO_TRY(Connection * link, co_await connection.get_or_init(cx, connect));
//
// A try that fails, panics or is cancelled ends its own call with that, and leaves nothing behind: the next
// one in line tries with its own function. Only a value is kept.
//
// Fairness: the right to try passes in the order the tasks came.
// Invariants: at most one initialiser runs; once there is a value, none does again, and its address stays.
// Cancel: a waiter that is cancelled leaves nothing behind; one whose turn it had become passes the turn on.
// Bounds: limits::kWaitersMax tasks wait, then OVERLOADED. An initialiser that waits for the same Once waits
// for itself, until it is cancelled.
// Lifetime: it outlives its initialiser. Who waits when it goes hears UNAVAILABLE.
// Thread safety: none; one executor's thread.
#pragma once

#include <optional>

#include "core/base/mutant.h"
#include "core/rt/wait_queue.h"

namespace aspen::rt {

template <typename T>
class Once {
 public:
  Once() = default;
  ~Once() {
    if (trying_) detail::die("a Once is destroyed while its initialiser runs");
  }
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;

  // The value, or null before there is one.
  T* get() { return value_ ? &*value_ : nullptr; }

  // `init` is a function of Cx& that gives a Task<Result<T>>. Errors: what it fails with; the cancel reason,
  // OVERLOADED, UNAVAILABLE while waiting for another's.
  template <typename F>
  Task<Result<T*>> get_or_init(Cx& cx, F init) {
    // Either the value is there afterwards, or it is this call's turn to make it.
    ASPEN_CO_CHECK(co_await WaitTurn(cx, *this));
    if (!value_) {
      Turn turn(*this);
      ASPEN_CO_CHECK(cx.checkpoint());
      ASPEN_CO_TRY(T value, co_await init(cx));
      value_.emplace(std::move(value));
    }
    co_return &*value_;
  }

 private:
  class WaitTurn final : public WaitQueue::Entry {
   public:
    WaitTurn(Cx& cx, Once& once) : Entry(cx, once.waiters_), once_(once) {}
    bool await_ready() { return checkpoint_failed() || once_.value_ || !once_.trying_ || turned_away(); }
    Result<> await_resume() {
      ASPEN_CHECK(check());
      once_.trying_ = !once_.value_;
      return {};
    }

   private:
    Once& once_;
  };

  // Ends with a value for all, or with the next one's turn: `trying_` stays set for it, so nobody comes
  // between.
  class Turn {
   public:
    explicit Turn(Once& once) : once_(once) {}
    ~Turn() {
      if (ASPEN_MUTANT("rt-once-poisoned-by-failure") && !once_.value_) return;
      once_.trying_ = false;
      while (auto* waiter = once_.waiters_.template front_as<WaitTurn>()) {
        once_.waiters_.serve(*waiter);
        once_.trying_ = !once_.value_;
        if (once_.trying_) break;
      }
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Once& once_;
  };

  std::optional<T> value_;
  bool trying_ = false;
  WaitQueue waiters_{"initialiser"};
};

}  // namespace aspen::rt

// "Look again": wakes a task that waits, without saying why. What there is to see is kept elsewhere.
//
//   while (queue.empty()) ASPEN_CO_CHECK(co_await work.wait(cx));     // the worker
//   queue.push_back(item); work.notify_one();                         // whoever has work
//
// notify_one() with nobody waiting is stored, once: the next wait passes, so a worker that looked just before
// does not sleep through it. notify_all() reaches those who wait now and stores nothing.
//
// Fairness: first come, first served.
// Cancel: a waiter that is cancelled leaves nothing behind. One that notify_one() had woken, and whose cancel
// comes before it runs, passes the notification on and returns the reason: it will not look, so another must.
// Invariants: one is stored only while nobody waits.
// Bounds: one stored; limits::kWaitersMax tasks wait, then OVERLOADED.
// Lifetime: who waits when it goes hears UNAVAILABLE.
// Thread safety: none; one executor's thread.
#pragma once

#include "core/rt/wait_queue.h"

namespace aspen::rt {

class Notify {
 public:
  void notify_one();
  void notify_all();

  class Wait;
  // co_await -> Result<>. Errors: the cancel reason, OVERLOADED, UNAVAILABLE.
  Wait wait(Cx& cx);
  size_t waiting() const { return waiters_.size(); }

 private:
  bool stored_ = false;
  WaitQueue waiters_{"notification"};
  List<Waiter, WaiterTag> notified_;  // by notify_one(), and have not run since
};

class Notify::Wait final : public WaitQueue::Entry {
 public:
  Wait(Cx& cx, Notify& notify) : Entry(cx, notify.waiters_), notify_(notify) {}
  ~Wait() override;
  bool await_ready();
  Result<> await_resume();

 private:
  friend class Notify;
  // True when it was the one notify_one() woke; false too when the Notify has gone meanwhile.
  bool take_notification();
  Notify& notify_;
};

inline Notify::Wait Notify::wait(Cx& cx) {
  return Wait(cx, *this);
}

}  // namespace aspen::rt

// The tasks that wait for one thing, first come first served: what every lock and channel of this folder
// keeps.
//
//   class Wait final : public WaitQueue::Entry {                     // the awaitable of a gate
//     bool await_ready() { return checkpoint_failed() || gate_.open_ || turned_away(); }
//     Result<> await_resume() { return check(); }
//     void left() override { gate_.look_again(); }                    // only if it may stand in others' way
//   };
//   while (auto* wait = gate.queue_.front_as<Wait>()) gate.queue_.serve(*wait);
//
// A wait ends in one of four ways. It is served: what it waited for is put into its hands before it runs, so
// nobody can take it in between, and a cancel that comes later finds it over (cx.h). It is cancelled: it
// takes itself out, and left() lets those behind it go on. It is turned away, because the queue is full:
// OVERLOADED. Or the queue is destroyed under it: UNAVAILABLE, and it touches nothing that went with the
// queue.
//
// Bounds: limits::kWaitersMax tasks, or fewer if the owner says so.
// Thread safety: none; one executor's thread.
#pragma once

#include "core/base/limits.h"
#include "core/rt/region.h"

namespace aspen::rt {

class WaitQueue {
 public:
  class Entry;

  // `what` names the owner in errors, with what is waited for: "mutex". A literal.
  explicit WaitQueue(const char* what, size_t waiters_max = limits::kWaitersMax)
      : what_(what), waiters_max_(waiters_max) {}
  // Whoever still waits hears UNAVAILABLE.
  ~WaitQueue();
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  bool full() const { return size_ >= waiters_max_; }
  // The one that has waited longest, or null. Requires: every entry is an E.
  template <typename E>
  E* front_as() {
    return static_cast<E*>(waiting_.front());
  }
  // Ends the wait of `entry`, which has got what it waits for.
  void serve(Entry& entry);

 private:
  void remove(Entry& entry);

  const char* what_;
  size_t waiters_max_;
  size_t size_ = 0;
  List<Waiter, WaiterTag> waiting_;
};

// The base of the awaitables. A subclass adds await_ready and await_resume.
class WaitQueue::Entry : public Waiter {
 public:
  void await_suspend(std::coroutine_handle<> handle);

 protected:
  Entry(Cx& cx, WaitQueue& queue) : Waiter(cx), queue_(&queue), what_(queue.what_) {}
  // For an owner that may be gone: `queue` is null then, and turned_away() true.
  Entry(Cx& cx, WaitQueue* queue, const char* what) : Waiter(cx), queue_(queue), what_(what) {}
  ~Entry() override;

  // For await_ready, last: true when there is no room to wait, or no queue.
  bool turned_away();
  // For await_resume. Errors: the cancel reason, OVERLOADED when turned away, UNAVAILABLE when the queue is
  // gone; then the subclass touches nothing of its owner.
  Result<> check() const;
  // It waited and was served; false when it never had to wait.
  bool served() const { return state_ == State::served; }
  // The name of the owner, for errors.
  const char* owner() const { return what_; }
  // What is put into the hands of this task with what it waited for, whichever task runs now. Errors: those
  // of Obligation::make(); then the wait is served with the error.
  Result<Obligation> oblige(Region& region, ObligationKind kind, const char* name,
                            std::source_location origin) const;
  // After a cancelled entry has left the queue.
  virtual void left() {}

 private:
  friend class WaitQueue;
  enum class State : uint8_t { outside, waiting, served, turned_away, orphaned };
  void abandon() final;

  WaitQueue* queue_;
  const char* what_;  // outlives the queue
  State state_ = State::outside;
};

}  // namespace aspen::rt

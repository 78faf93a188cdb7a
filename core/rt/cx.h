// The context of a running task: the only way to time, randomness, waiting and spawning. It carries the
// task's deadline and cancel state and is passed down by reference; it is never stored past the call.
//
// Cancellation is a protocol: a request makes the task's current wait, and every later checkpoint, return
// the reason as an error; the task drains and returns; its region learns how it ended. A wait that was
// already satisfied keeps its value: the next checkpoint reports the cancel. Inside a Mask requests wait,
// until the cleanup budget of the request is over (cancel_node.h).
//
// Each task uses its own Cx: a lambda that is spawned names its parameter, not the Cx around it.
//
// Invariants: a task waits for at most one thing; a waiter that is gone from its task is gone from what it
// waited for.
// Thread safety: none; one executor's thread.
#pragma once

#include <coroutine>

#include "core/base/buggify.h"
#include "core/rt/budget.h"
#include "core/rt/cancel_node.h"
#include "core/rt/executor.h"
#include "core/rt/outcome.h"
#include "core/rt/task.h"

namespace aspen::rt {

class Cx;
class Region;
class TaskBase;

struct WaiterTag;

// The suspended end of an await. What is waited for keeps the Waiter in a List<Waiter, WaiterTag> (or knows
// it otherwise) and calls wake() once; on cancel the waiter takes itself out.
class Waiter : public Runnable, public ListNode<WaiterTag> {
 public:
  explicit Waiter(Cx& cx) : cx_(cx) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  void wake();

  // Awaitable parts for subclasses: a checkpoint first, then registration.
  bool checkpoint_failed();
  void suspend(std::coroutine_handle<> handle);

 protected:
  virtual ~Waiter();
  // Takes the waiter out of what it waits for; runs on cancel, before the task resumes.
  virtual void abandon() { ListNode<WaiterTag>::unlink(); }
  // True for a wait that a cancel only passes on: it still ends when what it waits for does.
  virtual bool drains() const { return false; }
  // True for a wait that ends by a timer of its own.
  virtual bool timed() const { return false; }
  bool cancelled() const { return cancelled_; }
  // Requires: the task is cancelled.
  const CancelReason& cancel_reason() const;
  Cx& cx() { return cx_; }
  // Of the task that waits.
  uint64_t task_id() const;

 private:
  friend class TaskBase;
  void run() final;
  void cancel();

  Cx& cx_;
  std::coroutine_handle<> handle_;
  bool cancelled_ = false;
};

class Cx {
 public:
  Cx(Executor& executor, Region& region, TaskBase& task)
      : executor_(executor), region_(region), task_(task) {}
  Cx(const Cx&) = delete;
  Cx& operator=(const Cx&) = delete;

  Executor& executor() { return executor_; }
  Env& env() { return executor_.env(); }
  Region& region() { return region_; }
  TimeNs now() const { return executor_.now(); }
  // `duration` from now; kNever when that is past the end of time.
  TimeNs after(DurationNs duration) const { return duration > kNever - now() ? kNever : now() + duration; }
  TimeNs deadline() const;
  // What is left of it.
  const Budget& budget() const;
  uint8_t priority() const { return budget().priority; }
  // Takes `cost` from the budget; when there is less, the task is cancelled. Errors: as checkpoint().
  Result<> charge(uint64_t cost);
  // A cancel was requested and nothing masks it.
  bool cancelled() const;
  // The reason as an error when cancelled().
  Result<> checkpoint() const;
  // The reason that stands, masked or not; null: none.
  const CancelReason* cancel_reason() const;

  class Sleep;
  // co_await -> Result<>: ok after the time passed, or the cancel reason.
  Sleep sleep_until(TimeNs at);
  Sleep sleep(DurationNs duration);

  // Defers cancel requests while it lives, also for the task's regions, but not past the cleanup budget: then
  // waits inside it fail. For short cleanup only. At most limits::kMaskDepthMax inside each other.
  class Mask {
   public:
    explicit Mask(Cx& cx);
    ~Mask();
    Mask(const Mask&) = delete;
    Mask& operator=(const Mask&) = delete;

   private:
    TaskBase& task_;
  };

 private:
  friend class Waiter;
  friend class Region;
  Executor& executor_;
  Region& region_;
  TaskBase& task_;
};

class Cx::Sleep final : public Waiter {
 public:
  Sleep(Cx& cx, TimeNs at) : Waiter(cx), at_(at), timer_(cx.executor(), [this] { wake(); }) {}
  bool await_ready() { return checkpoint_failed(); }
  void await_suspend(std::coroutine_handle<> handle) {
    suspend(handle);
    timer_.arm(at_);
  }
  Result<> await_resume() { return cancelled() ? cx().checkpoint() : Result<>(); }

 private:
  void abandon() override { timer_.disarm(); }
  bool timed() const override { return at_ != kNever; }
  TimeNs at_;
  Timer timer_;
};

inline Cx::Sleep Cx::sleep_until(TimeNs at) {
  if (at < kNever - kMillisecond && ASPEN_BUGGIFY("rt-sleep-longer")) at += kMillisecond;
  return Sleep(*this, at);
}
inline Cx::Sleep Cx::sleep(DurationNs duration) {
  return sleep_until(after(duration));
}

}  // namespace aspen::rt

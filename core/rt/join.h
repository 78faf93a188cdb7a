// The caller's end of a spawned task. Dropping it leaves the task to its region.
//
//   Join<int> join = region.spawn("answer", [](Cx& cx) -> Task<Result<int>> { ... });
//   Outcome<int> outcome = co_await join.wait(cx);
//
// Thread safety: none; one executor's thread.
#pragma once

#include "core/rt/spawned_task.h"

namespace aspen::rt {

template <typename T = void>
class Join {
 public:
  Join() = default;
  explicit Join(Ref<TaskOf<T>> task) : task_(std::move(task)) {}

  bool done() const { return task_->done(); }
  void cancel(const CancelReason& reason) { task_->request_cancel(reason); }

  class Wait final : public Waiter {
   public:
    Wait(Cx& cx, Ref<TaskOf<T>> task) : Waiter(cx), task_(std::move(task)) {}
    bool await_ready() { return task_->done(); }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle);
      task_->joiners.push_back(*this);
      if (cx().cancelled()) abandon();
    }
    Outcome<T> await_resume() { return std::move(*task_->outcome); }

   private:
    // A cancel of the one who waits is passed on, and the task's end still awaited: no loser is left running.
    bool drains() const override { return true; }
    void abandon() override { task_->request_cancel(cancel_reason()); }
    Ref<TaskOf<T>> task_;
  };
  // co_await -> Outcome<T>. Once.
  Wait wait(Cx& cx) { return Wait(cx, task_); }

  // Calls `function` with the outcome when the task is done, on the executor's thread; instead of wait().
  // Requires: the task is not done.
  void then(std::move_only_function<void(Outcome<T>)> function) {
    ASPEN_ASSERT(!task_->done());
    task_->then = std::move(function);
  }

 private:
  Ref<TaskOf<T>> task_;
};

}  // namespace aspen::rt

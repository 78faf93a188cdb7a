// A task as its region holds it: the coroutine, its context and deadline, and who hears of its end.
//
// Life: created (queued to start), running, finished (the body is over but its frame stands), done (the frame
// is gone, the outcome is there, joiners are told). A region counts a task until it has told them.
//
// A request to cancel goes to the regions the task opened and to the wait it is suspended in; inside a Mask
// it goes to neither until the mask ends, so that what a masked section opened can do its work.
//
// Thread safety: none; one executor's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/log.h"
#include "core/rt/cx.h"

namespace aspen::rt {

struct RegionTag;

namespace detail {
// The structure is broken: going on would leave tasks with dangling references. Logs and terminates.
[[noreturn]] void die(const std::string& text);
}  // namespace detail

class TaskBase : public Runnable, public ListNode<TaskBase> {
 public:
  TaskBase(Region& region, std::string_view name, TimeNs deadline);
  virtual ~TaskBase() = default;

  // The first request sets the reason; later ones are ignored.
  void request_cancel(const CancelReason& reason);
  const std::string& name() const { return name_; }
  bool done() const { return phase_ == Phase::done; }

 protected:
  // The outermost coroutine. Its end is handed to the run queue: a frame cannot be destroyed from inside.
  struct Root {
    struct promise_type {
      explicit promise_type(TaskBase& task) : task(task) {}
      TaskBase& task;
      Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_always initial_suspend() noexcept { return {}; }
      std::suspend_always final_suspend() noexcept {
        task.phase_ = Phase::finished;
        task.cx_.executor().schedule_next(task);
        return {};
      }
      void return_void() {}
      void unhandled_exception() { std::terminate(); }  // body() contains everything
    };
    std::coroutine_handle<promise_type> handle;
  };

  // Stores the outcome; never throws.
  virtual Root body() = 0;
  virtual void notify_done() = 0;
  Cx& cx() { return cx_; }
  const std::optional<CancelReason>& cancel_reason() const { return cancel_; }

 private:
  friend class Region;
  friend class Cx;
  friend class Waiter;
  enum class Phase : uint8_t { created, running, finished, done };

  void run() final;
  void finish();
  void deliver_cancel();

  std::string name_;
  Region& region_;
  Cx cx_;
  TimeNs deadline_;
  Timer deadline_timer_;
  std::optional<CancelReason> cancel_;
  Waiter* waiter_ = nullptr;
  List<Region, RegionTag> children_;  // regions this task opened, which end before it does
  unsigned masks_ = 0;
  Phase phase_ = Phase::created;
  std::coroutine_handle<> root_;
  std::shared_ptr<TaskBase> self_;  // held by the region until the task is done
};

template <typename T>
class TaskOf : public TaskBase {
 public:
  using TaskBase::TaskBase;
  std::optional<Outcome<T>> outcome;
  List<Waiter, WaiterTag> joiners;
  std::move_only_function<void(Outcome<T>)> then;

 protected:
  void notify_done() final {
    while (Waiter* joiner = joiners.pop_front()) joiner->wake();
    if (then) std::exchange(then, nullptr)(std::move(*outcome));
  }
};

namespace detail {

template <typename R>
struct ResultValue;
template <typename T>
struct ResultValue<Task<Result<T>>> {
  using type = T;
};

template <typename T, typename F>
class SpawnedTask final : public TaskOf<T> {
 public:
  SpawnedTask(Region& region, std::string_view name, TimeNs deadline, F function)
      : TaskOf<T>(region, name, deadline), function_(std::move(function)) {}

 private:
  TaskBase::Root body() override {
    try {
      Result<T> result = co_await (*function_)(this->cx());
      const std::optional<CancelReason>& reason = this->cancel_reason();
      bool drained = !result && reason && result.error().code == reason->to_error().code;
      this->outcome =
          drained ? Outcome<T>::cancelled(std::move(result).error()) : Outcome<T>::of(std::move(result));
    } catch (...) {
      std::string text = current_panic_text();
      log(LogLevel::error, "task {} panicked: {}", this->name(), text);
      this->outcome = Outcome<T>::panicked(std::move(text));
    }
    // What it captured is the task's and goes with it, not with the last Join.
    function_.reset();
  }
  std::optional<F> function_;
};

}  // namespace detail

}  // namespace aspen::rt

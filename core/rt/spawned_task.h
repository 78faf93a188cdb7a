// A task as its region holds it: the coroutine, its context and budget, and who hears of its end.
//
// Life: created (queued to start), running, finished (the body is over but its frame stands), done (the frame
// is gone, the outcome is there, joiners are told). A region counts a task until it has told them. A task its
// region refused goes from created to finished without having run.
//
// A request to cancel goes to the regions the task opened and to the wait it is suspended in; inside a Mask
// it goes to neither until the mask ends, so that what a masked section opened can do its work. When the
// cleanup budget of the cancel is over (cancel_node.h) masks no longer count.
//
// Quotas: every resume counts as a poll, and the one over the quota cancels the task (poll_quota); what it
// charges over its cost cancels it too (cost_budget). From a cancel on, polls count against the cleanup
// budget.
//
// Thread safety: none; one executor's thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/rt/cx.h"
#include "core/rt/frame_cache.h"
#include "core/rt/ref.h"

namespace aspen::rt {

struct RegionTag;

namespace detail {
// The structure is broken: going on would leave tasks with dangling references. Logs and terminates.
[[noreturn]] void die(const std::string& text);
}  // namespace detail

class TaskBase : public Runnable,
                 public ListNode<TaskBase>,
                 public CancelNode,
                 public RefCounted,
                 public InFrameCache {
 public:
  TaskBase(Region& region, const char* name, const Budget& budget);
  virtual ~TaskBase() = default;

  std::string describe() const final;
  const char* name() const { return name_; }
  Region& region() const { return region_; }
  bool done() const { return phase_ == Phase::done; }
  // What is left of it.
  const Budget& budget() const { return budget_; }
  // Its end comes next; a cancel finds nothing to stop.
  bool body_over() const { return phase_ >= Phase::finished; }
  // Suspended in a wait that can be cancelled or woken.
  bool waiting() const { return waiter_ != nullptr; }
  // In one that a timer of its own ends, whatever else happens.
  bool waits_for_timer() const { return waiter_ != nullptr && waiter_->timed(); }
  // How often it went on, its start included.
  uint64_t resumes() const { return resumes_; }
  // How it ended. Requires: its body is over.
  virtual Severity severity() const = 0;
  // Requires: severity() is not ok.
  virtual const Error& error() const = 0;

  // Goes on with `handle`, a coroutine of this task, as one poll.
  void resume(std::coroutine_handle<> handle);

 protected:
  // The outermost coroutine. Its end is handed to the run queue: a frame cannot be destroyed from inside.
  struct Root {
    struct promise_type : InFrameCache {
      explicit promise_type(TaskBase& task) : task(task) {}
      TaskBase& task;
      Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_always initial_suspend() noexcept { return {}; }
      std::suspend_always final_suspend() noexcept {
        task.phase_ = Phase::finished;
        task.executor_.schedule_next(task);
        return {};
      }
      void return_void() {}
      void unhandled_exception() { std::terminate(); }  // body() contains everything
    };
    std::coroutine_handle<promise_type> handle;
  };

  // Stores the outcome; never throws.
  virtual Root body() = 0;
  // Instead of body().
  virtual void store_refusal(Error error) = 0;
  virtual void notify_done() = 0;
  Cx& cx() { return cx_; }
  // `error` is what a checkpoint of this task has returned or could have.
  bool is_own_cancel(const Error& error) const;

 private:
  friend class Region;
  friend class Cx;
  friend class Waiter;
  enum class Phase : uint8_t { created, running, finished, done };

  void run() final;
  bool accepts(const CancelReason& reason, bool forced) final;
  void pass_on(CancelWalk& walk) final;
  std::string stuck() final;

  void refuse(Error error);
  void schedule_start();
  void tell_suspended();
  void finish();
  // What a cancel does to the task itself, once no mask holds it back.
  void deliver_cancel(CancelWalk& walk);
  void end_mask();
  void out_of_polls();
  void charge(uint64_t cost);

  const char* name_;
  Region& region_;
  Cx cx_;
  Budget budget_;  // what is left
  uint64_t resumes_ = 0;
  Waiter* waiter_ = nullptr;
  List<Region, RegionTag> children_;  // regions this task opened, which end before it does
  unsigned masks_ = 0;
  Phase phase_ = Phase::created;
  uint8_t cancel_codes_ = 0;  // of the reasons that stood, a bit each
  std::coroutine_handle<> root_;
  Ref<TaskBase> self_;  // held by the region until the task is done
};

inline void TaskBase::resume(std::coroutine_handle<> handle) {
  if (budget_.polls == 0 && !ASPEN_MUTANT("rt-polls-unlimited")) {
    out_of_polls();
  } else if (budget_.polls != Budget::kUnlimited) {
    --budget_.polls;
  }
  ++resumes_;
  executor_.current_step = name_;
  executor_.current_task = this;
  handle.resume();
  executor_.current_task = nullptr;
  if (executor_.observer != nullptr) tell_suspended();
}

template <typename T>
class TaskOf : public TaskBase {
 public:
  using TaskBase::TaskBase;
  Severity severity() const final { return outcome->severity(); }
  const Error& error() const final { return outcome->error(); }

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
  SpawnedTask(Region& region, const char* name, const Budget& budget, F function)
      : TaskOf<T>(region, name, budget), function_(std::move(function)) {}

 private:
  TaskBase::Root body() override {
    try {
      Result<T> result = co_await (*function_)(this->cx());
      if (ASPEN_MUTANT("rt-cancel-loses-value") && this->cancel_reason() != nullptr) {
        result = std::unexpected(this->cancel_reason()->to_error());
      }
      bool hides = ASPEN_MUTANT("rt-cancel-hides-errors") && this->cancel_reason() != nullptr;
      bool cancelled = !result && (hides || this->is_own_cancel(result.error()));
      this->outcome =
          cancelled ? Outcome<T>::cancelled(std::move(result).error()) : Outcome<T>::of(std::move(result));
    } catch (...) {
      std::string text = current_panic_text();
      log(LogLevel::error, "task {} panicked: {}", this->name(), text);
      bool plain = ASPEN_MUTANT("rt-panic-is-an-error");
      this->outcome =
          plain ? Outcome<T>::of(fail(Code::INTERNAL, "{}", text)) : Outcome<T>::panicked(std::move(text));
    }
    // What it captured is the task's and goes with it, not with the last Join.
    function_.reset();
  }
  void store_refusal(Error error) override {
    this->outcome = Outcome<T>::of(std::unexpected(std::move(error)));
    function_.reset();
  }
  static_assert(alignof(F) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  std::optional<F> function_;
};

}  // namespace detail

}  // namespace aspen::rt

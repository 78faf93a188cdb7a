// Structured concurrency: a Region owns tasks and child regions, and closes only when all of them have
// ended, its finalizers have run and its obligations are resolved. There is no detached work.
//
//   Region region(cx);                                    // a child of the task's own region
//   auto a = region.spawn("a", [](Cx& cx) -> Task<Result<int>> { ... });
//   Outcome<int> out = co_await a.wait(cx);
//   co_await region.close();                              // always, before the region goes
//
// States: open -> closing (admits nothing, waits for tasks and children) -> finalizing (finalizers, last
// added first, one after the other) -> closed.
//
// Invariants: closed implies no task, no child, no finalizer left, ledger empty; a child's deadline is never
// later than its parent's; cancel reaches every task below.
// Thread safety: none; one executor's thread.
#pragma once

#include <memory>
#include <source_location>
#include <vector>

#include "core/rt/cx.h"

namespace aspen::rt {

struct RegionTag;
struct ObligationTag;

// The part of a task its region knows. See Region::spawn and Join.
class TaskBase : public Runnable, public ListNode<TaskBase>, public std::enable_shared_from_this<TaskBase> {
 public:
  TaskBase(Region& region, std::string_view name, TimeNs deadline);
  virtual ~TaskBase() = default;

  // The first request sets the reason; later ones are ignored.
  void request_cancel(const CancelReason& reason);
  const std::string& name() const { return name_; }
  bool done() const { return phase_ == Phase::done; }

 protected:
  // The body as a coroutine that never throws and stores its outcome.
  virtual Task<void> body() = 0;
  virtual void notify_done() = 0;
  Cx& cx() { return cx_; }
  const std::optional<CancelReason>& cancel_reason() const { return cancel_; }

 private:
  friend class Region;
  friend class Cx;
  friend class Waiter;
  struct Root;
  enum class Phase : uint8_t { created, running, finished, done };

  void run() final;
  Root drive();
  void deliver_cancel();

  std::string name_;
  Region* region_;
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

// The caller's end of a spawned task. Dropping it leaves the task to its region.
template <typename T>
class Join {
 public:
  Join() = default;
  explicit Join(std::shared_ptr<TaskOf<T>> task) : task_(std::move(task)) {}

  bool done() const { return task_->done(); }
  void cancel(const CancelReason& reason) { task_->request_cancel(reason); }

  class Wait final : public Waiter {
   public:
    Wait(Cx& cx, std::shared_ptr<TaskOf<T>> task) : Waiter(cx), task_(std::move(task)) {}
    bool await_ready() { return task_->done(); }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle);
      task_->joiners.push_back(*this);
      if (cx().cancelled()) abandon();
    }
    // Its own cancel is passed on to the task, and the task's end is still awaited: no loser is left running.
    Outcome<T> await_resume() { return std::move(*task_->outcome); }

   private:
    bool drains() const override { return true; }
    void abandon() override {
      task_->request_cancel({CancelKind::parent_cancelled, "the joining task was cancelled"});
    }
    std::shared_ptr<TaskOf<T>> task_;
  };
  // co_await -> Outcome<T>. Once.
  Wait wait(Cx& cx) { return Wait(cx, task_); }

  // Calls `function` with the outcome when the task is done, on the executor's thread; instead of wait().
  void then(std::move_only_function<void(Outcome<T>)> function) {
    ASPEN_ASSERT(!task_->done());
    task_->then = std::move(function);
  }

 private:
  std::shared_ptr<TaskOf<T>> task_;
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
  Task<void> body() override {
    try {
      Result<T> result = co_await function_(this->cx());
      bool drained =
          !result && this->cancel_reason() && result.error().code == this->cancel_reason()->to_error().code;
      this->outcome =
          drained ? Outcome<T>::cancelled(std::move(result).error()) : Outcome<T>::of(std::move(result));
    } catch (const std::exception& e) {
      this->outcome = Outcome<T>::panicked(e.what());
    }
  }
  F function_;
};

}  // namespace detail

// A promise to do something before the region closes: a permit, an ack, an operation in flight. Resolving
// is destroying it; a region that waits on one can say where it came from.
class Obligation : public ListNode<ObligationTag> {
 public:
  Obligation(Region& region, const char* kind, std::source_location origin = std::source_location::current());
  ~Obligation();
  const char* kind() const { return kind_; }
  const std::source_location& origin() const { return origin_; }

 private:
  Region& region_;
  const char* kind_;
  std::source_location origin_;
};

struct RegionOptions {
  TimeNs deadline = kNever;
};

class Region : public ListNode<RegionTag> {
 public:
  enum class State : uint8_t { open, closing, finalizing, closed };

  // The root of a tree.
  explicit Region(Executor& executor, RegionOptions options = {});
  // A child of a task or of a region: it hears the parent's cancel and keeps its deadline. A task closes the
  // regions it opened before it returns; a region's close waits for its children's.
  explicit Region(Cx& parent, RegionOptions options = {});
  explicit Region(Region& parent, RegionOptions options = {});
  // Requires: closed.
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Starts `function(Cx&) -> Task<Result<T>>` in the next turn. In a region that is no longer open the task
  // starts cancelled, so that whatever it was to complete still completes.
  template <typename F>
  auto spawn(std::string_view name, F function, TimeNs deadline = kNever) {
    using T = typename detail::ResultValue<std::invoke_result_t<F, Cx&>>::type;
    auto task = std::make_shared<detail::SpawnedTask<T, F>>(*this, name, deadline, std::move(function));
    adopt(task);
    return Join<T>(std::move(task));
  }

  // Runs during close(), after all tasks and children ended.
  void add_finalizer(std::move_only_function<Task<void>(Cx&)> finalizer);

  // Requests cancel of everything below; the region stays open.
  void cancel(const CancelReason& reason);

  // Admits nothing more; calls `closed` when the region is closed (maybe at once).
  void close(std::move_only_function<void()> closed);
  class Close;
  // co_await: waits for closed, masked (a region is never abandoned half closed).
  Close close();

  State state() const { return state_; }
  size_t task_count() const { return task_count_; }
  size_t obligation_count() const { return obligation_count_; }
  Executor& executor() { return executor_; }
  TimeNs deadline() const { return deadline_; }
  // Names what a close waits for, for logs.
  std::string pending();

 private:
  friend class TaskBase;
  friend class Obligation;
  void adopt(std::shared_ptr<TaskBase> task);
  void advance();

  Executor& executor_;
  Region* parent_ = nullptr;
  TimeNs deadline_;
  State state_ = State::open;
  std::optional<CancelReason> cancel_;
  List<TaskBase, TaskBase> tasks_;
  List<Region, RegionTag> children_;
  List<Obligation, ObligationTag> obligations_;
  size_t task_count_ = 0;
  size_t obligation_count_ = 0;
  std::vector<std::move_only_function<Task<void>(Cx&)>> finalizers_;
  std::vector<std::move_only_function<void()>> closers_;
};

class Region::Close {
 public:
  explicit Close(Region& region) : region_(region) {}
  bool await_ready() const { return region_.state() == State::closed; }
  void await_suspend(std::coroutine_handle<> handle) {
    resume_ = std::make_unique<Deferred>([handle] { handle.resume(); });
    region_.close([this] { region_.executor().schedule(*resume_); });
  }
  void await_resume() const {}

 private:
  Region& region_;
  std::unique_ptr<Deferred> resume_;
};

inline Region::Close Region::close() {
  return Close(*this);
}

// Runs `function` with a deadline `duration` from now, in a region of its own; DEADLINE_EXCEEDED when it
// did not finish. The work is drained before this returns.
template <typename F>
auto timeout(Cx& cx, DurationNs duration, F function) -> std::invoke_result_t<F, Cx&> {
  Region region(cx);
  auto join = region.spawn("timeout", std::move(function), cx.now() + duration);
  auto outcome = co_await join.wait(cx);
  co_await region.close();
  co_return std::move(outcome).result();
}

}  // namespace aspen::rt

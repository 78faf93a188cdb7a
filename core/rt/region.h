// Structured concurrency: a Region owns tasks and child regions, and closes only when all of them have
// ended, its finalizers have run and its obligations are resolved. There is no detached work.
//
//   Region region(cx);                                    // a child of the task
//   auto a = region.spawn("a", [](Cx& cx) -> Task<Result<int>> { ... });
//   Outcome<int> out = co_await a.wait(cx);
//   co_await region.close();                              // always, before the region goes
//
// Nothing may leave the frame between the first spawn and the end of the close, neither `return` nor a
// Panic: the tasks may refer to the frame, and its end cannot wait for them, so it ends the process. Code
// that can fail belongs into a task of the region: scope() (scope.h) puts it there.
//
// States:
//
//   open ------close()-----> closing ------cancel----> draining
//     |                         |                         |
//     '---close(), when         '--no tasks, no children--+
//         cancelled: draining                             v
//                            closed <--ledger empty-- finalizing
//
//   open        admits everything.
//   closing     waits for what it has; what is spawned now starts cancelled, so that it still completes.
//   draining    the same, and everything in it has been asked to stop.
//   finalizing  runs the finalizers, last added first, one after the other. They are masked and have what
//               is left of the cleanup budget of the cancel that stood (cancel_node.h; a whole one if none
//               did), and not the region's deadline; while one runs, it may spawn. Then it waits for the
//               ledger, which is no cleanup: those who hold it up are told (obligation.h), not forced.
//   closed      no task, no child, no finalizer left, ledger empty. Admits nothing.
//
// What is over a limit is refused, and said so where its end is awaited: a task over the limit completes with
// OVERLOADED without having run; a region over the limit is open, and so are all its tasks refused.
//
// Invariants: closed implies the above; a child's budget is within its parent's; a cancel reaches every task
// below.
// Thread safety: none; one executor's thread. A region may be destroyed by what it calls when it is closed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/rt/budget.h"
#include "core/rt/join.h"
#include "core/rt/obligation.h"

namespace aspen::rt {

// What the end of one task means for the others.
enum class Policy : uint8_t {
  collect_all,  // nothing
  fail_fast,    // the first that is Err or Panicked cancels the region, with what went wrong as the cause
};

struct RegionOptions {
  TimeNs deadline = kNever;
  Budget budget = {};     // of each task; its deadline and the one above meet
  const char* name = "";  // a literal, for logs
  Policy policy = Policy::collect_all;
  size_t tasks_max = limits::kRegionTasksMax;
  size_t children_max = limits::kRegionChildrenMax;  // regions, those its tasks open included
  size_t obligations_max = limits::kRegionObligationsMax;
  BrokenPromise broken_promise = BrokenPromise::log;
};

enum class RegionState : uint8_t { open, closing, draining, finalizing, closed };
const char* to_string(RegionState state);

class Region final : public Runnable, public ListNode<RegionTag>, public CancelNode {
 public:
  using State = RegionState;

  // The root of a tree.
  explicit Region(Executor& executor, RegionOptions options = {});
  // A child of a task or of a region: it hears the parent's cancel and keeps its budget. A task closes the
  // regions it opened before it returns; a region's close waits for its children's.
  explicit Region(Cx& parent, RegionOptions options = {});
  // Requires: the parent is not closed.
  explicit Region(Region& parent, RegionOptions options = {});
  // Requires: closed, or open and never given anything that has not ended. Else the process ends.
  ~Region();

  // Starts `function(Cx&) -> Task<Result<T>>` in the next turn. In a region that is cancelled or no longer
  // open the task starts cancelled, so that whatever it was to complete still completes; over the limit it
  // completes with OVERLOADED. `name` outlives the task: a literal.
  // Requires: not closed.
  template <typename F>
  auto spawn(const char* name, F function, TimeNs deadline = kNever) {
    return spawn(name, std::move(function), Budget{.deadline = deadline});
  }
  template <typename F>
  auto spawn(const char* name, F function, const Budget& budget) {
    using T = typename detail::ResultValue<std::invoke_result_t<F, Cx&>>::type;
    Ref<TaskOf<T>> task(
        new detail::SpawnedTask<T, F>(*this, name, meet(budget_, budget), std::move(function)));
    admit(task);
    return Join<T>(std::move(task));
  }

  // Runs when the region closes, after all tasks and children ended. Requires: not closed.
  void add_finalizer(std::move_only_function<Task<void>(Cx&)> finalizer);

  // Requests cancel of everything below; the region stays open. Finalizers that run already are not cut
  // short, only their time is.
  void cancel(const CancelReason& reason) { request_cancel(reason); }

  // Calls `closed` when the region is closed: at once if nothing is in the way, else from the run queue.
  void close(std::move_only_function<void()> closed);
  class Close;
  // co_await: waits for closed. Not cut short by a cancel (no region is left half closed), which reaches the
  // region's tasks instead if the region is the waiting task's. A task must not wait for its own region.
  Close close();

  std::string describe() const final;
  State state() const { return state_; }
  const char* name() const { return name_; }
  // The region above: the parent, or the one of the task that opened this. Null for a root.
  Region* parent() const { return parent_; }
  // The task that opened this, or null.
  TaskBase* owner() const { return owner_; }
  size_t task_count() const { return task_count_; }
  size_t child_count() const { return child_count_; }
  size_t obligation_count() const { return obligation_count_; }
  // That have not begun.
  size_t finalizer_count() const { return finalizers_.size(); }
  const Budget& budget() const { return budget_; }
  // What made a fail_fast region cancel itself.
  const std::optional<Error>& failure() const { return failure_; }
  // Names what a close waits for, for logs.
  std::string pending();

 private:
  friend class TaskBase;
  friend class Obligation;
  using Finalizer = std::move_only_function<Task<void>(Cx&)>;

  Region(Executor& executor, Region* parent, TaskBase* owner, const RegionOptions& options,
         const Budget& above);
  void run() final { advance(); }
  bool accepts(const CancelReason& reason, bool forced) final;
  void pass_on(CancelWalk& walk) final;
  std::string stuck() final;
  void cleanup_over() final;

  void join_parent(List<Region, RegionTag>& siblings);
  void leave_parent();
  void inherit_cancel(const CancelPtr& reason, bool forced);
  void admit(Ref<TaskBase> task);
  void adopt(Ref<TaskBase> task);
  std::optional<Error> refusal() const;
  // What is spawned now can only start cancelled.
  bool too_late() const;
  const CancelPtr& reason_below();
  // Calls nobody.
  void task_ended(TaskBase& task);
  // True when the region is closed. Calls nobody.
  bool begin_close();
  // One thing less to wait for: looks again, from the run queue.
  void changed();
  void advance();
  void begin_finalizing();
  void run_finalizers();
  void set_state(State state);
  void report_hold_up();
  std::string pending(int depth);

  Region* parent_;
  TaskBase* owner_;
  const char* name_;
  Budget budget_;
  State state_ = State::open;
  Policy policy_;
  BrokenPromise broken_promise_;
  CancelPtr below_;          // what is told to those below; null until asked for
  CleanupBudget cleanup_{};  // of the finalizers
  List<TaskBase, TaskBase> tasks_;
  List<TaskBase, TaskBase> refused_;  // to complete without having run
  List<Region, RegionTag> children_;
  List<Obligation, ObligationTag> obligations_;
  size_t task_count_ = 0;
  size_t child_count_ = 0;
  size_t obligation_count_ = 0;
  size_t tasks_max_;
  size_t children_max_;
  size_t obligations_max_;
  std::optional<Error> failure_;
  std::unique_ptr<Error> refused_self_;  // why this region admits nothing
  std::vector<Finalizer> finalizers_;
  std::vector<std::move_only_function<void()>> closers_;
};

class Region::Close final : public Runnable {
 public:
  explicit Close(Region& region)
      : region_(region), executor_(region.executor()), task_(executor_.current_task) {
    ASPEN_ASSERT(task_ == nullptr || &task_->region() != &region);
  }
  bool await_ready() { return region_.begin_close(); }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    region_.closers_.push_back([this] { executor_.schedule(*this); });
  }
  void await_resume() const {}

 private:
  void run() override {
    if (task_ != nullptr) return task_->resume(handle_);
    handle_.resume();
  }
  Region& region_;
  Executor& executor_;  // another closer may destroy the region
  TaskBase* task_;      // that waits
  std::coroutine_handle<> handle_;
};

inline Region::Close Region::close() {
  return Close(*this);
}

}  // namespace aspen::rt

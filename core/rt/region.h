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
// that can fail belongs into a task of the region; the frame around it spawns, waits and closes (see
// timeout).
//
// States: open -> closing (waits for tasks and children; new ones start cancelled) -> finalizing (finalizers,
// last added first, one after the other, masked and without a deadline) -> closed.
//
// Invariants: closed implies no task, no child, no finalizer left, ledger empty; a child's deadline is never
// later than its parent's; cancel reaches every task below, with its reason.
// Thread safety: none; one executor's thread. A region may be destroyed by what it calls when it is closed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/rt/join.h"
#include "core/rt/obligation.h"

namespace aspen::rt {

struct RegionOptions {
  TimeNs deadline = kNever;
};

class Region final : public Runnable, public ListNode<RegionTag> {
 public:
  enum class State : uint8_t { open, closing, finalizing, closed };

  // The root of a tree.
  explicit Region(Executor& executor, RegionOptions options = {});
  // A child of a task or of a region: it hears the parent's cancel and keeps its deadline. A task closes the
  // regions it opened before it returns; a region's close waits for its children's.
  explicit Region(Cx& parent, RegionOptions options = {});
  // Requires: the parent is not closed.
  explicit Region(Region& parent, RegionOptions options = {});
  // Requires: closed, or open and never given anything that has not ended. Else the process ends.
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Starts `function(Cx&) -> Task<Result<T>>` in the next turn. In a region that is cancelled or no longer
  // open the task starts cancelled, so that whatever it was to complete still completes.
  // Requires: not closed.
  template <typename F>
  auto spawn(std::string_view name, F function, TimeNs deadline = kNever) {
    using T = typename detail::ResultValue<std::invoke_result_t<F, Cx&>>::type;
    auto task = std::make_shared<detail::SpawnedTask<T, F>>(*this, name, deadline, std::move(function));
    adopt(task);
    return Join<T>(std::move(task));
  }

  // Runs when the region closes, after all tasks and children ended. Requires: not closed.
  void add_finalizer(std::move_only_function<Task<void>(Cx&)> finalizer);

  // Requests cancel of everything below; the region stays open.
  void cancel(const CancelReason& reason);

  // Calls `closed` when the region is closed: at once if nothing is in the way, else from the run queue.
  void close(std::move_only_function<void()> closed);
  class Close;
  // co_await: waits for closed. Not cut short by a cancel (no region is left half closed), which reaches the
  // region's tasks instead if the region is the waiting task's.
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
  void run() final { advance(); }
  void adopt(std::shared_ptr<TaskBase> task);
  // True when the region is closed. Calls nobody.
  bool begin_close();
  // One thing less to wait for: looks again, from the run queue.
  void changed();
  void advance();
  void start_finalizers();

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

class Region::Close final : public Runnable {
 public:
  explicit Close(Region& region) : region_(region), executor_(region.executor()) {}
  bool await_ready() { return region_.begin_close(); }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    region_.closers_.push_back([this] { executor_.schedule(*this); });
  }
  void await_resume() const {}

 private:
  void run() override { handle_.resume(); }
  Region& region_;
  Executor& executor_;  // another closer may destroy the region
  std::coroutine_handle<> handle_;
};

inline Region::Close Region::close() {
  return Close(*this);
}

// Runs `function` with a deadline `duration` from now, in a region of its own; DEADLINE_EXCEEDED when it
// did not finish. The work is drained before this returns.
template <typename F>
auto timeout(Cx& cx, DurationNs duration, F function) -> std::invoke_result_t<F, Cx&> {
  Region region(cx);
  auto join = region.spawn("timeout", std::move(function), cx.after(duration));
  auto outcome = co_await join.wait(cx);
  co_await region.close();
  co_return std::move(outcome).result();
}

}  // namespace aspen::rt

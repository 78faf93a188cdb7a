// What a request to cancel travels through: regions and tasks are the nodes of one tree.
//
// A request strengthens the reason that stands at a node (cancel.h) and goes on to everything below it. It
// stops where a reason stands that is as strong, for then all below has one too. The walk is a loop with a
// list, not a recursion: trees may be as deep as they like.
//
// Cleanup is bounded where the request came in, once for all that is below: the tasks, the finalizers of the
// regions they leave, however deep. A later request, stronger or weaker, never gives more time. When the
// reason's cleanup budget is over there,
//   1. the cancel is forced on everything below: masks stop masking, so a deferred cancel arrives and waits
//      inside a mask fail;
//   2. limits::kCleanupGrace later, what is still there is named in the log and to Executor::on_stuck.
// A running task is never destroyed: what does not react stays, and its region stays open over it. A task
// that has used up the resumes of the budget is forced alone. What comes below a node later inherits both
// the reason and the force, and finalizers that begin under the force have no time left: their waits fail.
//
// Thread safety: none; one executor's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/rt/cancel.h"
#include "core/rt/executor.h"

namespace aspen::rt {

class CancelNode;

// One request on its way. What is reached may only unlink and schedule, so nothing goes away meanwhile.
class CancelWalk {
 public:
  // To `node` and all below. From inside a walk it is appended to that one.
  static void run(CancelNode& node, CancelPtr reason, bool forced);
  // To what is below `node`, which held back a reason that stands.
  static void deliver(CancelNode& node);
  // For what a node passes on.
  void reach(CancelNode& node, CancelPtr reason, bool forced) {
    steps_.push_back({&node, std::move(reason), forced});
  }

 private:
  void go();
  struct Step {
    CancelNode* node;
    CancelPtr reason;
    bool forced;
  };
  std::vector<Step> steps_;
};

class CancelNode {
 public:
  CancelNode(const CancelNode&) = delete;
  CancelNode& operator=(const CancelNode&) = delete;

  // Strengthens what stands here and below; a weaker request changes nothing. Empty fields of the reason are
  // filled in: the time is now, the origin this node.
  void request_cancel(const CancelReason& reason);
  // Null: none stands. In a task it may be masked.
  const CancelReason* cancel_reason() const { return cancel_.get(); }
  // Unique in the executor.
  uint64_t id() const { return id_; }
  // "task x", "region y".
  virtual std::string describe() const = 0;
  // The cleanup budget is over: masks no longer mask.
  bool forced() const { return forced_; }
  TimeNs deadline() const { return due_; }
  Executor& executor() const { return executor_; }

 protected:
  CancelNode(Executor& executor, TimeNs deadline)
      : executor_(executor), due_(deadline), id_(executor.next_id()) {}
  ~CancelNode() = default;

  // False for a request that does not concern this node now.
  virtual bool accepts(const CancelReason& reason, bool forced) = 0;
  // Passes cancel_, which has just become stronger or forced, to what is below.
  virtual void pass_on(CancelWalk& walk) = 0;
  // What still runs, for the log; empty: nothing.
  virtual std::string stuck() = 0;
  // The cleanup budget is over, for the first time or the grace after it.
  virtual void cleanup_over();

  // From here on the deadline is enforced by this node (otherwise one above does).
  void enforce_deadline();
  // Cleanup here ends at `end` at the latest.
  void bound_cleanup(TimeNs end);
  // kNever: no bound is set here.
  TimeNs cleanup_end() const { return clock_ ? clock_->cleanup_end : kNever; }
  bool cleanup_bounded() const { return cleanup_end() != kNever; }
  // Calls cleanup_over() once more.
  void extend_cleanup(DurationNs duration);
  void force();
  void stop_clock() { clock_.reset(); }

  Executor& executor_;
  TimeNs due_;
  CancelPtr cancel_;
  bool forced_ = false;

 private:
  friend class CancelWalk;
  friend class Region;
  // Made when there is a deadline or a cleanup to bound: most tasks have neither.
  struct Clock {
    explicit Clock(CancelNode& node) : timer(node.executor_, [&node] { node.tick(); }) {}
    Timer timer;
    TimeNs deadline = kNever;
    TimeNs cleanup_end = kNever;
  };
  Clock& clock();
  void arm_clock();
  void tick();

  uint64_t id_;
  std::unique_ptr<Clock> clock_;
};

}  // namespace aspen::rt

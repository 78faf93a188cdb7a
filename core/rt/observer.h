// What happens to the structure of tasks, regions and obligations, told to one who watches: the lab's oracles
// check leaks, quiescence, drained losers, deadlines that only shorten, and the cancel protocol with it.
//
//   executor.observer = &oracle;            // before the first region; null again only after the last
//
// Ids are unique in an executor and do not depend on addresses. Everything passed is valid during the call;
// of a task that is spawned and a region that is opened, until it has ended. A task that stands in no
// ready lane with no timer left to come, and an obligation made by it that is open: a futurelock.
//
// Order: task_spawned, then any of cancel_requested and cancel_delivered, then task_ended, once. A
// cancel_delivered follows a cancel_requested at the same task. region_opened, then region_changed for each
// step of the state machine; the last is to closed.
//
// Callees must not change what they watch. Thread safety: none; called on the executor's thread.
#pragma once

#include <string>

namespace aspen::rt {

class CancelNode;
class Obligation;
class Region;
class TaskBase;
struct CancelReason;
enum class RegionState : uint8_t;

class Observer {
 public:
  virtual ~Observer() = default;

  // In TaskBase: name, region, budget and deadline. A refused task is told too.
  virtual void task_spawned(const TaskBase&) {}
  // It stands at an await, in `waiting()` or closing a region; it may have been woken already.
  virtual void task_suspended(const TaskBase&) {}
  // With its outcome's severity; before its joiners hear of it.
  virtual void task_ended(const TaskBase&) {}
  // A stronger reason stands at a task or region; `forced()` when its cleanup budget is over.
  virtual void cancel_requested(const CancelNode&, const CancelReason&) {}
  // It has reached the task: no mask holds it back.
  virtual void cancel_delivered(const TaskBase&) {}

  virtual void region_opened(const Region&) {}
  virtual void region_changed(const Region&, RegionState /*from*/) {}

  virtual void obligation_made(const Obligation&) {}
  // With its state.
  virtual void obligation_ended(const Obligation&) {}
  // A leak, a second word or a hold-up (obligation.h).
  virtual void promise_broken(const Obligation&, const std::string& /*text*/) {}
  // What Executor::on_stuck is told.
  virtual void stuck(const std::string& /*text*/) {}
};

}  // namespace aspen::rt

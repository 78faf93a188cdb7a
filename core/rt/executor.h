// One thread's run queue and timers. Everything the engine does is a Runnable dispatched here, one after
// the other: protocol code needs no lock and the lab owns the order.
//
// A turn: read the clock once, fire due timers, run what is ready, then the turn-end hooks. What becomes
// ready or due meanwhile waits for the next turn, so a turn ends. Hooks are where work is batched: the
// network flushes its packets there, Raft takes its effects.
//
// Three lanes order the work of a turn. First cancel: what is stopped gives its resources back before others
// ask for more. Then timed, earliest deadline first; then ready, in the order scheduled. One step is one
// resume, never another from inside it.
//
// No lane starves another:
//  - timed and ready work that stands when a turn begins runs in that turn, whatever is scheduled meanwhile;
//  - cancel work is the exception, it also joins the turn that goes on. While other work waits at most
//    limits::kCancelStreakMax steps of it follow each other, so a turn that begins with n items of other
//    work has at most kCancelStreakMax * (n + 1) steps of cancel work.
//
// Whatever runs here may destroy itself, its owner, or others that are due.
//
// Invariants: a Runnable stands in one queue at most, once; one that is destroyed leaves it. The order
// depends on what was scheduled in which order, nothing else. Lifetime: the executor outlives every Timer,
// Runnable and Region that uses it. Thread safety: none; rt::Loop carries work in from other threads.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/rt/callback.h"
#include "core/rt/env.h"
#include "core/rt/list.h"
#include "core/rt/timer_wheel.h"
#include "core/rt/watchdog.h"

namespace aspen::rt {

class Executor;
class Observer;
class TaskBase;

// What the exception being handled says: for a catch (...).
std::string current_panic_text();

class Runnable : public ListNode<Runnable> {
 public:
  virtual void run() = 0;

 protected:
  ~Runnable() = default;

 private:
  friend class Executor;
  enum class Place : uint8_t { cancel, timed, ready, next, turn_end };
  TimeNs deadline_ = kNever;    // in the timed lane
  Place place_ = Place::ready;  // while it is linked
};

// Calls a function once, at or after a time. Re-arming moves it, disarming or destroying it stops it. A time
// that has passed counts as now.
// Arming and disarming cost the same whatever the number of timers, and allocate nothing.
class Timer : private TimerWheel::Entry {
 public:
  Timer(Executor& executor, std::function<void()> fire) : executor_(executor), fire_(std::move(fire)) {}
  ~Timer() { disarm(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Equal times fire in the order they were armed.
  void arm(TimeNs at);
  void disarm();
  using TimerWheel::Entry::armed;

 private:
  friend class Executor;
  Executor& executor_;
  Callback<> fire_;
};

// A function as a Runnable, for members that schedule themselves: `Deferred flush_{[this] { flush(); }};`
class Deferred final : public Runnable {
 public:
  explicit Deferred(std::function<void()> function) : function_(std::move(function)) {}
  void run() override { function_(); }

 private:
  Callback<> function_;
};

class Executor {
 public:
  explicit Executor(Env& env) : env_(env), now_(env.now()), timers_(now_) {}

  Env& env() { return env_; }
  // The time at which this turn began, or turns as short as one began (Loop); before one, at which what led
  // to it came in.
  TimeNs now() const { return now_; }

  // Runs `work` in this turn, or the next when called while one runs. Scheduled twice, it runs once, where it
  // stood first.
  void schedule(Runnable& work) { add(ready_.later, work, Runnable::Place::ready); }
  // The same, before what has a later deadline or none.
  void schedule_timed(Runnable& work, TimeNs deadline);
  // Runs `work` before other work, in the turn that goes on if one does. Moves it here from the other lanes.
  void schedule_cancel(Runnable& work);
  // Runs `work` right after what runs now, for what completes it: a task's end.
  void schedule_next(Runnable& work);
  // Runs `work` when this turn's ready work is done.
  void at_turn_end(Runnable& work);

  // For the lab: with two or more items in what is left of a lane (or of the hooks), `choose(count)` says
  // which runs next: a number below `count`, 0 for the one that would run anyway. Null: always that one.
  using Chooser = std::function<size_t(size_t count)>;
  void set_chooser(Chooser choose) { choose_ = std::move(choose); }

  // For whoever drives: reads the clock and makes one turn. True when more is ready.
  bool turn() {
    read_clock();
    return same_time_turn();
  }
  // The same at the time that was read last.
  bool same_time_turn();
  // Since the clock was read.
  size_t steps() const { return steps_; }
  // Reads the clock, for input that is handled before the turn.
  void read_clock() {
    now_ = env_.now();
    steps_ = 0;
    if (watchdog_) watchdog_->begin();
  }
  // No timer fires before; see TimerWheel::next().
  TimeNs next_timer() const { return timers_.next(); }

  // Runs `work`; a Panic or exception in it ends here.
  template <typename F>
  void contained(F&& work) {
    try {
      work();
    } catch (...) {
      report_panic(current_panic_text());
    }
  }

  // The same as a step that is watched.
  template <typename F>
  void step(const char* what, F&& work) {
    ++steps_;
    current_step = what;
    contained(work);
    if (watchdog_) watchdog_->end(current_step);
  }
  // Watches from now on which steps take long.
  Watchdog& watch_steps() { return watchdog_ ? *watchdog_ : watchdog_.emplace(env_); }

  // Called with the text of a Panic that escaped a Runnable or a Timer, which is logged anyway. Must not
  // throw.
  std::function<void(const std::string&)> on_panic;
  // Called with what a cancel could not end within its cleanup budget, which is logged anyway: see
  // cancel_node.h. Must not throw or destroy what is stuck.
  std::function<void(const std::string&)> on_stuck;
  // What runs now, for logs: a literal, which the step itself may make more precise.
  const char* current_step = "";
  // The task that runs now; null between tasks.
  TaskBase* current_task = nullptr;
  // Who watches tasks, regions and obligations; null: nobody.
  Observer* observer = nullptr;
  // For what is watched: 1, 2, 3, ...
  uint64_t next_id() { return ++last_id_; }

 private:
  friend class Timer;
  using Queue = List<Runnable, Runnable>;
  void add(Queue& queue, Runnable& work, Runnable::Place place) {
    if (work.linked()) return;
    work.place_ = place;
    queue.push_back(work);
  }
  void fire_timers();
  void begin_turn();
  // The next of this turn's work, or null at its end.
  Runnable* pick();
  Runnable* take(Queue& queue) { return choose_ ? take_chosen(queue) : queue.pop_front(); }
  Runnable* take_chosen(Queue& queue);
  void run(Runnable& work) {
    step("work", [&work] { work.run(); });
  }
  void run_next();
  void report_panic(const std::string& text) noexcept;

  struct LaneQueue {
    Queue now;    // what is left of it in this turn
    Queue later;  // what was scheduled since
  };

  Env& env_;
  TimeNs now_;
  size_t steps_ = 0;
  uint64_t last_id_ = 0;
  TimerWheel timers_;
  Queue cancel_;
  LaneQueue timed_;
  LaneQueue ready_;
  LaneQueue turn_end_;
  Queue next_;
  size_t cancel_streak_ = 0;  // steps of cancel work since the last of other work
  Chooser choose_;
  std::optional<Watchdog> watchdog_;
  struct Timed {
    TimeNs deadline;
    size_t order;
    Runnable* work;
  };
  std::vector<Timed> sorting_;  // empty between uses; kept for its memory
};

}  // namespace aspen::rt

// One thread's run queue and timers. Everything the engine does is a Runnable dispatched here, one after
// the other: protocol code needs no lock and the lab owns the order.
//
// A turn: read the clock once, fire due timers, run what is ready, then the turn-end hooks. What becomes
// ready or due meanwhile waits for the next turn, so a turn ends. Hooks are where work is batched: the
// network flushes its packets there, Raft takes its effects.
//
// Whatever runs here may destroy itself, its owner, or others that are due.
//
// Invariants: a Runnable stands in the queue at most once; one that is destroyed leaves it.
// Lifetime: the executor outlives every Timer, Runnable and Region that uses it.
// Thread safety: none; rt::Loop carries work in from other threads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/rt/callback.h"
#include "core/rt/env.h"
#include "core/rt/list.h"

namespace aspen::rt {

class Executor;

// What the exception being handled says: for a catch (...).
std::string current_panic_text();

class Runnable : public ListNode<Runnable> {
 public:
  virtual void run() = 0;

 protected:
  ~Runnable() = default;
};

// Calls a function once, at or after a time. Re-arming moves it, disarming or destroying it stops it. A time
// that has passed counts as now.
class Timer {
 public:
  Timer(Executor& executor, std::function<void()> fire) : executor_(executor), fire_(std::move(fire)) {}
  ~Timer() { disarm(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void arm(TimeNs at);
  void disarm();
  bool armed() const { return position_ != kNowhere; }

 private:
  friend class Executor;
  static constexpr size_t kNowhere = ~size_t{0};
  Executor& executor_;
  Callback<> fire_;
  TimeNs at_ = 0;
  uint64_t sequence_ = 0;       // equal times fire in the order they were armed
  size_t position_ = kNowhere;  // in the executor's heap
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
  explicit Executor(Env& env) : env_(env), now_(env.now()) {}

  Env& env() { return env_; }
  // The time at which this turn began; before one, at which what led to it came in.
  TimeNs now() const { return now_; }

  // Runs `work` in this turn, or the next when called while one runs. Scheduled twice, it runs once.
  void schedule(Runnable& work);
  // Runs `work` right after what runs now, for what completes it: a task's end.
  void schedule_next(Runnable& work);
  // Runs `work` when this turn's ready work is done.
  void at_turn_end(Runnable& work);

  // For whoever drives: one turn. True when more is ready.
  bool turn();
  // Reads the clock, for input that is handled before the turn.
  void read_clock() { now_ = env_.now(); }
  TimeNs next_timer() const { return heap_.empty() ? kNever : heap_.front()->at_; }

  // Runs `work`; a Panic or exception in it ends here.
  template <typename F>
  void contained(F&& work) {
    try {
      work();
    } catch (...) {
      report_panic(current_panic_text());
    }
  }

  // Called with the text of a Panic that escaped a Runnable or a Timer, which is logged anyway. Must not
  // throw.
  std::function<void(const std::string&)> on_panic;

 private:
  friend class Timer;
  using Queue = List<Runnable, Runnable>;
  bool earlier(const Timer& a, const Timer& b) const;
  void place(Timer* timer, size_t position);
  void sift_up(size_t position);
  void sift_down(size_t position);
  void run_queue(Queue& queue);
  void report_panic(const std::string& text) noexcept;

  Env& env_;
  TimeNs now_;
  Queue running_;  // what is left of the queue that is run
  Queue ready_;
  Queue turn_end_;
  std::vector<Timer*> heap_;
  uint64_t sequence_ = 0;
};

}  // namespace aspen::rt

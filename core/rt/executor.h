// One thread's run queue and timers. Everything the engine does is a Runnable dispatched here, one after
// the other: protocol code needs no lock and the lab owns the order.
//
// A turn: read the clock once, fire due timers, run what is ready (what becomes ready meanwhile waits for
// the next turn, so a turn ends), then the turn-end hooks. Hooks are where work is batched: the network
// flushes its packets there, Raft takes its effects.
//
// Invariants: a Runnable stands in the queue at most once; one that is destroyed leaves it.
// Thread safety: none; rt::Loop carries work in from other threads.
#pragma once

#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/rt/env.h"
#include "core/rt/list.h"

namespace aspen::rt {

class Executor;

class Runnable : public ListNode<Runnable> {
 public:
  virtual void run() = 0;

 protected:
  ~Runnable() = default;
};

// Calls a function once, at or after a time. Re-arming moves it. Destroying it disarms it.
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
  std::function<void()> fire_;
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
  std::function<void()> function_;
};

class Executor {
 public:
  explicit Executor(Env& env) : env_(env), now_(env.now()) {}

  Env& env() { return env_; }
  // The time at which this turn began.
  TimeNs now() const { return now_; }

  // Runs `work` in this turn, or the next when called while one runs. Scheduled twice, it runs once.
  void schedule(Runnable& work);
  // Runs `work` when this turn's ready work is done.
  void at_turn_end(Runnable& work);

  // For whoever drives: one turn. True when more is ready.
  bool turn();
  TimeNs next_timer() const { return heap_.empty() ? kNever : heap_.front()->at_; }

  // Runs `work`; a Panic or exception in it ends here.
  template <typename F>
  void contained(F&& work) {
    try {
      work();
    } catch (const std::exception& e) {
      report_panic(e.what());
    }
  }

  // Called with the text of a Panic that escaped a Runnable or a Timer; the default logs it only.
  std::function<void(const std::string&)> on_panic;

 private:
  friend class Timer;
  using Queue = List<Runnable, Runnable>;
  bool earlier(const Timer& a, const Timer& b) const;
  void place(Timer* timer, size_t position);
  void sift_up(size_t position);
  void sift_down(size_t position);
  void run_queue(Queue& queue);
  void report_panic(const char* text);

  Env& env_;
  TimeNs now_;
  Queue ready_;
  Queue turn_end_;
  std::vector<Timer*> heap_;
  uint64_t sequence_ = 0;
};

}  // namespace aspen::rt

#include "core/rt/executor.h"

#include <algorithm>
#include <exception>

#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mutant.h"

namespace aspen::rt {

void Timer::arm(TimeNs at) {
  disarm();
  // Not before now, or one armed after others could come before them in the turn in which they are due.
  if (at != kNever) executor_.timers_.insert(*this, std::max(at, executor_.now_));
}

void Timer::disarm() {
  if (armed()) executor_.timers_.remove(*this);
}

void Executor::schedule_timed(Runnable& work, TimeNs deadline) {
  if (work.linked()) return;
  work.deadline_ = deadline;
  add(ASPEN_MUTANT("rt-timed-starves-ready") ? timed_.now : timed_.later, work, Runnable::Place::timed);
}

void Executor::schedule_cancel(Runnable& work) {
  using enum Runnable::Place;
  if (work.linked() && (work.place_ == timed || work.place_ == ready)) work.unlink();
  add(ASPEN_MUTANT("rt-cancel-waits-its-turn") ? ready_.later : cancel_, work, cancel);
}

void Executor::at_turn_end(Runnable& work) {
  add(turn_end_.later, work, Runnable::Place::turn_end);
}

void Executor::schedule_next(Runnable& work) {
  if (work.linked()) return;
  work.place_ = Runnable::Place::next;
  next_.push_front(work);
}

void Executor::report_panic(const std::string& text) noexcept {
  log(LogLevel::error, "contained failure: {}", text);
  if (on_panic) on_panic(text);
}

void Executor::fire_timers() {
  if (ASPEN_BUGGIFY("rt-timers-later")) return;
  // Timers armed from here on wait for the next turn, also when they are due.
  TimerWheel::Due due;
  timers_.advance(now_, due);
  while (TimerWheel::Entry* entry = due.pop_front()) {
    step("a timer", [entry] { static_cast<Timer*>(entry)->fire_(); });
  }
}

void Executor::begin_turn() {
  ready_.now.append(ready_.later);
  // Sorted once a turn and not kept sorted: work that is destroyed then leaves a plain list.
  while (Runnable* work = timed_.later.pop_front()) {
    sorting_.push_back({work->deadline_, sorting_.size(), work});
  }
  if (!ASPEN_MUTANT("rt-timed-unsorted")) {
    std::ranges::sort(sorting_, {},
                      [](const Timed& timed) { return std::pair(timed.deadline, timed.order); });
  }
  for (const Timed& timed : sorting_) timed_.now.push_back(*timed.work);
  sorting_.clear();
  // A streak that the last turn broke off goes on when it kept other work waiting.
  if (timed_.now.empty() && ready_.now.empty()) cancel_streak_ = 0;
}

Runnable* Executor::pick() {
  bool streak_over = cancel_streak_ >= limits::kCancelStreakMax && !ASPEN_MUTANT("rt-cancel-starves");
  if (!cancel_.empty() && !streak_over) {
    ++cancel_streak_;
    return take(cancel_);
  }
  Queue& other = timed_.now.empty() ? ready_.now : timed_.now;
  if (other.empty()) return nullptr;
  cancel_streak_ = 0;
  return take(other);
}

Runnable* Executor::take_chosen(Queue& queue) {
  if (ASPEN_MUTANT("rt-chooser-ignored")) return queue.pop_front();
  size_t count = 0;
  for (Runnable* work = queue.front(); work != nullptr; work = queue.next(*work)) ++count;
  if (count < 2) return queue.pop_front();
  size_t chosen = choose_(count);
  ASPEN_ASSERT(chosen < count);
  Runnable* work = queue.front();
  while (chosen-- > 0) work = queue.next(*work);
  work->unlink();
  return work;
}

void Executor::run_next() {
  while (Runnable* work = next_.pop_front()) run(*work);
}

bool Executor::same_time_turn() {
  fire_timers();
  run_next();
  begin_turn();
  while (Runnable* work = pick()) {
    run(*work);
    run_next();
  }
  if (!ASPEN_BUGGIFY("rt-hooks-later")) turn_end_.now.append(turn_end_.later);
  while (Runnable* hook = take(turn_end_.now)) {
    run(*hook);
    run_next();
  }
  return !cancel_.empty() || !timed_.later.empty() || !ready_.later.empty() || !turn_end_.later.empty();
}

std::string current_panic_text() {
  try {
    throw;
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception that is not a std::exception";
  }
}

}  // namespace aspen::rt

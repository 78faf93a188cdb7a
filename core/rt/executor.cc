#include "core/rt/executor.h"

#include <algorithm>
#include <exception>

#include "core/base/log.h"

namespace aspen::rt {

void Timer::arm(TimeNs at) {
  disarm();
  if (at == kNever) return;
  // Not before now, or one armed in a turn could come before those that are due in it; see turn().
  at_ = std::max(at, executor_.now_);
  sequence_ = ++executor_.sequence_;
  executor_.heap_.push_back(this);
  executor_.place(this, executor_.heap_.size() - 1);
  executor_.sift_up(position_);
}

void Timer::disarm() {
  if (!armed()) return;
  auto& heap = executor_.heap_;
  size_t hole = position_;
  position_ = kNowhere;
  Timer* last = heap.back();
  heap.pop_back();
  if (last == this) return;
  executor_.place(last, hole);
  executor_.sift_up(hole);
  executor_.sift_down(last->position_);
}

bool Executor::earlier(const Timer& a, const Timer& b) const {
  return a.at_ != b.at_ ? a.at_ < b.at_ : a.sequence_ < b.sequence_;
}

void Executor::place(Timer* timer, size_t position) {
  heap_[position] = timer;
  timer->position_ = position;
}

void Executor::sift_up(size_t position) {
  Timer* moving = heap_[position];
  while (position > 0) {
    size_t parent = (position - 1) / 2;
    if (!earlier(*moving, *heap_[parent])) break;
    place(heap_[parent], position);
    position = parent;
  }
  place(moving, position);
}

void Executor::sift_down(size_t position) {
  Timer* moving = heap_[position];
  for (;;) {
    size_t child = 2 * position + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && earlier(*heap_[child + 1], *heap_[child])) ++child;
    if (!earlier(*heap_[child], *moving)) break;
    place(heap_[child], position);
    position = child;
  }
  place(moving, position);
}

void Executor::schedule(Runnable& work) {
  if (!work.linked()) ready_.push_back(work);
}

void Executor::at_turn_end(Runnable& work) {
  if (!work.linked()) turn_end_.push_back(work);
}

void Executor::schedule_next(Runnable& work) {
  if (!work.linked()) running_.push_front(work);
}

void Executor::report_panic(const std::string& text) noexcept {
  log(LogLevel::error, "contained failure: {}", text);
  if (on_panic) on_panic(text);
}

void Executor::run_queue(Queue& queue) {
  running_.append(queue);
  while (Runnable* work = running_.pop_front()) contained([work] { work->run(); });
}

bool Executor::turn() {
  read_clock();
  // Timers armed from here on come after those that are due, and wait.
  const uint64_t last = sequence_;
  while (!heap_.empty() && heap_.front()->at_ <= now_ && heap_.front()->sequence_ <= last) {
    Timer* timer = heap_.front();
    timer->disarm();
    contained([timer] { timer->fire_(); });
  }
  run_queue(ready_);
  run_queue(turn_end_);
  return !ready_.empty() || !turn_end_.empty();
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

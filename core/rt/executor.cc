#include "core/rt/executor.h"

#include "core/base/log.h"

namespace aspen::rt {

void Timer::arm(TimeNs at) {
  disarm();
  if (at == kNever) return;
  at_ = at;
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

void Executor::report_panic(const char* text) {
  log(LogLevel::error, "contained failure: {}", text);
  if (on_panic) on_panic(text);
}

void Executor::run_queue(Queue& queue) {
  Queue batch;
  while (Runnable* work = queue.pop_front()) batch.push_back(*work);
  while (Runnable* work = batch.pop_front()) contained([work] { work->run(); });
}

bool Executor::turn() {
  now_ = env_.now();
  while (!heap_.empty() && heap_.front()->at_ <= now_) {
    Timer* timer = heap_.front();
    timer->disarm();
    contained(timer->fire_);
  }
  run_queue(ready_);
  run_queue(turn_end_);
  return !ready_.empty() || !turn_end_.empty();
}

}  // namespace aspen::rt

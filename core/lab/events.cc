#include "core/lab/events.h"

#include <algorithm>

namespace aspen::lab {

void Events::at(TimeNs time, Action action) {
  heap_.push_back({std::max(time, now_), sequence_++, std::move(action)});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool Events::run_next(TimeNs end) {
  if (heap_.empty() || heap_.front().time > end) {
    now_ = std::max(now_, end);
    return false;
  }
  std::pop_heap(heap_.begin(), heap_.end(), later);
  Event event = std::move(heap_.back());
  heap_.pop_back();
  now_ = event.time;
  ++count_;
  event.action();
  return true;
}

}  // namespace aspen::lab

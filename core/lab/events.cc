#include "core/lab/events.h"

#include <algorithm>
#include <utility>

namespace aspen::lab {

void Events::at(TimeNs time, Action action) {
  size_t place = actions_.size();
  if (free_.empty()) {
    actions_.push_back(std::move(action));
  } else {
    place = free_.back();
    free_.pop_back();
    actions_[place] = std::move(action);
  }
  heap_.push_back({std::max(time, now_), sequence_++, place});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool Events::run_next(TimeNs end) {
  if (heap_.empty() || heap_.front().time > end) {
    now_ = std::max(now_, end);
    return false;
  }
  std::pop_heap(heap_.begin(), heap_.end(), later);
  const Event event = heap_.back();
  heap_.pop_back();
  now_ = event.time;
  ++count_;
  Action action = std::exchange(actions_[event.place], nullptr);
  free_.push_back(event.place);
  action();
  return true;
}

}  // namespace aspen::lab

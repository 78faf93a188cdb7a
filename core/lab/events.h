// The future of a simulated world: what will happen at which virtual time. Running the next event moves the
// world's clock to it; nothing else does. Equal times run in the order they were scheduled.
//
//   Events events;
//   events.after(3 * kMillisecond, [&] { host.deliver(...); });
//   while (events.run_next(end)) {}
//
// Thread safety: none.
#pragma once

#include <functional>
#include <vector>

#include "core/base/time.h"

namespace aspen::lab {

class Events {
 public:
  using Action = std::move_only_function<void()>;

  TimeNs now() const { return now_; }
  // A time that has passed counts as now.
  void at(TimeNs time, Action action);
  void after(DurationNs duration, Action action) { at(now_ + duration, std::move(action)); }
  // Runs the next event, if it is due by `end`; else moves the clock to `end` and returns false.
  bool run_next(TimeNs end);
  uint64_t count() const { return count_; }  // run so far
  // Forgets all events, without running them.
  void clear() {
    heap_.clear();
    actions_.clear();
    free_.clear();
  }

 private:
  struct Event {
    TimeNs time;
    uint64_t sequence;
    size_t place;  // of its action
  };
  static bool later(const Event& a, const Event& b) {
    return a.time != b.time ? a.time > b.time : a.sequence > b.sequence;
  }

  TimeNs now_ = kSecond;
  uint64_t sequence_ = 0;
  uint64_t count_ = 0;
  std::vector<Event> heap_;
  // Beside the heap, which moves what is in it at every step, and an action costs a call to move.
  std::vector<Action> actions_;
  std::vector<size_t> free_;  // places in actions_
};

}  // namespace aspen::lab

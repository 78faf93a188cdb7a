// A thread's event loop: an Executor driven by epoll, with a door for other threads.
//
//   Loop loop;
//   loop.post([&] { ... });        // from any thread; runs on the loop's thread
//   loop.run();                    // until stop()
//
// The door is a lock-free stack that the loop empties once per turn (in submission order); the eventfd
// behind it is written only when the loop may be asleep, so a busy loop costs a poster no system call.
//
// A round of the loop: what came in through descriptors and the door, then a turn of the executor. While the
// executor has work, the system is asked for ready descriptors only every kPollInterval: that call costs more
// than most turns. For the same reason turns share a reading of the clock until kStepsOfOneTime steps ran at
// it.
//
// Lifetime: the loop outlives whoever posts to it, every FdWatch, and what uses its executor.
// Thread safety: post() and stop() from any thread; everything else from the thread in run(), or before it.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/rt/executor.h"

namespace aspen::rt {

class Loop;

// Calls back while a descriptor is ready (level-triggered). The descriptor stays its owner's, who closes it
// after the watch is gone. The callback may destroy this watch and others.
class FdWatch {
 public:
  using Callback = std::function<void(uint32_t events)>;  // EPOLLIN, EPOLLOUT, ...
  // Throws std::system_error for a descriptor that cannot be watched.
  FdWatch(Loop& loop, int fd, uint32_t events, Callback ready);
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  void set_events(uint32_t events);

 private:
  friend class Loop;
  Loop& loop_;
  int fd_;
  rt::Callback<uint32_t> ready_;
};

class Loop {
 public:
  explicit Loop(Env& env = system_env());
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Executor& executor() { return executor_; }
  // Until stop(); may be run again.
  void run();
  void stop();
  // `work` runs on the loop's thread, in the order in which this thread posted. What is posted after the last
  // round of run() waits for the next run(), or is destroyed with the loop.
  // Never refused, since completions must arrive: whoever lets others post bounds what they have outstanding
  // (limits::kOpsInFlightMax operations, limits::kBlockingQueueMax pieces of blocking work).
  void post(std::move_only_function<void()> work);

 private:
  friend class FdWatch;
  struct Posted {
    std::move_only_function<void()> work;
    Posted* next = nullptr;
  };

  static constexpr DurationNs kPollInterval = 20 * kMicrosecond;
  static constexpr size_t kStepsOfOneTime = 16;

  // What was posted, oldest first.
  Posted* take_posted();
  void run_posted();
  void poll(TimeNs until);
  void dispatch();

  Executor executor_;
  int epoll_fd_;
  int wake_fd_;
  std::optional<FdWatch> wake_;  // stops a sleep: a post writes to wake_fd_
  std::atomic<Posted*> posted_{nullptr};
  std::atomic<bool> asleep_{false};
  bool stop_ = false;
  // What epoll reported and was not called back yet, so that a callback may destroy other watches.
  struct Due {
    FdWatch* watch;
    uint32_t events;
  };
  std::vector<Due> due_;
};

}  // namespace aspen::rt

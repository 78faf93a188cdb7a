// A thread's event loop: an Executor driven by epoll, with a door for other threads.
//
//   Loop loop;
//   loop.post([&] { ... });        // from any thread; runs on the loop's thread
//   loop.run();                    // until stop()
//
// The door is a lock-free stack that the loop empties once per turn (in submission order); the eventfd
// behind it is written only when the loop may be asleep, so a busy loop costs a poster no system call.
//
// Thread safety: post() and stop() from any thread; everything else from the thread in run(), or before it.
#pragma once

#include <atomic>
#include <functional>

#include "core/base/error.h"
#include "core/rt/executor.h"

namespace aspen::rt {

class Loop;

// Calls back while a descriptor is ready (level-triggered). The descriptor stays its owner's.
class FdWatch {
 public:
  using Callback = std::function<void(uint32_t events)>;  // EPOLLIN, EPOLLOUT, ...
  FdWatch(Loop& loop, int fd, uint32_t events, Callback ready);
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  void set_events(uint32_t events);

 private:
  friend class Loop;
  Loop& loop_;
  int fd_;
  Callback ready_;
};

class Loop {
 public:
  explicit Loop(Env& env = system_env());
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Executor& executor() { return executor_; }
  void run();
  void stop();
  // Work posted after the last turn of run() is destroyed with the loop, without running.
  void post(std::move_only_function<void()> work);

 private:
  friend class FdWatch;
  struct Posted {
    std::move_only_function<void()> work;
    Posted* next = nullptr;
  };

  void take_posted();
  void wait(TimeNs until);

  Executor executor_;
  int epoll_fd_;
  int wake_fd_;
  std::atomic<Posted*> posted_{nullptr};
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stop_{false};
  // Watches whose callbacks are still due in this round, so that one may destroy another.
  std::vector<FdWatch*> due_;
};

}  // namespace aspen::rt

// Threads for work that blocks: the Offload of production.
//
// Lifetime: the loop outlives the pool.
// Limits: limits::kBlockingThreadsMax threads, started when first needed and gone after limits::kBlockingIdle
// without work, all but one; limits::kBlockingQueueMax queued items, more are refused OVERLOADED.
// Thread safety: as Offload.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "core/base/limits.h"
#include "core/rt/loop.h"
#include "core/rt/offload.h"

namespace aspen::rt {

class BlockingPool final : public Offload {
 public:
  explicit BlockingPool(Loop& loop, size_t threads_max = limits::kBlockingThreadsMax,
                        DurationNs idle_max = limits::kBlockingIdle);
  // Waits for the work that runs or is queued; completions then still due go with the loop.
  ~BlockingPool() override;
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  Result<> submit(Work work, Work done) override;
  size_t threads() const;
  // That went for want of work since the last submit(), which joins them.
  size_t ended_threads() const;

 private:
  using Threads = std::list<std::thread>;
  struct Item {
    Work work;
    Work done;
  };
  Result<> start_thread();
  void thread_main(Threads::iterator self);
  // Waits for the next item. False when the thread is to end.
  bool next_item(std::unique_lock<std::mutex>& lock, Threads::iterator self);
  static void join_all(Threads& threads);

  Loop& loop_;
  const size_t threads_max_;
  const DurationNs idle_max_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;
  size_t idle_ = 0;
  bool stop_ = false;
  Threads threads_;
  Threads gone_;  // ended for want of work, not yet joined
};

// A thread of its own is a lane.
class ThreadLane final : public Lane {
 public:
  explicit ThreadLane(Loop& loop) : thread_(loop, 1) {}
  Result<> submit(Work work, Work done) override { return thread_.submit(std::move(work), std::move(done)); }

 private:
  BlockingPool thread_;
};

}  // namespace aspen::rt

// Threads for work that blocks: the Offload of production.
//
// Lifetime: the loop outlives the pool.
// Limits: limits::kBlockingThreadsMax threads, started when first needed; limits::kBlockingQueueMax queued
// items, more are refused OVERLOADED.
// Thread safety: as Offload.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/limits.h"
#include "core/rt/loop.h"
#include "core/rt/offload.h"

namespace aspen::rt {

class BlockingPool final : public Offload {
 public:
  explicit BlockingPool(Loop& loop, size_t threads_max = limits::kBlockingThreadsMax);
  // Waits for the work that runs or is queued; completions then still due go with the loop.
  ~BlockingPool() override;
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  Result<> submit(Work work, Work done) override;

 private:
  struct Item {
    Work work;
    Work done;
  };
  Result<> start_thread();
  void thread_main();

  Loop& loop_;
  size_t threads_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;
  size_t idle_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
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

// Threads for work that blocks: disk syncs, name look-ups. Work runs on a pool thread, its completion on
// the loop's thread. Work that started is never abandoned: whoever waits, waits for its end.
//
// Lanes keep order: work given to one Lane runs one after the other, never two at a time. The Raft log
// writer is a lane; that is what makes its writes reach the disk in order.
//
// Lifetime: the loop outlives the pool.
// Limits: limits::kBlockingThreadsMax threads, started when first needed; limits::kBlockingQueueMax queued
// items, more are refused OVERLOADED.
// Thread safety: submit() and run() on the loop's thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/base/limits.h"
#include "core/rt/loop.h"
#include "core/rt/region.h"

namespace aspen::rt {

class BlockingPool {
 public:
  using Work = std::move_only_function<void()>;

  explicit BlockingPool(Loop& loop, size_t threads_max = limits::kBlockingThreadsMax);
  // Waits for the work that runs or is queued; completions then still due go with the loop.
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // Runs `work` on a pool thread, then, also if it panicked, `done` on the loop's thread. Errors: OVERLOADED;
  // then neither runs.
  Result<> submit(Work work, Work done);

  // co_await -> what `function() -> Result<T>` returned. Not cut short by cancel. Errors: OVERLOADED.
  template <typename F>
  auto run(Cx& cx, F function) -> Task<std::invoke_result_t<F>> {
    co_return co_await Run<F>(cx, *this, std::move(function));
  }

 private:
  // Both ends of run(): the waiting frame stays until the work has ended, so the work may live in it.
  template <typename F>
  class Run final : public Waiter {
   public:
    Run(Cx& cx, BlockingPool& pool, F function) : Waiter(cx), pool_(pool), function_(std::move(function)) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle);
      auto submitted = pool_.submit([this] { work(); }, [this] { wake(); });
      if (submitted) return;
      result_ = std::unexpected(std::move(submitted).error());
      wake();
    }
    std::invoke_result_t<F> await_resume() { return std::move(*result_); }

   private:
    bool drains() const override { return true; }
    void abandon() override {}
    void work() {
      try {
        result_ = function_();
      } catch (...) {
        result_ = fail(Code::INTERNAL, "panic: {}", current_panic_text());
      }
    }
    BlockingPool& pool_;
    F function_;
    std::optional<std::invoke_result_t<F>> result_;
  };
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

// A pool of one thread is a lane.
class Lane : public BlockingPool {
 public:
  explicit Lane(Loop& loop) : BlockingPool(loop, 1) {}
};

}  // namespace aspen::rt

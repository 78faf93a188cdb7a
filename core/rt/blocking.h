// Threads for work that blocks: disk syncs, name look-ups. Work runs on a pool thread, its completion on
// the loop's thread. Work that started is never abandoned: whoever waits, waits for its end.
//
// Lanes keep order: work given to one Lane runs one after the other, never two at a time. The Raft log
// writer is a lane; that is what makes its writes reach the disk in order.
//
// Limits: limits::kBlockingThreadsMax threads, started when first needed; limits::kBlockingQueueMax queued
// items, more are refused OVERLOADED.
// Thread safety: submit() and run() on the loop's thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/limits.h"
#include "core/rt/loop.h"
#include "core/rt/oneshot.h"

namespace aspen::rt {

class BlockingPool {
 public:
  using Work = std::move_only_function<void()>;

  explicit BlockingPool(Loop& loop, size_t threads_max = limits::kBlockingThreadsMax);
  // Waits for the work that runs or is queued; completions then still due go with the loop.
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // Runs `work` on a pool thread, then `done` on the loop's thread.
  Result<> submit(Work work, Work done);

  // co_await -> what `function() -> Result<T>` returned. Not cut short by cancel. Errors: OVERLOADED.
  template <typename F>
  auto run(Cx& cx, F function) -> Task<std::invoke_result_t<F>> {
    using R = std::invoke_result_t<F>;
    auto shared = std::make_shared<Shared<R>>();
    auto submitted = submit(
        [shared, function = std::move(function)]() mutable {
          try {
            shared->result = function();
          } catch (const std::exception& e) {
            shared->result = fail(Code::INTERNAL, "panic: {}", e.what());
          }
        },
        [shared] { shared->done.set(std::move(*shared->result)); });
    if (!submitted) co_return std::unexpected(submitted.error());
    Cx::Mask mask(cx);
    Result<R> result = co_await shared->done.recv(cx);
    co_return std::move(*result);
  }

 private:
  template <typename R>
  struct Shared {
    std::optional<R> result;
    Oneshot<R> done;
  };
  struct Item {
    Work work;
    Work done;
  };
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

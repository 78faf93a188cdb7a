#include "core/rt/blocking.h"

#include <csignal>

#include "core/base/log.h"

namespace aspen::rt {

BlockingPool::BlockingPool(Loop& loop, size_t threads_max) : loop_(loop), threads_max_(threads_max) {}

BlockingPool::~BlockingPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Result<> BlockingPool::submit(Work work, Work done) {
  std::lock_guard lock(mutex_);
  if (queue_.size() >= limits::kBlockingQueueMax) {
    return fail(Code::OVERLOADED, "{} disk operations are queued; at most {}", queue_.size(),
                limits::kBlockingQueueMax);
  }
  queue_.push_back({std::move(work), std::move(done)});
  if (queue_.size() > idle_ && threads_.size() < threads_max_) {
    // Signals belong to the host program: our threads take none.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    threads_.emplace_back([this] { thread_main(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  } else {
    wake_.notify_one();
  }
  return {};
}

void BlockingPool::thread_main() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) return;
    Item item = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    try {
      item.work();
    } catch (const std::exception& e) {
      log(LogLevel::error, "contained failure on a blocking thread: {}", e.what());
    }
    item.work = nullptr;
    loop_.post(std::move(item.done));
    lock.lock();
  }
}

}  // namespace aspen::rt

#include "core/rt/blocking.h"

#include <csignal>
#include <system_error>

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
    return fail(Code::OVERLOADED, "{} blocking operations are queued; at most {}", queue_.size(),
                limits::kBlockingQueueMax);
  }
  if (queue_.size() >= idle_ && threads_.size() < threads_max_) ASPEN_CHECK(start_thread());
  queue_.push_back({std::move(work), std::move(done)});
  wake_.notify_one();
  return {};
}

Result<> BlockingPool::start_thread() {
  // Signals belong to the host program: our threads take none.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Result<> result;
  try {
    threads_.emplace_back([this] { thread_main(); });
  } catch (const std::system_error& e) {
    // Fewer threads than wanted will do; with none, nothing would ever run.
    if (threads_.empty()) result = fail(Code::OVERLOADED, "no thread can be started: {}", e.what());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
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
    } catch (...) {
      log(LogLevel::error, "contained failure on a blocking thread: {}", current_panic_text());
    }
    item.work = nullptr;
    loop_.post(std::move(item.done));
    lock.lock();
  }
}

}  // namespace aspen::rt

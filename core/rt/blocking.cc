#include "core/rt/blocking.h"

#include <csignal>
#include <system_error>

#include "core/base/log.h"
#include "core/base/mutant.h"

namespace aspen::rt {

BlockingPool::BlockingPool(Loop& loop, size_t threads_max, DurationNs idle_max)
    : loop_(loop), threads_max_(threads_max), idle_max_(idle_max) {}

BlockingPool::~BlockingPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  join_all(threads_);
  join_all(gone_);
}

void BlockingPool::join_all(Threads& threads) {
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

size_t BlockingPool::threads() const {
  std::lock_guard lock(mutex_);
  return threads_.size();
}

size_t BlockingPool::ended_threads() const {
  std::lock_guard lock(mutex_);
  return gone_.size();
}

Result<> BlockingPool::submit(Work work, Work done) {
  std::lock_guard lock(mutex_);
  if (queue_.size() >= limits::kBlockingQueueMax && !ASPEN_MUTANT("rt-blocking-queue-unbounded")) {
    return fail(Code::OVERLOADED, "{} blocking operations are queued; at most {}", queue_.size(),
                limits::kBlockingQueueMax);
  }
  // They are past their last use of the lock.
  if (!ASPEN_MUTANT("rt-blocking-threads-not-joined")) join_all(gone_);
  bool all_busy = queue_.size() >= idle_ || ASPEN_MUTANT("rt-blocking-threads-eager");
  if (all_busy && threads_.size() < threads_max_) ASPEN_CHECK(start_thread());
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
  auto self = threads_.emplace(threads_.end());
  try {
    *self = std::thread([this, self] { thread_main(self); });
  } catch (const std::system_error& e) {
    threads_.erase(self);
    // Fewer threads than wanted will do; with none, nothing would ever run.
    if (threads_.empty()) result = fail(Code::OVERLOADED, "no thread can be started: {}", e.what());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
}

bool BlockingPool::next_item(std::unique_lock<std::mutex>& lock, Threads::iterator self) {
  auto woken = [this] { return stop_ || !queue_.empty(); };
  ++idle_;
  while (!woken()) {
    if (threads_.size() == 1) {
      wake_.wait(lock, woken);
    } else if (!wake_.wait_for(lock, std::chrono::nanoseconds(idle_max_), woken) && threads_.size() > 1) {
      gone_.splice(gone_.end(), threads_, self);
      break;
    }
  }
  --idle_;
  return !queue_.empty();
}

void BlockingPool::thread_main(Threads::iterator self) {
  std::unique_lock lock(mutex_);
  while (next_item(lock, self)) {
    Item item = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    try {
      item.work();
    } catch (...) {
      if (ASPEN_MUTANT("rt-blocking-panic-loses-done")) item.done = [] {};
      log(LogLevel::error, "contained failure on a blocking thread: {}", current_panic_text());
    }
    item.work = nullptr;
    loop_.post(std::move(item.done));
    lock.lock();
  }
}

}  // namespace aspen::rt

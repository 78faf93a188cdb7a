// Completion queues (aspen_cq_*): a bounded-by-construction list of finished operations with a descriptor.
//
// An operation on a queue adds exactly one event, so a queue holds at most as many as there are operations.
// Once somebody has asked for it, the eventfd is readable exactly while events wait: written when the list
// becomes non-empty, read when it is emptied, both under the lock. Who waits is woken after the lock is let
// go, and not when nobody waits: an engine that completes thousands of operations in a turn would else make a
// system call for each.
//
// Thread safety: all functions, any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "capi/include/aspen.h"

namespace aspen::capi {

// Waits under the lock until `done` says so, and counts the thread in `waiting` meanwhile. False at the end
// of the time. A negative timeout has no end, and neither has one that no clock could tell the end of.
template <typename Done>
bool wait_until_done(std::condition_variable& changed, std::unique_lock<std::mutex>& lock, int64_t timeout_ns,
                     size_t& waiting, Done done) {
  constexpr int64_t kTimeoutNsMax = INT64_MAX / 2;
  ++waiting;
  if (timeout_ns >= 0 && timeout_ns <= kTimeoutNsMax) {
    changed.wait_for(lock, std::chrono::nanoseconds(timeout_ns), done);
  } else {
    changed.wait(lock, done);
  }
  --waiting;
  return done();
}

class CompletionQueue {
 public:
  static std::shared_ptr<CompletionQueue> create();  // null when the process is out of descriptors
  ~CompletionQueue();

  // Adds it. Whether wake() has to follow, outside of locks that who waits will take.
  [[nodiscard]] bool push(const aspen_event_t& event);
  void wake() { ready_.notify_all(); }
  size_t poll(aspen_event_t* events, size_t max);
  bool wait(int64_t timeout_ns);
  int fd();
  // The operation of an event that still waits was freed.
  void forget(const aspen_op_t* op);

 private:
  explicit CompletionQueue(int fd) : fd_(fd) {}
  void make_readable();

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<aspen_event_t> events_;
  size_t waiting_ = 0;  // threads in wait()
  const int fd_;
  bool fd_given_ = false;
};

}  // namespace aspen::capi

struct aspen_cq {
  std::shared_ptr<aspen::capi::CompletionQueue> queue;
};

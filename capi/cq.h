// Completion queues (aspen_cq_*): a bounded-by-construction list of finished operations with a descriptor.
//
// An operation on a queue adds exactly one event, so a queue holds at most as many as there are operations.
// The eventfd is readable exactly while events wait: written when the list becomes non-empty, read when it
// is emptied, both under the lock.
//
// Thread safety: all functions, any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "capi/include/aspen.h"

namespace aspen::capi {

class CompletionQueue {
 public:
  static std::shared_ptr<CompletionQueue> create();  // null when the process is out of descriptors
  ~CompletionQueue();

  void push(const aspen_event_t& event);
  size_t poll(aspen_event_t* events, size_t max);
  bool wait(int64_t timeout_ns);
  int fd() const { return fd_; }
  // The operation of an event that still waits was freed.
  void forget(const aspen_op_t* op);

 private:
  explicit CompletionQueue(int fd) : fd_(fd) {}
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<aspen_event_t> events_;
  int fd_;
};

}  // namespace aspen::capi

struct aspen_cq {
  std::shared_ptr<aspen::capi::CompletionQueue> queue;
};

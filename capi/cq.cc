#include "capi/cq.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace aspen::capi {

std::shared_ptr<CompletionQueue> CompletionQueue::create() {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return nullptr;
  return std::shared_ptr<CompletionQueue>(new CompletionQueue(fd));
}

CompletionQueue::~CompletionQueue() {
  ::close(fd_);
}

int CompletionQueue::fd() {
  std::lock_guard lock(mutex_);
  if (!std::exchange(fd_given_, true) && !events_.empty()) make_readable();
  return fd_;
}

void CompletionQueue::make_readable() {
  const uint64_t one = 1;
  while (::write(fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

bool CompletionQueue::push(const aspen_event_t& event) {
  std::lock_guard lock(mutex_);
  events_.push_back(event);
  if (fd_given_ && events_.size() == 1) make_readable();
  return waiting_ > 0;
}

size_t CompletionQueue::poll(aspen_event_t* events, size_t max) {
  std::lock_guard lock(mutex_);
  size_t taken = std::min(max, events_.size());
  std::copy_n(events_.begin(), taken, events);
  events_.erase(events_.begin(), events_.begin() + static_cast<ptrdiff_t>(taken));
  if (fd_given_ && taken > 0 && events_.empty()) {
    uint64_t count;
    while (::read(fd_, &count, sizeof count) < 0 && errno == EINTR) {
    }
  }
  return taken;
}

bool CompletionQueue::wait(int64_t timeout_ns) {
  std::unique_lock lock(mutex_);
  return wait_until_done(ready_, lock, timeout_ns, waiting_, [this] { return !events_.empty(); });
}

void CompletionQueue::forget(const aspen_op_t* op) {
  std::lock_guard lock(mutex_);
  for (aspen_event_t& event : events_) {
    if (event.op == op) event.op = nullptr;
  }
}

}  // namespace aspen::capi

using aspen::capi::CompletionQueue;

int32_t aspen_cq_new(aspen_cq_t** out) {
  if (out == nullptr) return ASPEN_INVALID_ARGUMENT;
  *out = nullptr;
  auto queue = CompletionQueue::create();
  if (queue == nullptr) return ASPEN_IO;
  *out = new aspen_cq{std::move(queue)};
  return ASPEN_OK;
}

void aspen_cq_free(aspen_cq_t* queue) {
  delete queue;
}

int aspen_cq_fd(const aspen_cq_t* queue) {
  return queue != nullptr ? queue->queue->fd() : -1;
}

size_t aspen_cq_poll(aspen_cq_t* queue, aspen_event_t* events, size_t max) {
  if (queue == nullptr || events == nullptr) return 0;
  return queue->queue->poll(events, max);
}

int32_t aspen_cq_wait(aspen_cq_t* queue, int64_t timeout_ns) {
  if (queue == nullptr) return ASPEN_INVALID_ARGUMENT;
  return queue->queue->wait(timeout_ns) ? ASPEN_OK : ASPEN_DEADLINE_EXCEEDED;
}

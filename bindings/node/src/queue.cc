#include "queue.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <system_error>

namespace {
constexpr size_t kEventsPerPoll = 256;
constexpr size_t kEventsPerTurn = 4096;  // then the event loop sees to other things
}  // namespace

bool Queue::start() {
  if (running()) return true;
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) return false;
  if (aspen_cq_new(&queue_) != ASPEN_OK) {
    stop();
    return false;
  }
  napi_value name;
  napi_status status = napi_create_string_utf8(env_, "aspen", NAPI_AUTO_LENGTH, &name);
  if (status == napi_ok) {
    status = napi_create_threadsafe_function(env_, nullptr, nullptr, name, 1, 1, nullptr, nullptr, this,
                                             on_turn, &turn_);
  }
  if (status != napi_ok) {
    stop();
    return false;
  }
  napi_unref_threadsafe_function(env_, turn_);
  stopping_ = false;
  try {
    thread_ = std::thread([this] { wait(); });
  } catch (const std::system_error&) {
    stop();
    return false;
  }
  return true;
}

void Queue::stop() {
  if (thread_.joinable()) {
    stopping_ = true;
    wake();
    thread_.join();
  }
  aspen_cq_free(queue_);
  queue_ = nullptr;
  if (wake_fd_ >= 0) close(wake_fd_);
  wake_fd_ = -1;
}

void Queue::hold() {
  if (holds_++ == 0 && turn_ != nullptr) napi_ref_threadsafe_function(env_, turn_);
}

void Queue::release() {
  if (--holds_ == 0 && turn_ != nullptr) napi_unref_threadsafe_function(env_, turn_);
}

void Queue::wake() {
  uint64_t one = 1;
  // It can only fail when the counter is full, and then the thread is woken anyway.
  [[maybe_unused]] ssize_t written = write(wake_fd_, &one, sizeof one);
}

// The thread: sleeps until events wait, asks for a turn, sleeps until the turn is over.
void Queue::wait() {
  bool in_turn = false;
  while (!stopping_) {
    std::array<pollfd, 2> fds = {{{wake_fd_, POLLIN, 0}, {aspen_cq_fd(queue_), POLLIN, 0}}};
    if (poll(fds.data(), in_turn ? 1 : 2, -1) < 0) continue;  // EINTR
    if (fds[0].revents != 0) {
      uint64_t count;
      [[maybe_unused]] ssize_t got = read(wake_fd_, &count, sizeof count);
      in_turn = false;
    } else if (fds[1].revents != 0) {
      // napi_closing comes when the environment is going; stop() follows.
      napi_call_threadsafe_function(turn_, nullptr, napi_tsfn_nonblocking);
      in_turn = true;
    }
  }
}

void Queue::on_turn(napi_env env, napi_value, void* self, void*) {
  if (env != nullptr) static_cast<Queue*>(self)->drain(env);
}

void Queue::drain(napi_env env) {
  std::array<aspen_event_t, kEventsPerPoll> events;
  for (size_t taken = 0; queue_ != nullptr && taken < kEventsPerTurn;) {
    size_t count = aspen_cq_poll(queue_, events.data(), events.size());
    if (count == 0) break;
    taken += count;
    for (size_t i = 0; i < count; ++i) {
      napi_handle_scope scope;
      if (napi_open_handle_scope(env, &scope) != napi_ok) scope = nullptr;
      take_(events[i]);
      if (scope != nullptr) napi_close_handle_scope(env, scope);
    }
  }
  if (queue_ != nullptr) wake();
}

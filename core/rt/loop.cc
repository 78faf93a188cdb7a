#include "core/rt/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace aspen::rt {
namespace {

constexpr int kEventsMax = 64;

// Descriptors run out only when the process as a whole is misconfigured; nothing can be opened then.
int check_fd(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return fd;
}

}  // namespace

FdWatch::FdWatch(Loop& loop, int fd, uint32_t events, Callback ready)
    : loop_(loop), fd_(fd), ready_(std::move(ready)) {
  epoll_event event{events, {.ptr = this}};
  check_fd(epoll_ctl(loop_.epoll_fd_, EPOLL_CTL_ADD, fd_, &event), "epoll_ctl");
}

FdWatch::~FdWatch() {
  epoll_ctl(loop_.epoll_fd_, EPOLL_CTL_DEL, fd_, nullptr);
  std::replace(loop_.due_.begin(), loop_.due_.end(), this, static_cast<FdWatch*>(nullptr));
}

void FdWatch::set_events(uint32_t events) {
  epoll_event event{events, {.ptr = this}};
  epoll_ctl(loop_.epoll_fd_, EPOLL_CTL_MOD, fd_, &event);
}

Loop::Loop(Env& env)
    : executor_(env),
      epoll_fd_(check_fd(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_fd_(check_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  epoll_event event{EPOLLIN, {.ptr = nullptr}};
  check_fd(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event), "epoll_ctl");
}

Loop::~Loop() {
  for (Posted* posted = posted_.exchange(nullptr); posted != nullptr;) {
    Posted* next = posted->next;
    delete posted;
    posted = next;
  }
  ::close(wake_fd_);
  ::close(epoll_fd_);
}

void Loop::post(std::move_only_function<void()> work) {
  auto* posted = new Posted{std::move(work)};
  posted->next = posted_.load(std::memory_order_relaxed);
  while (!posted_.compare_exchange_weak(posted->next, posted)) {
  }
  // Pairs with wait(): either the loop sees the push before it sleeps, or we see that it sleeps.
  if (asleep_.load() && asleep_.exchange(false)) {
    uint64_t one = 1;
    while (::write(wake_fd_, &one, sizeof one) < 0 && errno == EINTR) {
    }
  }
}

void Loop::stop() {
  post([this] { stop_.store(true, std::memory_order_relaxed); });
}

void Loop::take_posted() {
  Posted* newest = posted_.exchange(nullptr);
  Posted* oldest = nullptr;
  while (newest != nullptr) {
    Posted* next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  while (oldest != nullptr) {
    std::unique_ptr<Posted> posted(oldest);
    oldest = oldest->next;
    executor_.contained(posted->work);
  }
}

void Loop::wait(TimeNs until) {
  TimeNs now = executor_.env().now();
  timespec timeout{};
  asleep_.store(true);
  if (posted_.load() != nullptr) until = now;
  if (until > now) {
    // Sleeping longer than an hour at once gains nothing; kNever needs no case of its own.
    DurationNs duration = std::min<DurationNs>(until - now, 3600 * kSecond);
    timeout = {duration / kSecond, duration % kSecond};
  }
  epoll_event events[kEventsMax];
  int n = epoll_pwait2(epoll_fd_, events, kEventsMax, &timeout, nullptr);
  asleep_.store(false);
  if (n < 0) return;  // EINTR: the next turn looks again
  due_.resize(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) due_[static_cast<size_t>(i)] = static_cast<FdWatch*>(events[i].data.ptr);
  for (int i = 0; i < n; ++i) {
    if (FdWatch* watch = due_[static_cast<size_t>(i)]; watch != nullptr) {
      executor_.contained([&] { watch->ready_(events[i].events); });
    } else {
      uint64_t count;
      while (::read(wake_fd_, &count, sizeof count) < 0 && errno == EINTR) {
      }
    }
  }
  due_.clear();
}

void Loop::run() {
  stop_.store(false, std::memory_order_relaxed);
  for (bool more = true; !stop_.load(std::memory_order_relaxed);) {
    wait(more ? 0 : executor_.next_timer());
    take_posted();
    more = executor_.turn();
  }
}

}  // namespace aspen::rt

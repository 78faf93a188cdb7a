#include "core/rt/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

#include "core/base/mutant.h"

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
  for (Loop::Due& due : loop_.due_) {
    if (due.watch == this) due.watch = nullptr;
  }
}

void FdWatch::set_events(uint32_t events) {
  epoll_event event{events, {.ptr = this}};
  epoll_ctl(loop_.epoll_fd_, EPOLL_CTL_MOD, fd_, &event);
}

Loop::Loop(Env& env)
    : executor_(env),
      epoll_fd_(check_fd(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_fd_(check_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  executor_.watch_steps();
  wake_.emplace(*this, wake_fd_, EPOLLIN, [this](uint32_t) {
    uint64_t count;
    while (::read(wake_fd_, &count, sizeof count) < 0 && errno == EINTR) {
    }
  });
}

Loop::~Loop() {
  // Destroying work may post more.
  while (Posted* posted = take_posted()) {
    while (posted != nullptr) delete std::exchange(posted, posted->next);
  }
  wake_.reset();
  ::close(wake_fd_);
  ::close(epoll_fd_);
}

void Loop::post(std::move_only_function<void()> work) {
  auto* posted = new Posted{std::move(work)};
  posted->next = posted_.load(std::memory_order_relaxed);
  while (!posted_.compare_exchange_weak(posted->next, posted)) {
  }
  // Pairs with poll(): either the loop sees the push before it sleeps, or we see that it sleeps.
  if (asleep_.load() && asleep_.exchange(false) && !ASPEN_MUTANT("rt-post-wakes-nobody")) {
    uint64_t one = 1;
    while (::write(wake_fd_, &one, sizeof one) < 0 && errno == EINTR) {
    }
  }
}

void Loop::stop() {
  post([this] { stop_ = true; });
}

Loop::Posted* Loop::take_posted() {
  if (posted_.load(std::memory_order_relaxed) == nullptr) return nullptr;
  Posted* newest = posted_.exchange(nullptr);
  Posted* oldest = nullptr;
  while (newest != nullptr) {
    Posted* next = std::exchange(newest->next, oldest);
    oldest = std::exchange(newest, next);
  }
  return oldest;
}

void Loop::run_posted() {
  Posted* oldest = take_posted();
  if (oldest != nullptr) executor_.read_clock();
  while (oldest != nullptr) {
    std::unique_ptr<Posted> posted(oldest);
    oldest = oldest->next;
    executor_.step("posted work", posted->work);
  }
}

// Waits for descriptors or the door until `until`; 0 only looks.
void Loop::poll(TimeNs until) {
  timespec timeout{};
  if (until != 0) {
    asleep_.store(true);
    TimeNs now = executor_.env().now();
    if (posted_.load() == nullptr && until > now) {
      // Sleeping longer than an hour at once gains nothing; kNever needs no case of its own.
      DurationNs duration = std::min<DurationNs>(until - now, 3600 * kSecond);
      timeout = {duration / kSecond, duration % kSecond};
    }
  }
  epoll_event events[kEventsMax];
  int n = epoll_pwait2(epoll_fd_, events, kEventsMax, &timeout, nullptr);
  asleep_.store(false, std::memory_order_relaxed);
  if (n < 0 && errno == EINTR) n = 0;
  check_fd(n, "epoll_pwait2");
  for (int i = 0; i < n; ++i) due_.push_back({static_cast<FdWatch*>(events[i].data.ptr), events[i].events});
}

void Loop::dispatch() {
  // By index: a callback may destroy watches, never add to what is due.
  for (size_t i = 0; i < due_.size(); ++i) {
    FdWatch* watch = std::exchange(due_[i].watch, nullptr);
    if (watch != nullptr) executor_.step("a descriptor", [&] { watch->ready_(due_[i].events); });
  }
  due_.clear();
}

void Loop::run() {
  stop_ = false;
  TimeNs polled = 0;
  executor_.read_clock();
  for (bool more = true; !stop_;) {
    // The clock costs as much as a short turn, so short turns share a time, as the steps of a long one do.
    bool old = executor_.steps() >= kStepsOfOneTime && !ASPEN_MUTANT("rt-loop-time-stands");
    if (old) executor_.read_clock();
    if (!more || executor_.now() - polled >= kPollInterval) {
      poll(more ? 0 : executor_.next_timer());
      executor_.read_clock();
      polled = executor_.now();
      dispatch();
    }
    run_posted();
    more = executor_.same_time_turn();
  }
}

}  // namespace aspen::rt

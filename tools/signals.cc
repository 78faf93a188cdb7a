#include "tools/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace aspen::tools {
namespace {

constexpr int kExitInterrupted = 130;

sigset_t end_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Signals::Signals() {
  const sigset_t set = end_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A reader of our stdout that goes away must not end a node that serves.
  std::signal(SIGPIPE, SIG_IGN);
  fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

Signals::~Signals() {
  ::close(fd_);
}

bool Signals::wait(aspen_cq_t* queue, int64_t timeout_ns) {
  pollfd fds[2] = {{fd_, POLLIN, 0}, {queue ? aspen_cq_fd(queue) : -1, POLLIN, 0}};
  const int64_t end_ns = monotonic_ns() + timeout_ns;
  for (;;) {
    const int64_t left_ns = timeout_ns < 0 ? -1 : std::max<int64_t>(end_ns - monotonic_ns(), 0);
    const int timeout_ms = left_ns < 0 ? -1 : static_cast<int>((left_ns + 999'999) / 1'000'000);
    const int ready = poll(fds, 2, timeout_ms);
    signalfd_siginfo info;
    if ((fds[0].revents & POLLIN) && read(fd_, &info, sizeof info) == sizeof info) return true;
    if (ready >= 0) return false;
  }
}

void Signals::second_interrupt_ends_process() {
  std::signal(SIGINT, [](int) { _exit(kExitInterrupted); });
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Result<> wait_or_signal(std::span<const Op> ops, aspen_cq_t* queue, Signals& signals) {
  const auto done = [](const Op& op) { return aspen_op_done(op.get()) != 0; };
  bool ended = false;
  while (!ended && !std::ranges::all_of(ops, done)) {
    ended = signals.wait(queue, -1);
    aspen_event_t events[16];
    while (aspen_cq_poll(queue, events, std::size(events)) > 0) continue;
  }
  if (ended) {
    signals.second_interrupt_ends_process();
    for (const Op& op : ops) aspen_op_cancel(op.get());
    for (const Op& op : ops) aspen_op_wait(op.get(), -1);
    return fail(ASPEN_CANCELLED, "ended by a signal before it was done");
  }
  for (const Op& op : ops) {
    if (aspen_op_status(op.get()) != ASPEN_OK) return std::unexpected(failure_of(op.get(), Kind::READ));
  }
  return {};
}

}  // namespace aspen::tools

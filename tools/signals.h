// SIGINT and SIGTERM as something to wait for, for the commands that have something to close.
//
// The signals are blocked before the engine starts its threads (they inherit the mask), and arrive on a
// descriptor beside the completion queue's. A second Ctrl-C ends the process at once: a person who presses it
// twice means it. A second SIGTERM does not: timeout(1) and service managers send it twice as a matter of
// course.
//
// Thread safety: none; one instance per process, made before the first node.
#pragma once

#include <span>

#include "tools/client.h"

namespace aspen::tools {

class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const { return fd_; }
  // Waits for a signal, or for `queue` (may be null) to hold an event. True: a signal came. A negative
  // timeout is none.
  bool wait(aspen_cq_t* queue, int64_t timeout_ns);
  // From now on a SIGINT ends the process at once.
  void second_interrupt_ends_process();

 private:
  int fd_;
};

// Waits until all of `ops`, whose completions go to `queue`, are complete. When a signal comes first they are
// cancelled and waited for, and the failure is CANCELLED; else it is that of the first operation that failed.
Result<> wait_or_signal(std::span<const Op> ops, aspen_cq_t* queue, Signals& signals);

}  // namespace aspen::tools

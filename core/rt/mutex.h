// One at a time, across awaits. Code that does not await needs none: nothing runs in between on one thread.
//
//   Mutex mutex(region);
//   {
//     ASPEN_CO_TRY(auto guard, co_await mutex.lock(cx));
//     ASPEN_CO_CHECK(co_await write_both(cx));
//   }                                                     // unlocked, whatever happened
//
// A guard is an obligation of the mutex's region. A holder that fails or panics unlocks like any other: what
// it left half done is for its region to undo.
//
// Fairness: first come, first served, by hand-over; a lock that comes free is never taken past who waits.
// Cancel, bounds, lifetime: as of Semaphore. A task that locks twice waits for itself, until it is cancelled.
// Thread safety: none; one executor's thread.
#pragma once

#include "core/rt/semaphore.h"

namespace aspen::rt {

class Mutex {
 public:
  explicit Mutex(Region& region, size_t waiters_max = limits::kWaitersMax)
      : semaphore_(region, 1, "mutex", waiters_max) {}

  // Holds the lock while it lives.
  class Guard {
   public:
    void unlock() { permit_.release(); }

   private:
    friend class Mutex;
    template <typename Held>
    friend class Semaphore::AcquireAs;
    explicit Guard(Semaphore::Permit permit) : permit_(std::move(permit)) {}
    Semaphore::Permit permit_;
  };

  // co_await -> Result<Guard>. Errors: OVERLOADED when too many wait, the cancel reason.
  using Lock = Semaphore::AcquireAs<Guard>;
  Lock lock(Cx& cx, std::source_location origin = std::source_location::current()) {
    return Lock(cx, semaphore_, 1, origin);
  }
  // Errors: OVERLOADED when it is locked.
  Result<Guard> try_lock(std::source_location origin = std::source_location::current()) {
    ASPEN_TRY(auto permit, semaphore_.try_acquire(1, origin));
    return Guard(std::move(permit));
  }
  bool locked() const { return semaphore_.available() == 0; }
  size_t waiting() const { return semaphore_.waiting(); }

 private:
  Semaphore semaphore_;
};

}  // namespace aspen::rt

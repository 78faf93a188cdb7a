// Many readers or one writer, across awaits.
//
//   RwLock lock(region);
//   ASPEN_CO_TRY(auto reading, co_await lock.read(cx));
//   ASPEN_CO_TRY(auto writing, co_await lock.write(cx));
//
// It is a semaphore with a permit for each reader, of which a writer takes all.
//
// Fairness: strictly first come, first served, readers that stand together going in together. A reader that
// comes while a writer waits stands behind it, so readers that overlap for ever starve no writer; and as
// readers keep their place, writers starve no reader. So a task that holds a read guard must not ask for
// another: with a writer between the two, it waits for itself.
// Cancel: as of Semaphore; when the writer that readers stand behind is cancelled, they go in.
// Bounds: kReadersMax readers at once, the others wait; limits::kWaitersMax wait, or fewer if given.
// Lifetime: as of Semaphore.
// Thread safety: none; one executor's thread.
#pragma once

#include "core/rt/semaphore.h"

namespace aspen::rt {

class RwLock {
 public:
  static constexpr size_t kReadersMax = limits::kWaitersMax;

  explicit RwLock(Region& region, size_t waiters_max = limits::kWaitersMax)
      : semaphore_(region, kReadersMax, "read-write lock", waiters_max) {}

 private:
  template <size_t kPermits>
  class Guard {
   public:
    void unlock() { permit_.release(); }

   private:
    friend class RwLock;
    template <typename Held>
    friend class Semaphore::AcquireAs;
    explicit Guard(Semaphore::Permit permit) : permit_(std::move(permit)) {}
    Semaphore::Permit permit_;
  };

 public:
  // They hold the lock while they live.
  using ReadGuard = Guard<1>;
  using WriteGuard = Guard<kReadersMax>;

  // co_await -> Result<ReadGuard>, Result<WriteGuard>. Errors: OVERLOADED when too many wait, the cancel
  // reason.
  using Read = Semaphore::AcquireAs<ReadGuard>;
  using Write = Semaphore::AcquireAs<WriteGuard>;
  Read read(Cx& cx, std::source_location origin = std::source_location::current()) {
    return Read(cx, semaphore_, 1, origin);
  }
  Write write(Cx& cx, std::source_location origin = std::source_location::current()) {
    return Write(cx, semaphore_, kReadersMax, origin);
  }
  // Errors: OVERLOADED when it would have to wait.
  Result<ReadGuard> try_read(std::source_location origin = std::source_location::current()) {
    ASPEN_TRY(auto permit, semaphore_.try_acquire(1, origin));
    return ReadGuard(std::move(permit));
  }
  Result<WriteGuard> try_write(std::source_location origin = std::source_location::current()) {
    ASPEN_TRY(auto permit, semaphore_.try_acquire(kReadersMax, origin));
    return WriteGuard(std::move(permit));
  }
  size_t waiting() const { return semaphore_.waiting(); }

 private:
  Semaphore semaphore_;
};

}  // namespace aspen::rt

// A fixed number of permits: so many at once, and the others wait their turn.
//
//   Semaphore uploads(region, 4);
//   ASPEN_CO_TRY(auto permit, co_await uploads.acquire(cx));        // given back when it goes
//   ASPEN_CO_TRY(auto two, co_await uploads.acquire(cx, 2));        // all it asks for, or nothing
//
// A permit is an obligation of the semaphore's region, kept when it goes.
//
// Fairness: first come, first served, without barging: permits that come back are handed over, a request
// that waits for many holds back those behind it, and nobody is let past who waits. So a large request is
// served as surely as a small one.
// Cancel: a waiter that is cancelled leaves nothing behind, and those it held back go on; one that was served
// first keeps its permit.
// Invariants: permits out and available are together the number given; while somebody waits, the first cannot
// be served.
// Bounds: limits::kWaitersMax tasks wait, or fewer if given, then OVERLOADED; so is who should get a permit
// when the region's ledger is full.
// Lifetime: the region outlives the semaphore, and the semaphore its permits: else the process ends. Who
// waits when the semaphore goes hears UNAVAILABLE. Thread safety: none; one executor's thread.
#pragma once

#include "core/rt/wait_queue.h"

namespace aspen::rt {

class Semaphore {
 public:
  // `what` names it in errors and in the ledger: a literal. `kind` is what its permits are there.
  Semaphore(Region& region, size_t permits, const char* what = "semaphore",
            size_t waiters_max = limits::kWaitersMax, ObligationKind kind = ObligationKind::permit);
  ~Semaphore();
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  class Permit {
   public:
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&&) = delete;
    ~Permit() { release(); }
    void release();

   private:
    friend class Semaphore;
    Permit(Semaphore& semaphore, size_t count, Obligation obligation);
    Semaphore* semaphore_;  // null once released
    size_t count_;
    Obligation obligation_;
  };

  // Errors: OVERLOADED when it would have to wait or the ledger is full, UNAVAILABLE when closed,
  // LIMIT_EXCEEDED for more than there will ever be, INVALID_ARGUMENT for none.
  Result<Permit> try_acquire(size_t count = 1, std::source_location origin = std::source_location::current());

  // The awaitable of acquire(), which gives what it got as a Held: mutexes and the like are made of
  // semaphores.
  class AcquirePermit;
  template <typename Held>
  class AcquireAs;
  using Acquire = AcquireAs<Permit>;
  // co_await -> Result<Permit>. Errors: those of try_acquire(), OVERLOADED only when too many wait or the
  // ledger is full; the cancel reason.
  Acquire acquire(Cx& cx, size_t count = 1, std::source_location origin = std::source_location::current());

  // Gives out no more permits: who waits and who comes hears UNAVAILABLE. Those that are out stay good.
  void close();
  bool closed() const { return closed_ || region_.state() == Region::State::closed; }
  size_t available() const { return available_; }
  size_t waiting() const { return waiters_.size(); }

 private:
  Result<> check(size_t count) const;
  bool may_take(size_t count) const;
  void serve();

  Region& region_;
  const char* what_;
  const ObligationKind kind_;
  const size_t total_;
  size_t available_;
  bool closed_ = false;
  WaitQueue waiters_;
};

class Semaphore::AcquirePermit : public WaitQueue::Entry {
 public:
  AcquirePermit(Cx& cx, Semaphore& semaphore, size_t count, std::source_location origin)
      : Entry(cx, semaphore.waiters_), semaphore_(semaphore), count_(count), origin_(origin) {}
  bool await_ready();

 protected:
  Result<Permit> take();

 private:
  friend class Semaphore;
  void left() override;
  Result<Permit> grant();
  Semaphore& semaphore_;
  size_t count_;
  std::source_location origin_;
  std::optional<Result<Permit>> got_;
};

template <typename Held>
class Semaphore::AcquireAs final : public AcquirePermit {
 public:
  using AcquirePermit::AcquirePermit;
  Result<Held> await_resume() {
    ASPEN_TRY(Permit permit, take());
    return Held(std::move(permit));
  }
};

inline Semaphore::Acquire Semaphore::acquire(Cx& cx, size_t count, std::source_location origin) {
  return Acquire(cx, *this, count, origin);
}

}  // namespace aspen::rt

// A bounded number of things that are dear to make and can be used again: connections, buffers, files.
//
//   Pool<Link> links(region, {.size_max = 4, .make = [&](Cx& cx) { return dial(cx, peer); },
//                             .healthy = [](Link& link) { return link.open(); }});
//   ASPEN_CO_TRY(auto link, co_await links.acquire(cx));           // goes back when the lease goes
//   if (!link->write(bytes)) link.discard();                       // this one is not to be used again
//
// A resource that comes back is looked at: an unhealthy one is destroyed, and its place is there for a new
// one. Of the idle ones the one used last goes out first, as it is the warmest. A lease is in the ledger
// of the pool's region from before its resource is made until it goes.
//
// Fairness: first come, first served, by hand-over (Semaphore).
// Cancel: a waiter or maker that is cancelled or fails gives its place to the next.
// End: close() refuses who waits and who comes, and destroys what is idle and what comes back; drained()
// waits until all has. Invariants: resources that are out, being made or idle are at most size_max together.
// Bounds: size_max; limits::kWaitersMax tasks wait, or fewer if given, then OVERLOADED.
// Lifetime: the region outlives the pool, and the pool its leases: else the process ends.
// Thread safety: none; one executor's thread.
#pragma once

#include <functional>
#include <vector>

#include "core/base/mutant.h"
#include "core/rt/event.h"
#include "core/rt/semaphore.h"

namespace aspen::rt {

template <typename T>
struct PoolOptions {
  size_t size_max = 1;
  std::function<Task<Result<T>>(Cx&)> make;
  std::function<bool(T&)> healthy;  // must not throw or use the pool; all are healthy when there is none
  size_t waiters_max = limits::kWaitersMax;
};

template <typename T>
class Pool {
 public:
  // Requires: options.size_max > 0 and options.make.
  Pool(Region& region, PoolOptions<T> options)
      : options_(std::move(options)),
        places_(region, options_.size_max, "pool", options_.waiters_max, ObligationKind::lease) {
    ASPEN_ASSERT(options_.make);
    idle_.reserve(options_.size_max);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  class Lease;

  // An idle resource, or a new one while there are fewer than size_max; else waits. Errors: UNAVAILABLE when
  // closed, OVERLOADED when too many wait, what making one fails with, the cancel reason.
  Task<Result<Lease>> acquire(Cx& cx, std::source_location origin = std::source_location::current()) {
    ASPEN_CO_TRY(auto permit, co_await places_.acquire(cx, 1, origin));
    Place place(*this, std::move(permit));
    if (!idle_.empty()) {
      T resource = std::move(idle_.back());
      idle_.pop_back();
      co_return Lease(std::move(place), std::move(resource));
    }
    ASPEN_CO_TRY(T made, co_await options_.make(cx));
    co_return Lease(std::move(place), std::move(made));
  }

  void close() {
    places_.close();
    idle_.clear();
    note_drained();
  }
  // co_await -> Result<>: closed, and all leases have come back. Errors: the cancel reason, OVERLOADED.
  Event::Wait drained(Cx& cx) { return drained_.wait(cx); }
  size_t idle() const { return idle_.size(); }
  // Out or being made.
  size_t in_use() const { return options_.size_max - places_.available(); }

 private:
  // A permit whose return may be the last of all.
  class Place {
   public:
    Place(Pool& pool, Semaphore::Permit permit) : pool_(&pool), permit_(std::move(permit)) {}
    Place(Place&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), permit_(std::move(other.permit_)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (pool_ == nullptr) return;
      permit_.release();
      pool_->note_drained();
    }
    Pool* pool() { return pool_; }  // null once moved from

   private:
    Pool* pool_;
    Semaphore::Permit permit_;
  };

  void keep_if_good(T& resource) {
    if (places_.closed()) return;
    const bool healthy = !options_.healthy || options_.healthy(resource);
    if (healthy || ASPEN_MUTANT("rt-pool-keeps-the-broken")) idle_.push_back(std::move(resource));
  }
  void note_drained() {
    if (places_.closed() && in_use() == 0) drained_.set();
  }

  PoolOptions<T> options_;
  std::vector<T> idle_;
  Semaphore places_;
  Event drained_;
};

// Requires: used only while it is not moved from.
template <typename T>
class Pool<T>::Lease {
 public:
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    // First the resource, then its place: whoever gets the place finds it idle.
    if (place_.pool() != nullptr && !discarded_) place_.pool()->keep_if_good(resource_);
  }
  T& operator*() { return resource_; }
  T* operator->() { return &resource_; }
  // Destroys the resource instead of keeping it, when the lease goes.
  void discard() { discarded_ = true; }

 private:
  friend class Pool;
  Lease(Place place, T resource) : place_(std::move(place)), resource_(std::move(resource)) {}
  Place place_;
  T resource_;
  bool discarded_ = false;
};

}  // namespace aspen::rt

#include "core/rt/semaphore.h"

#include <utility>

#include "core/base/mutant.h"

namespace aspen::rt {

Semaphore::Semaphore(Region& region, size_t permits, const char* what, size_t waiters_max,
                     ObligationKind kind)
    : region_(region),
      what_(what),
      kind_(kind),
      total_(permits),
      available_(permits),
      waiters_(what, waiters_max) {
  ASPEN_ASSERT(permits > 0);
}

Semaphore::~Semaphore() {
  if (available_ != total_) {
    detail::die(fmt::format("a {} is destroyed while {} of it is held", what_, total_ - available_));
  }
}

Semaphore::Permit::Permit(Semaphore& semaphore, size_t count, Obligation obligation)
    : semaphore_(&semaphore), count_(count), obligation_(std::move(obligation)) {
  ASPEN_ASSERT(count <= semaphore.available_);
  semaphore.available_ -= count;
}

Semaphore::Permit::Permit(Permit&& other) noexcept
    : semaphore_(std::exchange(other.semaphore_, nullptr)),
      count_(other.count_),
      obligation_(std::move(other.obligation_)) {}

void Semaphore::Permit::release() {
  if (semaphore_ == nullptr) return;
  Semaphore& semaphore = *std::exchange(semaphore_, nullptr);
  semaphore.available_ += ASPEN_MUTANT("rt-semaphore-permit-not-returned") ? count_ - 1 : count_;
  ASPEN_ASSERT(semaphore.available_ <= semaphore.total_);
  // First, as the next one's permit needs its place in the ledger.
  obligation_.resolve();
  semaphore.serve();
}

Result<> Semaphore::check(size_t count) const {
  if (closed()) return fail(Code::UNAVAILABLE, "the {} is closed", what_);
  if (count == 0) return fail(Code::INVALID_ARGUMENT, "0 permits of a {} were asked for; at least 1", what_);
  if (count > total_) {
    return fail(Code::LIMIT_EXCEEDED, "{} permits of a {} were asked for; it has {}", count, what_, total_);
  }
  return {};
}

bool Semaphore::may_take(size_t count) const {
  return available_ >= count && (waiters_.empty() || ASPEN_MUTANT("rt-semaphore-barging"));
}

Result<Semaphore::Permit> Semaphore::try_acquire(size_t count, std::source_location origin) {
  ASPEN_CHECK(check(count));
  if (!may_take(count)) {
    return fail(Code::OVERLOADED, "{} permits of the {} are free and {} tasks wait; {} were asked for",
                available_, what_, waiters_.size(), count);
  }
  ASPEN_TRY(auto obligation, Obligation::make(region_, kind_, what_, origin));
  return Permit(*this, count, std::move(obligation));
}

void Semaphore::close() {
  closed_ = true;
  serve();
}

void Semaphore::serve() {
  while (auto* first = waiters_.front_as<AcquirePermit>()) {
    if (!closed() && available_ < first->count_) break;
    if (!closed()) first->got_.emplace(first->grant());
    waiters_.serve(*first);
  }
}

bool Semaphore::AcquirePermit::await_ready() {
  return checkpoint_failed() || !semaphore_.check(count_) || semaphore_.may_take(count_) || turned_away();
}

void Semaphore::AcquirePermit::left() {
  if (!ASPEN_MUTANT("rt-semaphore-cancel-holds-back")) semaphore_.serve();
}

Result<Semaphore::Permit> Semaphore::AcquirePermit::take() {
  ASPEN_CHECK(Entry::check());
  if (!served()) return semaphore_.try_acquire(count_, origin_);
  if (!got_) return fail(Code::UNAVAILABLE, "the {} was closed", owner());
  return std::move(*got_);
}

Result<Semaphore::Permit> Semaphore::AcquirePermit::grant() {
  ASPEN_TRY(auto obligation, oblige(semaphore_.region_, semaphore_.kind_, semaphore_.what_, origin_));
  return Permit(semaphore_, count_, std::move(obligation));
}

}  // namespace aspen::rt

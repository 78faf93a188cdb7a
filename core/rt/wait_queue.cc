#include "core/rt/wait_queue.h"

#include "core/base/mutant.h"

namespace aspen::rt {

WaitQueue::~WaitQueue() {
  while (auto* entry = front_as<Entry>()) {
    remove(*entry);
    entry->state_ = Entry::State::orphaned;
    entry->wake();
  }
}

void WaitQueue::serve(Entry& entry) {
  remove(entry);
  entry.state_ = Entry::State::served;
  if (!ASPEN_MUTANT("rt-served-not-woken")) entry.wake();
}

void WaitQueue::remove(Entry& entry) {
  ASPEN_ASSERT(entry.state_ == Entry::State::waiting && size_ > 0);
  static_cast<ListNode<WaiterTag>&>(entry).unlink();
  entry.state_ = Entry::State::outside;
  --size_;
}

WaitQueue::Entry::~Entry() {
  if (state_ == State::waiting) queue_->remove(*this);
}

void WaitQueue::Entry::await_suspend(std::coroutine_handle<> handle) {
  suspend(handle);
  queue_->waiting_.push_back(*this);
  ++queue_->size_;
  state_ = State::waiting;
}

bool WaitQueue::Entry::turned_away() {
  if (queue_ == nullptr) {
    state_ = State::orphaned;
  } else if (queue_->full()) {
    state_ = State::turned_away;
  }
  return state_ != State::outside;
}

Result<> WaitQueue::Entry::check() const {
  if (cancelled()) return std::unexpected(cancel_reason().to_error());
  if (state_ == State::turned_away) {
    return fail(Code::OVERLOADED, "{} tasks wait for the {}, and no more may; try again later",
                queue_->waiters_max_, what_);
  }
  if (state_ == State::orphaned) return fail(Code::UNAVAILABLE, "the {} is gone", what_);
  return {};
}

Result<Obligation> WaitQueue::Entry::oblige(Region& region, ObligationKind kind, const char* name,
                                            std::source_location origin) const {
  if (ASPEN_MUTANT("rt-hand-over-names-the-giver")) return Obligation::make(region, kind, name, origin);
  return Obligation::make_for(task_id(), region, kind, name, origin);
}

void WaitQueue::Entry::abandon() {
  queue_->remove(*this);
  left();
}

}  // namespace aspen::rt

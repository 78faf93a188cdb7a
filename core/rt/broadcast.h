// Every receiver gets every item, from a ring of the latest ones. The sender never waits: a receiver that
// falls behind loses the oldest, and is told how many.
//
//   Broadcast<Event> events(64);
//   Broadcast<Event>::Receiver receiver(events);                 // hears what is sent from here on
//   ASPEN_CO_TRY(auto next, co_await receiver.recv(cx));
//   if (!next) co_return Result<>();                             // closed, and all of it received
//   if (auto* lagged = std::get_if<Lagged>(&*next)) resync(lagged->missed);
//   else handle(std::get<Event>(*next));
//
// Of the two phases of a channel a send has only the second: there is always a place, the oldest item's, so
// it may neither fail nor suspend.
//
// Fairness: an item wakes all receivers that wait, in the order they came.
// Cancel: a receiver's position moves only when recv() returns, so a wait that is cancelled loses nothing.
// Invariants: what a receiver gets, with what it is told it missed, is everything sent since it came, in
// order and once. Bounds: the items kept, in memory that is allocated once; limits::kWaitersMax receivers
// wait, then OVERLOADED. Lifetime: a receiver that outlives the broadcast hears UNAVAILABLE. Thread safety:
// none; one executor's thread.
#pragma once

#include <variant>

#include "core/base/mutant.h"
#include "core/rt/ring.h"
#include "core/rt/wait_queue.h"

namespace aspen::rt {

struct BroadcastTag;

// Instead of the items a receiver was too slow for; the next is the oldest that is kept.
struct Lagged {
  uint64_t missed;
};

template <typename T>
class Broadcast {
 public:
  class Receiver;
  using Next = std::variant<T, Lagged>;

  // Requires: kept_max > 0.
  explicit Broadcast(size_t kept_max) : kept_(kept_max) {}
  ~Broadcast() {
    while (auto* receiver = receivers_.pop_front()) receiver->broadcast_ = nullptr;
  }
  Broadcast(const Broadcast&) = delete;
  Broadcast& operator=(const Broadcast&) = delete;

  // Requires: not closed.
  void send(T item) {
    ASPEN_ASSERT(!closed_);
    if (kept_.full()) kept_.pop_front();
    kept_.push_back(std::move(item));
    ++sent_;
    wake_all();
  }
  // Nothing more will come; what is kept can still be received.
  void close() {
    closed_ = true;
    wake_all();
  }
  bool closed() const { return closed_; }

 private:
  class Receive;
  uint64_t oldest() const { return sent_ - kept_.size(); }
  void wake_all() {
    while (auto* receive = waiters_.template front_as<Receive>()) waiters_.serve(*receive);
  }

  Ring<T> kept_;
  uint64_t sent_ = 0;  // the items so far, and so the number of the next
  bool closed_ = false;
  List<Receiver, BroadcastTag> receivers_;
  WaitQueue waiters_{"broadcast"};
};

template <typename T>
class Broadcast<T>::Receiver : public ListNode<BroadcastTag> {
 public:
  explicit Receiver(Broadcast& broadcast) : broadcast_(&broadcast), next_(broadcast.sent_) {
    broadcast.receivers_.push_back(*this);
  }

  // What there is now, if anything is.
  std::optional<Next> try_recv() {
    if (!ready()) return std::nullopt;
    const uint64_t oldest = broadcast_->oldest();
    if (next_ < oldest) {
      const Lagged lagged{oldest - next_};
      next_ = oldest;
      if (!ASPEN_MUTANT("rt-broadcast-lag-not-reported")) return lagged;
    }
    return broadcast_->kept_[next_++ - oldest];
  }
  // co_await -> Result<std::optional<Next>>; nullopt when closed and all is received. Errors: UNAVAILABLE
  // when the broadcast is gone, OVERLOADED when too many wait, the cancel reason. Requires: one task at a
  // time.
  Receive recv(Cx& cx) { return Receive(cx, *this); }

 private:
  friend class Broadcast;
  bool ready() const { return broadcast_ != nullptr && next_ < broadcast_->sent_; }
  bool ended() const { return broadcast_ != nullptr && broadcast_->closed_ && !ready(); }
  Broadcast* broadcast_;  // null once it is gone
  uint64_t next_;         // the number of the item to receive next
};

template <typename T>
class Broadcast<T>::Receive final : public WaitQueue::Entry {
 public:
  Receive(Cx& cx, Receiver& receiver)
      : Entry(cx, receiver.broadcast_ == nullptr ? nullptr : &receiver.broadcast_->waiters_, "broadcast"),
        receiver_(receiver) {}
  bool await_ready() {
    return checkpoint_failed() || receiver_.ready() || receiver_.ended() || turned_away();
  }
  Result<std::optional<Next>> await_resume() {
    ASPEN_CHECK(check());
    if (receiver_.broadcast_ == nullptr) return fail(Code::UNAVAILABLE, "the {} is gone", owner());
    ASPEN_ASSERT(receiver_.ready() || receiver_.ended());
    return receiver_.try_recv();
  }

 private:
  Receiver& receiver_;
};

}  // namespace aspen::rt

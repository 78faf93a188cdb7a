// Bounded queues between tasks of one executor, in two phases so that a cancel never loses data:
// reserve() may be cancelled, Permit::send() may not fail or suspend. Capacity counts queued and reserved.
//
//   Channel<int> channel(region, 16);
//   ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
//   std::move(permit).send(7);
//   Result<std::optional<int>> next = co_await channel.recv(cx);   // nullopt: closed and drained
//
// A permit is an obligation of the channel's region; dropping it gives the place back.
//
// Fairness: who waits is served in order, and a place or an item is handed over when it becomes free, so that
// nobody can take it in between.
// Cancel: a waiter that is cancelled leaves nothing behind; one that was served first keeps what it got.
// End: close() is the senders' end: what is queued and permitted still arrives. discard() is the receivers':
// nothing does.
// Invariants: queued and reserved together are at most the capacity; receivers wait only while nothing is
// queued, senders only while there is no place.
// Bounds: the capacity, in memory that is allocated once; limits::kWaitersMax waiting on each side, then
// OVERLOADED; so is who should get a permit when the region's ledger is full.
// Lifetime: the region outlives the channel, and the channel its permits: else the process ends. Who waits
// when the channel goes hears UNAVAILABLE. Thread safety: none; one executor's thread.
#pragma once

#include <optional>
#include <utility>

#include "core/base/mutant.h"
#include "core/rt/ring.h"
#include "core/rt/wait_queue.h"

namespace aspen::rt {

template <typename T>
class Channel {
 public:
  // Requires: capacity > 0.
  Channel(Region& region, size_t capacity) : region_(region), queue_(capacity) {}
  ~Channel() {
    if (reserved_ != 0)
      detail::die(fmt::format("a channel is destroyed before {} of its permits", reserved_));
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  class Permit {
   public:
    Permit(Channel& channel, Obligation obligation) : channel_(&channel), obligation_(std::move(obligation)) {
      ++channel.reserved_;
    }
    Permit(Permit&& other) noexcept
        : channel_(std::exchange(other.channel_, nullptr)), obligation_(std::move(other.obligation_)) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit() {
      if (channel_ == nullptr || ASPEN_MUTANT("rt-channel-permit-not-returned")) return;
      obligation_.drop();
      give_back();
    }
    void send(T value) && {
      ASPEN_ASSERT(channel_ != nullptr);
      if (!channel_->discarded_) channel_->queue_.push_back(std::move(value));
      obligation_.resolve();
      give_back();
    }

   private:
    // After its end is in the ledger, where the next one's permit needs a place.
    void give_back() {
      Channel& channel = *std::exchange(channel_, nullptr);
      --channel.reserved_;
      channel.serve();
    }
    Channel* channel_;  // null once used
    Obligation obligation_;
  };

  // Errors: OVERLOADED when full or the ledger is, UNAVAILABLE when closed.
  Result<Permit> try_reserve(std::source_location origin = std::source_location::current()) {
    if (closed()) return fail(Code::UNAVAILABLE, "the channel is closed");
    if (full()) return fail(Code::OVERLOADED, "the channel holds {} items; at most {}", used(), capacity());
    ASPEN_TRY(auto obligation, Obligation::make(region_, ObligationKind::permit, kPermit, origin));
    return Permit(*this, std::move(obligation));
  }
  // co_await -> Result<Permit>; waits while full. Errors: UNAVAILABLE when closed, OVERLOADED when too many
  // wait or the ledger is full, the cancel reason.
  auto reserve(Cx& cx, std::source_location origin = std::source_location::current()) {
    return Reserve(cx, *this, origin);
  }

  // What is queued now, if anything is; ended() says whether more can come.
  std::optional<T> try_recv() {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> item(queue_.pop_front());
    serve();
    return item;
  }
  // co_await -> Result<std::optional<T>>; nullopt when ended. Errors: OVERLOADED when too many wait, the
  // cancel reason.
  auto recv(Cx& cx) { return Receive(cx, *this); }

  // Gives out no more permits; what is queued and permitted can still be sent and received.
  void close() {
    closed_ = true;
    serve();
  }
  // For a receiver that goes: closes, and drops what is queued and what permits still send.
  void discard() {
    discarded_ = true;
    close();
    while (try_recv()) {
    }
  }
  bool closed() const { return closed_ || region_.state() == Region::State::closed; }
  // Nothing is left to receive and no permit can bring more.
  bool ended() const {
    if (ASPEN_MUTANT("rt-channel-ends-undrained")) return closed();
    return discarded_ || (closed() && used() == 0);
  }
  size_t size() const { return queue_.size(); }
  size_t capacity() const { return queue_.capacity(); }

 private:
  static constexpr const char* kPermit = "channel permit";

  class Reserve final : public WaitQueue::Entry {
   public:
    Reserve(Cx& cx, Channel& channel, std::source_location origin)
        : Entry(cx, channel.reservers_), channel_(channel), origin_(origin) {}
    bool await_ready() {
      return checkpoint_failed() || !channel_.full() || channel_.closed() || turned_away();
    }
    Result<Permit> await_resume() {
      ASPEN_CHECK(check());
      if (!served()) return channel_.try_reserve(origin_);
      if (!got_) return fail(Code::UNAVAILABLE, "the channel was closed");
      return std::move(*got_);
    }

   private:
    friend class Channel;
    Result<Permit> place() {
      ASPEN_TRY(auto obligation, oblige(channel_.region_, ObligationKind::permit, kPermit, origin_));
      return Permit(channel_, std::move(obligation));
    }
    Channel& channel_;
    std::source_location origin_;
    std::optional<Result<Permit>> got_;
  };

  class Receive final : public WaitQueue::Entry {
   public:
    Receive(Cx& cx, Channel& channel) : Entry(cx, channel.receivers_), channel_(channel) {}
    bool await_ready() {
      return checkpoint_failed() || !channel_.queue_.empty() || channel_.ended() || turned_away();
    }
    Result<std::optional<T>> await_resume() {
      ASPEN_CHECK(check());
      if (ASPEN_MUTANT("rt-channel-cancel-loses-item")) ASPEN_CHECK(cx().checkpoint());
      if (served()) return std::move(item_);
      if (channel_.ended()) return std::nullopt;
      return channel_.try_recv();
    }

   private:
    friend class Channel;
    Channel& channel_;
    std::optional<T> item_;
  };

  size_t used() const { return queue_.size() + reserved_; }
  bool full() const { return used() >= capacity(); }

  // Hands out what there is to those who wait; at the end, the news of it.
  void serve() {
    while (auto* receiver = receivers_.template front_as<Receive>()) {
      if (queue_.empty() && !ended()) break;
      if (!queue_.empty()) receiver->item_.emplace(queue_.pop_front());
      receivers_.serve(*receiver);
    }
    while (auto* reserver = reservers_.template front_as<Reserve>()) {
      if (full() && !closed()) break;
      if (!closed()) reserver->got_.emplace(reserver->place());
      reservers_.serve(*reserver);
    }
  }

  Region& region_;
  size_t reserved_ = 0;
  bool closed_ = false;
  bool discarded_ = false;
  Ring<T> queue_;
  WaitQueue reservers_{"channel"};
  WaitQueue receivers_{"channel"};
};

}  // namespace aspen::rt

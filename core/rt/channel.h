// Bounded queues between tasks of one executor, in two phases so that a cancel never loses data:
// reserve() may be cancelled, Permit::send() may not fail or suspend. Capacity counts queued and reserved.
//
//   Channel<int> channel(region, 16);
//   ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
//   std::move(permit).send(7);
//   Result<std::optional<int>> next = co_await channel.recv(cx);   // nullopt: closed and drained
//
// A permit is an obligation of the channel's region; dropping it gives the place back. Who waits is served in
// order: a place or an item is handed over when it becomes free, so nobody can take it in between. A waiter
// that is cancelled leaves nothing behind; one that was served first keeps what it got.
//
// Invariants: queued and reserved together are at most the capacity; receivers wait only while nothing is
// queued, senders only while there is no place.
// Lifetime: the region outlives the channel, the channel outlives its permits and who waits.
// Thread safety: none; one executor's thread.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "core/rt/region.h"

namespace aspen::rt {

template <typename T>
class Channel {
 public:
  Channel(Region& region, size_t capacity) : region_(region), capacity_(capacity) {
    ASPEN_ASSERT(capacity > 0);
  }

  class Permit {
   public:
    Permit(Channel& channel, std::source_location origin)
        : channel_(&channel), obligation_(channel.region_, "channel permit", origin) {
      ++channel.reserved_;
    }
    Permit(Permit&& other) noexcept
        : channel_(std::exchange(other.channel_, nullptr)), obligation_(std::move(other.obligation_)) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit() {
      if (channel_ != nullptr) give_back();
    }
    void send(T value) && {
      ASPEN_ASSERT(channel_ != nullptr);
      channel_->queue_.push_back(std::move(value));
      give_back();
    }

   private:
    void give_back() {
      Channel& channel = *std::exchange(channel_, nullptr);
      --channel.reserved_;
      channel.serve();
      obligation_.resolve();
    }
    Channel* channel_;  // null once used
    Obligation obligation_;
  };

  // Errors: OVERLOADED when full, UNAVAILABLE when closed.
  Result<Permit> try_reserve(std::source_location origin = std::source_location::current()) {
    if (closed()) return fail(Code::UNAVAILABLE, "the channel is closed");
    if (full()) return fail(Code::OVERLOADED, "the channel holds {} items; at most {}", used(), capacity_);
    return Permit(*this, origin);
  }

  // co_await -> Result<Permit>; waits while full. Errors: UNAVAILABLE when closed, the cancel reason.
  auto reserve(Cx& cx, std::source_location origin = std::source_location::current()) {
    return Reserve(cx, *this, origin);
  }
  // co_await -> Result<std::optional<T>>; nullopt when closed, empty, and no permit can bring more. Errors:
  // the cancel reason.
  auto recv(Cx& cx) { return Receive(cx, *this); }

  // Gives out no more permits; what is queued and permitted can still be sent and received.
  void close() {
    closed_ = true;
    serve();
  }
  bool closed() const { return closed_ || region_.state() == Region::State::closed; }
  size_t size() const { return queue_.size(); }

 private:
  class Reserve final : public Waiter {
   public:
    Reserve(Cx& cx, Channel& channel, std::source_location origin)
        : Waiter(cx), channel_(channel), origin_(origin) {}
    bool await_ready() { return checkpoint_failed() || !channel_.full() || channel_.closed(); }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle);
      channel_.reservers_.push_back(*this);
    }
    Result<Permit> await_resume() {
      if (cancelled()) return std::unexpected(cx().checkpoint().error());
      if (permit_) return std::move(*permit_);
      return channel_.try_reserve(origin_);
    }

   private:
    friend class Channel;
    Channel& channel_;
    std::source_location origin_;
    std::optional<Permit> permit_;
  };

  class Receive final : public Waiter {
   public:
    Receive(Cx& cx, Channel& channel) : Waiter(cx), channel_(channel) {}
    bool await_ready() { return checkpoint_failed() || !channel_.queue_.empty() || channel_.ended(); }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle);
      channel_.receivers_.push_back(*this);
    }
    Result<std::optional<T>> await_resume() {
      if (cancelled()) return std::unexpected(cx().checkpoint().error());
      if (item_ || channel_.queue_.empty()) return std::move(item_);
      std::optional<T> item = channel_.take();
      channel_.serve();
      return item;
    }

   private:
    friend class Channel;
    Channel& channel_;
    std::optional<T> item_;
  };

  size_t used() const { return queue_.size() + reserved_; }
  bool full() const { return used() >= capacity_; }
  bool ended() const { return closed() && used() == 0; }

  T take() {
    T item(std::move(queue_.front()));
    queue_.pop_front();
    return item;
  }
  // Hands out what there is to those who wait; at the end, the news of it.
  void serve() {
    while (!receivers_.empty() && (!queue_.empty() || ended())) {
      auto* receiver = static_cast<Receive*>(receivers_.pop_front());
      if (!queue_.empty()) receiver->item_.emplace(take());
      receiver->wake();
    }
    while (!reservers_.empty() && (!full() || closed())) {
      auto* reserver = static_cast<Reserve*>(reservers_.pop_front());
      if (!closed()) reserver->permit_.emplace(*this, reserver->origin_);
      reserver->wake();
    }
  }

  Region& region_;
  size_t capacity_;
  size_t reserved_ = 0;
  bool closed_ = false;
  std::deque<T> queue_;
  List<Waiter, WaiterTag> reservers_;
  List<Waiter, WaiterTag> receivers_;
};

}  // namespace aspen::rt

// Bounded queues between tasks of one executor, in two phases so that a cancel never loses data:
// reserve() may be cancelled, Permit::send() may not fail or suspend. Capacity counts queued and reserved.
//
//   Channel<int> channel(region, 16);
//   ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
//   std::move(permit).send(7);
//   Result<std::optional<int>> next = co_await channel.recv(cx);   // nullopt: closed and drained
//
// A permit is an obligation of the channel's region; dropping it gives the place back. A waiter that is
// cancelled leaves nothing behind, and a place that was meant for it goes to the next.
//
// Thread safety: none; one executor's thread.
#pragma once

#include <deque>
#include <optional>

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
    explicit Permit(Channel& channel)
        : channel_(&channel), obligation_(std::make_unique<Obligation>(channel.region_, "channel permit")) {
      ++channel.reserved_;
    }
    Permit(Permit&& other) noexcept
        : channel_(std::exchange(other.channel_, nullptr)), obligation_(std::move(other.obligation_)) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit() {
      if (channel_ == nullptr) return;
      --channel_->reserved_;
      channel_->hand_out_place();
    }
    void send(T value) && {
      Channel* channel = std::exchange(channel_, nullptr);
      --channel->reserved_;
      channel->queue_.push_back(std::move(value));
      channel->hand_out_item();
      obligation_.reset();
    }

   private:
    Channel* channel_;
    std::unique_ptr<Obligation> obligation_;
  };

  // Errors: OVERLOADED when full, UNAVAILABLE when closed.
  Result<Permit> try_reserve() {
    if (closed_) return fail(Code::UNAVAILABLE, "the channel is closed");
    if (full()) return fail(Code::OVERLOADED, "the channel holds {} items; at most {}", used(), capacity_);
    return Permit(*this);
  }

  // co_await -> Result<Permit>; waits while full. Errors: UNAVAILABLE when closed, the cancel reason.
  auto reserve(Cx& cx) { return Reserve(cx, *this); }
  // co_await -> Result<std::optional<T>>; nullopt when closed and empty. Errors: the cancel reason.
  auto recv(Cx& cx) { return Receive(cx, *this); }

  // Refuses further sends; what is queued can still be received.
  void close() {
    closed_ = true;
    while (Waiter* waiter = reservers_.pop_front()) waiter->wake();
    while (Waiter* waiter = receivers_.pop_front()) waiter->wake();
  }
  bool closed() const { return closed_; }
  size_t size() const { return queue_.size(); }

 private:
  // Places and items are handed to a waiter when it is woken, so nobody can take them in between.
  class Reserve final : public Waiter {
   public:
    Reserve(Cx& cx, Channel& channel) : Waiter(cx), channel_(channel) {}
    bool await_ready() { return checkpoint_failed() || !channel_.full() || channel_.closed_; }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle);
      channel_.reservers_.push_back(*this);
    }
    Result<Permit> await_resume() {
      if (cancelled()) return std::unexpected(cx().checkpoint().error());
      if (permit_) return std::move(*permit_);
      return channel_.try_reserve();
    }

   private:
    friend class Channel;
    Channel& channel_;
    std::optional<Permit> permit_;
  };

  class Receive final : public Waiter {
   public:
    Receive(Cx& cx, Channel& channel) : Waiter(cx), channel_(channel) {}
    bool await_ready() { return checkpoint_failed() || !channel_.queue_.empty() || channel_.closed_; }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle);
      channel_.receivers_.push_back(*this);
    }
    Result<std::optional<T>> await_resume() {
      if (cancelled()) return std::unexpected(cx().checkpoint().error());
      if (item_) return std::move(item_);
      return channel_.take();
    }

   private:
    friend class Channel;
    Channel& channel_;
    std::optional<T> item_;
  };

  size_t used() const { return queue_.size() + reserved_; }
  bool full() const { return used() >= capacity_; }

  std::optional<T> take() {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> item(std::move(queue_.front()));
    queue_.pop_front();
    hand_out_place();
    return item;
  }
  void hand_out_place() {
    if (full() || closed_) return;
    if (auto* waiter = static_cast<Reserve*>(reservers_.pop_front())) {
      waiter->permit_.emplace(*this);
      waiter->wake();
    }
  }
  void hand_out_item() {
    if (auto* waiter = static_cast<Receive*>(receivers_.pop_front())) {
      waiter->item_ = take();
      waiter->wake();
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

// The latest value of something, and a way to wait for a newer one. Who falls behind skips what it missed:
// for a state, unlike for a stream of events, only the latest matters.
//
//   Watch<Config> config(initial);
//   Watch<Config>::Receiver receiver(config);
//   for (;;) {
//     use(receiver.get());                              // seen from here on
//     ASPEN_CO_CHECK(co_await receiver.changed(cx));    // UNAVAILABLE: closed, and the last was seen
//   }
//
// Each set() is one version, whether the value differs or not; a receiver remembers which it saw.
//
// Fairness: every receiver that waits is woken, in the order they came.
// Cancel: changed() takes nothing: a wait that is cancelled sees the change the next time.
// Invariants: changed() passes exactly when there is a version that get() has not given to this receiver.
// Bounds: one value; limits::kWaitersMax receivers wait, then OVERLOADED. set() never fails or waits.
// Lifetime: a receiver that outlives the watch hears UNAVAILABLE, and may no longer get().
// Thread safety: none; one executor's thread.
#pragma once

#include "core/base/mutant.h"
#include "core/rt/wait_queue.h"

namespace aspen::rt {

struct WatchTag;

template <typename T>
class Watch {
 public:
  class Receiver;

  explicit Watch(T initial) : value_(std::move(initial)) {}
  ~Watch() {
    while (auto* receiver = receivers_.pop_front()) receiver->watch_ = nullptr;
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Requires: not closed.
  void set(T value) {
    ASPEN_ASSERT(!closed_);
    value_ = std::move(value);
    if (!ASPEN_MUTANT("rt-watch-misses-a-change") || !waiters_.empty()) ++version_;
    wake_all();
  }
  const T& get() const { return value_; }
  uint64_t version() const { return version_; }
  // No newer value will come.
  void close() {
    closed_ = true;
    wake_all();
  }
  bool closed() const { return closed_; }

 private:
  class Changed;
  void wake_all();

  T value_;
  uint64_t version_ = 1;
  bool closed_ = false;
  List<Receiver, WatchTag> receivers_;
  WaitQueue waiters_{"watch"};
};

template <typename T>
class Watch<T>::Receiver : public ListNode<WatchTag> {
 public:
  // Has seen nothing yet: changed() passes at once.
  explicit Receiver(Watch& watch) : watch_(&watch) { watch.receivers_.push_back(*this); }

  // The latest value, which is now seen. Requires: the watch is there.
  const T& get() {
    ASPEN_ASSERT(watch_ != nullptr);
    seen_ = watch_->version_;
    return watch_->value_;
  }
  bool has_changed() const { return watch_ != nullptr && watch_->version_ != seen_; }
  // co_await -> Result<>: there is a value that get() has not given. Errors: UNAVAILABLE when there will be
  // none, OVERLOADED, the cancel reason.
  Changed changed(Cx& cx);

 private:
  friend class Watch;
  Watch* watch_;  // null once it is gone
  uint64_t seen_ = 0;
};

template <typename T>
class Watch<T>::Changed final : public WaitQueue::Entry {
 public:
  Changed(Cx& cx, Receiver& receiver)
      : Entry(cx, receiver.watch_ == nullptr ? nullptr : &receiver.watch_->waiters_, "watch"),
        receiver_(receiver) {}
  bool await_ready() {
    if (checkpoint_failed() || receiver_.has_changed()) return true;
    return (receiver_.watch_ != nullptr && receiver_.watch_->closed_) || turned_away();
  }
  Result<> await_resume() {
    ASPEN_CHECK(check());
    if (receiver_.has_changed()) return {};
    return fail(Code::UNAVAILABLE, "the watch is closed and its last value was seen");
  }

 private:
  Receiver& receiver_;
};

template <typename T>
typename Watch<T>::Changed Watch<T>::Receiver::changed(Cx& cx) {
  return Changed(cx, *this);
}

template <typename T>
void Watch<T>::wake_all() {
  while (auto* waiter = waiters_.template front_as<Changed>()) waiters_.serve(*waiter);
}

}  // namespace aspen::rt

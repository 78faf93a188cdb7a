// The tasks one combinator started, in a region of their own: heard of in the order they end, then stopped,
// awaited and settled. race, quorum and the others are short loops over this:
//
//   Crew<int> crew(cx, "race");
//   for (auto& attempt : attempts) crew.start(std::move(attempt));
//   std::optional<size_t> first = co_await crew.next(cx);
//   co_await crew.stop({CancelKind::race_lost, "another was faster"});
//   co_return crew.settle(first, discard);
//
// What holds for every combinator made of it:
//  - Order: who ended earlier is heard first; of those that ended at the same time (Cx::now) and are not yet
//    heard, the one started first. The order in which tasks run within a turn does not matter.
//  - Losers: once the result is decided the others are cancelled and awaited; what they return then counts no
//    more, except a panic. Their values are discarded (attempt.h).
//  - Cancel of the caller reaches all of them and is awaited: nothing outlives the combinator. A value that
//    came nevertheless counts as any other.
//  - A panic in any of them, a loser's too, is the result (INTERNAL): a broken invariant is not hidden by
//    another's luck. Of several, the one started first.
//
// Between the first start() and the end of stop() or close() nothing may leave the frame (region.h).
// Bounds: as many tasks as are started; over the region's limit they end with OVERLOADED.
// Thread safety: none; one executor's thread.
#pragma once

#include <algorithm>
#include <optional>
#include <queue>

#include "core/base/mutant.h"
#include "core/rt/attempt.h"

namespace aspen::rt {

template <typename T>
class Crew {
 public:
  // `name` is a literal.
  Crew(Cx& cx, const char* name) : name_(name), region_(cx, {.name = name}) {}
  ~Crew() { ASPEN_ASSERT(waiter_ == nullptr); }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Starts `attempt(Cx&) -> Task<Result<T>>`; the first one is number 0.
  template <typename F>
  void start(F attempt) {
    const size_t index = members_.size();
    members_.emplace_back();
    ++running_;
    region_.spawn(name_, std::move(attempt)).then([this, index](Outcome<T> outcome) {
      ended(index, std::move(outcome));
    });
  }

  class Next;
  // co_await -> std::optional<size_t>: the next that ended, by its number; nullopt when none is left, or at
  // `until`. Not cut short by a cancel, which reaches the members.
  Next next(Cx& cx, TimeNs until = kNever) { return Next(cx, *this, until); }

  size_t size() const { return members_.size(); }
  // Have not ended, or were not heard of yet.
  bool more() const { return running_ != 0 || !unheard_.empty(); }
  bool heard(size_t index) const { return index < size() && members_[index].heard; }
  // Requires: it was heard, or stop() or close() is over.
  const Outcome<T>& outcome(size_t index) const { return *members_[index].outcome; }

  // Once for each. Requires: as outcome().
  Outcome<T> take(size_t index) {
    members_[index].taken = true;
    return std::move(*members_[index].outcome);
  }

  // Cancels those that still run, and awaits all.
  Task<void> stop(CancelReason reason) {
    if (ASPEN_MUTANT("rt-race-loser-not-drained")) co_return;
    if (!ASPEN_MUTANT("rt-race-loser-not-cancelled")) region_.cancel(reason);
    co_await region_.close();
  }
  // The same, because `index` failed.
  Task<void> fail_fast(size_t index) {
    const std::string text = outcome(index).error().to_string();
    CancelReason exit{CancelKind::linked_exit, text, fmt::format("task {} {}", name_, index),
                      region_.executor().now()};
    CancelReason reason{CancelKind::fail_fast, fmt::format("{} failed: {}", exit.origin, text)};
    return stop(with_cause(std::move(reason), std::make_shared<CancelReason>(std::move(exit))));
  }
  // Awaits all; the first that is Err or Panicked, which it returns, ends the others.
  Task<std::optional<size_t>> close_fail_fast(Cx& cx) {
    while (auto ended = co_await next(cx)) {
      Severity severity = outcome(*ended).severity();
      if (severity != Severity::err && severity != Severity::panicked) continue;
      co_await fail_fast(*ended);
      co_return ended;
    }
    co_await close();
    co_return std::nullopt;
  }
  // Awaits all.
  Region::Close close() { return region_.close(); }
  // Lives until all have ended.
  Region& region() { return region_; }

  // The rest requires that stop() or close() is over.

  // The first that panicked.
  std::optional<size_t> panicked() const {
    for (size_t i = 0; i < size(); ++i) {
      if (outcome(i).severity() == Severity::panicked) return i;
    }
    return std::nullopt;
  }
  // The worst of those that were heard, the first of equally bad ones.
  std::optional<size_t> worst() const {
    std::optional<size_t> found;
    for (size_t i = 0; i < size(); ++i) {
      if (!members_[i].heard) continue;
      if (!found || outcome(i).severity() > outcome(*found).severity()) found = i;
    }
    return found;
  }
  // Every value that was not taken.
  void discard_rest(Discard<T>& discard) {
    if (ASPEN_MUTANT("rt-race-loses-values")) return;
    for (size_t i = 0; i < size(); ++i) {
      if (!members_[i].taken && outcome(i).ok()) discard_value<T>(discard, take(i));
    }
  }
  // A panic if there was one, else what `winner` returned, else the worst. Discards the other values.
  Result<T> settle(std::optional<size_t> winner, Discard<T>& discard) {
    std::optional<size_t> counts = panicked();
    if (!counts || ASPEN_MUTANT("rt-race-hides-panic")) counts = winner ? winner : worst();
    Result<T> result = take(*counts).result();
    discard_rest(discard);
    return result;
  }

 private:
  struct Member {
    std::optional<Outcome<T>> outcome;  // when it has ended
    bool heard = false;
    bool taken = false;
  };
  using Ended = std::pair<TimeNs, size_t>;

  void ended(size_t index, Outcome<T> outcome) {
    members_[index].outcome = std::move(outcome);
    unheard_.push({region_.executor().now(), index});
    --running_;
    if (waiter_ != nullptr) std::exchange(waiter_, nullptr)->wake();
  }

  const char* name_;
  Region region_;
  std::vector<Member> members_;
  std::priority_queue<Ended, std::vector<Ended>, std::greater<Ended>> unheard_;
  size_t running_ = 0;
  Next* waiter_ = nullptr;
};

template <typename T>
class Crew<T>::Next final : public Waiter {
 public:
  Next(Cx& cx, Crew& crew, TimeNs until)
      : Waiter(cx), crew_(crew), until_(until), timer_(cx.executor(), [this] { expired(); }) {}
  bool await_ready() const { return !crew_.unheard_.empty() || crew_.running_ == 0; }
  void await_suspend(std::coroutine_handle<> handle) {
    suspend(handle);
    crew_.waiter_ = this;
    if (until_ != kNever) timer_.arm(until_);
  }
  std::optional<size_t> await_resume() {
    timer_.disarm();
    if (crew_.unheard_.empty()) return std::nullopt;
    const size_t index = crew_.unheard_.top().second;
    crew_.unheard_.pop();
    crew_.members_[index].heard = true;
    return index;
  }

 private:
  bool drains() const override { return true; }
  void abandon() override {}
  void expired() {
    if (crew_.waiter_ == this) std::exchange(crew_.waiter_, nullptr)->wake();
  }
  Crew& crew_;
  TimeNs until_;
  Timer timer_;
};

}  // namespace aspen::rt

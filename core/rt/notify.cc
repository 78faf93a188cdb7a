#include "core/rt/notify.h"

#include "core/base/mutant.h"

namespace aspen::rt {

void Notify::notify_one() {
  auto* first = waiters_.front_as<Wait>();
  if (first == nullptr) {
    stored_ = !ASPEN_MUTANT("rt-notify-not-stored");
    return;
  }
  waiters_.serve(*first);
  notified_.push_back(*first);
}

void Notify::notify_all() {
  while (auto* wait = waiters_.front_as<Wait>()) waiters_.serve(*wait);
}

Notify::Wait::~Wait() {
  if (take_notification()) notify_.notify_one();
}

bool Notify::Wait::await_ready() {
  if (checkpoint_failed()) return true;
  if (!notify_.stored_) return turned_away();
  notify_.stored_ = false;
  return true;
}

Result<> Notify::Wait::await_resume() {
  const bool notified = take_notification();
  ASPEN_CHECK(check());
  if (notified && cx().cancelled()) {
    if (!ASPEN_MUTANT("rt-notify-cancel-loses-wake-up")) notify_.notify_one();
    return cx().checkpoint();
  }
  return {};
}

bool Notify::Wait::take_notification() {
  auto& node = static_cast<ListNode<WaiterTag>&>(*this);
  const bool notified = served() && node.linked();
  if (notified) node.unlink();
  return notified;
}

}  // namespace aspen::rt

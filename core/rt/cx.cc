#include "core/rt/cx.h"

#include "core/rt/spawned_task.h"

namespace aspen::rt {

Waiter::~Waiter() {
  if (cx_.task_.waiter_ == this) cx_.task_.waiter_ = nullptr;
}

bool Waiter::checkpoint_failed() {
  cancelled_ = cx_.cancelled();
  return cancelled_;
}

void Waiter::suspend(std::coroutine_handle<> handle) {
  ASPEN_ASSERT(cx_.task_.waiter_ == nullptr);
  handle_ = handle;
  cx_.task_.waiter_ = this;
}

void Waiter::wake() {
  ListNode<WaiterTag>::unlink();
  if (cx_.task_.waiter_ == this) cx_.task_.waiter_ = nullptr;
  cx_.executor_.schedule(*this);
}

void Waiter::cancel() {
  abandon();
  if (drains()) return;
  cancelled_ = true;
  wake();
}

const CancelReason& Waiter::cancel_reason() const {
  return *cx_.task_.cancel_;
}

void Waiter::run() {
  handle_.resume();
}

TimeNs Cx::deadline() const {
  return task_.deadline_;
}

bool Cx::cancelled() const {
  return task_.cancel_ && task_.masks_ == 0;
}

Result<> Cx::checkpoint() const {
  if (cancelled()) return std::unexpected(task_.cancel_->to_error());
  return {};
}

Cx::Mask::Mask(Cx& cx) : task_(cx.task_) {
  ++task_.masks_;
}

Cx::Mask::~Mask() {
  if (--task_.masks_ == 0 && task_.cancel_) task_.deliver_cancel();
}

}  // namespace aspen::rt

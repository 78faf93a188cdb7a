#include "core/rt/cx.h"

#include "core/base/limits.h"
#include "core/base/mutant.h"
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
  TaskBase& task = cx_.task_;
  if (task.waiter_ == this) task.waiter_ = nullptr;
  bool hurried = cx_.cancelled() && !ASPEN_MUTANT("rt-wake-not-cancel-lane");
  if (hurried) return cx_.executor_.schedule_cancel(*this);
  if (task.deadline() == kNever || ASPEN_MUTANT("rt-wake-not-timed")) return cx_.executor_.schedule(*this);
  cx_.executor_.schedule_timed(*this, task.deadline());
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

uint64_t Waiter::task_id() const {
  return cx_.task_.id();
}

void Waiter::run() {
  cx_.task_.resume(handle_);
}

TimeNs Cx::deadline() const {
  return task_.deadline();
}

const Budget& Cx::budget() const {
  return task_.budget();
}

Result<> Cx::charge(uint64_t cost) {
  task_.charge(cost);
  return checkpoint();
}

bool Cx::cancelled() const {
  return task_.cancel_ && (task_.masks_ == 0 || (task_.forced_ && !ASPEN_MUTANT("rt-mask-unbounded")));
}

Result<> Cx::checkpoint() const {
  if (cancelled()) return std::unexpected(task_.cancel_->to_error());
  return {};
}

const CancelReason* Cx::cancel_reason() const {
  return task_.cancel_reason();
}

Cx::Mask::Mask(Cx& cx) : task_(cx.task_) {
  ASPEN_ASSERT(task_.masks_ < limits::kMaskDepthMax);
  ++task_.masks_;
}

Cx::Mask::~Mask() {
  task_.end_mask();
}

}  // namespace aspen::rt

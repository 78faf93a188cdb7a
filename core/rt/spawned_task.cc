#include "core/rt/spawned_task.h"

#include <algorithm>
#include <exception>

#include "core/rt/region.h"

namespace aspen::rt {

void detail::die(const std::string& text) {
  log(LogLevel::error, "{}", text);
  std::terminate();
}

TaskBase::TaskBase(Region& region, std::string_view name, TimeNs deadline)
    : name_(name),
      region_(region),
      cx_(region.executor(), region, *this),
      deadline_(std::min(deadline, region.deadline())),
      deadline_timer_(region.executor(), [this] {
        request_cancel({CancelKind::deadline, fmt::format("{}: the deadline passed", name_)});
      }) {}

void TaskBase::run() {
  if (phase_ != Phase::created) return finish();
  phase_ = Phase::running;
  deadline_timer_.arm(deadline_);
  root_ = body().handle;
  root_.resume();
}

void TaskBase::finish() {
  ASPEN_ASSERT(phase_ == Phase::finished && waiter_ == nullptr);
  root_.destroy();
  deadline_timer_.disarm();
  if (!children_.empty()) {
    detail::die(fmt::format("task {} ended with a region open: {}", name_, children_.front()->pending()));
  }
  phase_ = Phase::done;
  std::shared_ptr<TaskBase> self = std::move(self_);
  cx_.executor().contained([this] { notify_done(); });
  // Only now: what was told may close the region, and even destroy it once it is closed.
  ListNode<TaskBase>::unlink();
  --region_.task_count_;
  region_.advance();
}

void TaskBase::request_cancel(const CancelReason& reason) {
  if (cancel_ || phase_ == Phase::finished || phase_ == Phase::done) return;
  cancel_ = reason;
  if (masks_ == 0) deliver_cancel();
}

void TaskBase::deliver_cancel() {
  for (Region* child = children_.front(); child != nullptr; child = children_.next(*child)) {
    child->cancel(*cancel_);
  }
  if (waiter_ != nullptr) waiter_->cancel();
}

}  // namespace aspen::rt

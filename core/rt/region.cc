#include "core/rt/region.h"

#include <algorithm>

namespace aspen::rt {
namespace {

constexpr int kNamedMax = 8;  // of each kind, in pending()

CancelReason closing() {
  return {CancelKind::shutdown, "the region is closing"};
}

}  // namespace

Region::Region(Executor& executor, RegionOptions options)
    : executor_(executor), deadline_(options.deadline) {}

Region::Region(Cx& parent, RegionOptions options)
    : executor_(parent.executor()), deadline_(std::min(options.deadline, parent.deadline())) {
  parent.task_.children_.push_back(*this);
  if (parent.cancelled()) cancel_ = parent.task_.cancel_;
}

Region::Region(Region& parent, RegionOptions options)
    : executor_(parent.executor_), parent_(&parent), deadline_(std::min(options.deadline, parent.deadline_)) {
  ASPEN_ASSERT(parent.state_ != State::closed);
  parent.children_.push_back(*this);
  cancel_ = parent.cancel_;
  if (!cancel_ && parent.state_ == State::closing) cancel_ = closing();
}

Region::~Region() {
  bool unused = state_ == State::open && task_count_ == 0 && obligation_count_ == 0 && children_.empty() &&
                finalizers_.empty();
  if (state_ != State::closed && !unused) {
    detail::die(fmt::format("a region is destroyed before it is closed: {}", pending()));
  }
  if (ListNode<RegionTag>::linked() && parent_ != nullptr) {
    ListNode<RegionTag>::unlink();
    parent_->changed();
  }
}

void Region::adopt(std::shared_ptr<TaskBase> task) {
  ASPEN_ASSERT(state_ != State::closed);
  TaskBase& adopted = *task;
  adopted.self_ = std::move(task);
  tasks_.push_back(adopted);
  ++task_count_;
  if (cancel_) adopted.request_cancel(*cancel_);
  if (state_ == State::closing) adopted.request_cancel(closing());
  executor_.schedule(adopted);
}

void Region::add_finalizer(std::move_only_function<Task<void>(Cx&)> finalizer) {
  ASPEN_ASSERT(state_ != State::closed);
  finalizers_.push_back(std::move(finalizer));
}

void Region::cancel(const CancelReason& reason) {
  if (cancel_) return;
  cancel_ = reason;
  for (TaskBase* task = tasks_.front(); task != nullptr; task = tasks_.next(*task)) {
    task->request_cancel(reason);
  }
  for (Region* child = children_.front(); child != nullptr; child = children_.next(*child)) {
    child->cancel(reason);
  }
}

void Region::close(std::move_only_function<void()> closed) {
  if (begin_close()) return closed();
  closers_.push_back(std::move(closed));
}

bool Region::begin_close() {
  if (state_ == State::open) {
    state_ = State::closing;
    advance();
  }
  return state_ == State::closed;
}

void Region::changed() {
  if (state_ == State::closing || state_ == State::finalizing) executor_.schedule(*this);
}

void Region::advance() {
  if (state_ == State::open || state_ == State::closed || task_count_ != 0 || !children_.empty()) return;
  if (!finalizers_.empty()) return start_finalizers();
  if (!obligations_.empty()) return;
  state_ = State::closed;
  Runnable::unlink();
  ListNode<RegionTag>::unlink();
  if (parent_ != nullptr) parent_->changed();
  Executor& executor = executor_;
  auto closers = std::move(closers_);
  for (auto& closed : closers) executor.contained(closed);  // one of them may destroy this region
}

// Cleanup is no part of what was cancelled or timed out: it gets its time, masked.
void Region::start_finalizers() {
  state_ = State::finalizing;
  cancel_.reset();
  deadline_ = kNever;
  spawn("finalizers", [this](Cx& cx) -> Task<Result<>> {
    Cx::Mask mask(cx);
    while (!finalizers_.empty()) {  // one that panics ends this task; advance() starts another for the rest
      auto finalizer = std::move(finalizers_.back());
      finalizers_.pop_back();
      co_await finalizer(cx);
    }
    co_return Result<>();
  });
}

std::string Region::pending() {
  std::string text = fmt::format("{} tasks, {} obligations", task_count_, obligation_count_);
  int named = 0;
  for (TaskBase* task = tasks_.front(); task != nullptr && ++named <= kNamedMax; task = tasks_.next(*task)) {
    text += fmt::format(", task {}", task->name());
    if (Region* region = task->children_.front()) text += fmt::format(" (its region: {})", region->pending());
  }
  named = 0;
  for (Obligation* it = obligations_.front(); it != nullptr && ++named <= kNamedMax;
       it = obligations_.next(*it)) {
    text += fmt::format(", {} from {}:{}", it->kind(), it->origin().file_name(), it->origin().line());
  }
  named = 0;
  for (Region* child = children_.front(); child != nullptr && ++named <= kNamedMax;
       child = children_.next(*child)) {
    text += fmt::format(", region ({})", child->pending());
  }
  return text;
}

}  // namespace aspen::rt

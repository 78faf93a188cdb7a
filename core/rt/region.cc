#include "core/rt/region.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/log.h"

namespace aspen::rt {

Error CancelReason::to_error() const {
  switch (kind) {
    case CancelKind::deadline:
      return Error(Code::DEADLINE_EXCEEDED, message);
    case CancelKind::shutdown:
      return Error(Code::SHUTDOWN, message);
    default:
      return Error(Code::CANCELLED, message);
  }
}

// --- Waiter, Cx ---

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
  --task_.masks_;
}

// --- TaskBase ---

// The outermost coroutine of a task. Its end is handed to the run queue: a frame must not be destroyed
// from inside itself.
struct TaskBase::Root {
  struct promise_type {
    Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }  // body() contains everything
  };
  std::coroutine_handle<promise_type> handle;
};

TaskBase::TaskBase(Region& region, std::string_view name, TimeNs deadline)
    : name_(name),
      region_(&region),
      cx_(region.executor(), region, *this),
      deadline_(std::min(deadline, region.deadline())),
      deadline_timer_(region.executor(), [this] {
        request_cancel({CancelKind::deadline, fmt::format("{}: the deadline passed", name_)});
      }) {}

TaskBase::Root TaskBase::drive() {
  co_await body();
  phase_ = Phase::finished;
  cx_.executor().schedule(*this);
}

void TaskBase::run() {
  if (phase_ == Phase::created) {
    phase_ = Phase::running;
    deadline_timer_.arm(deadline_);
    root_ = drive().handle;
    root_.resume();
    return;
  }
  ASPEN_ASSERT(phase_ == Phase::finished && children_.empty() && waiter_ == nullptr);
  root_.destroy();
  deadline_timer_.disarm();
  phase_ = Phase::done;
  ListNode<TaskBase>::unlink();
  --region_->task_count_;
  Region& region = *region_;
  std::shared_ptr<TaskBase> self = std::move(self_);
  notify_done();
  region.advance();
}

void TaskBase::request_cancel(const CancelReason& reason) {
  if (cancel_ || phase_ == Phase::finished || phase_ == Phase::done) return;
  cancel_ = reason;
  for (Region* child = children_.front(); child != nullptr; child = children_.next(*child)) {
    child->cancel({CancelKind::parent_cancelled, reason.message});
  }
  if (waiter_ != nullptr && (masks_ == 0 || waiter_->drains())) waiter_->cancel();
}

// --- Obligation ---

Obligation::Obligation(Region& region, const char* kind, std::source_location origin)
    : region_(region), kind_(kind), origin_(origin) {
  region_.obligations_.push_back(*this);
  ++region_.obligation_count_;
}

Obligation::~Obligation() {
  unlink();
  --region_.obligation_count_;
  region_.advance();
}

// --- Region ---

Region::Region(Executor& executor, RegionOptions options)
    : executor_(executor), deadline_(options.deadline) {}

Region::Region(Cx& parent, RegionOptions options)
    : executor_(parent.executor()), deadline_(std::min(options.deadline, parent.deadline())) {
  parent.task_.children_.push_back(*this);
  cancel_ = parent.task_.cancel_;
}

Region::Region(Region& parent, RegionOptions options)
    : executor_(parent.executor_), parent_(&parent), deadline_(std::min(options.deadline, parent.deadline_)) {
  parent.children_.push_back(*this);
  cancel_ = parent.cancel_;
}

Region::~Region() {
  // A destructor cannot wait; a region that goes while it owns work would leave dangling tasks behind.
  if (state_ != State::closed && !(state_ == State::open && task_count_ == 0 && obligation_count_ == 0 &&
                                   children_.empty() && finalizers_.empty())) {
    log(LogLevel::error, "a region is destroyed before it is closed: {}", pending());
    std::terminate();
  }
}

void Region::adopt(std::shared_ptr<TaskBase> task) {
  ASPEN_ASSERT(state_ != State::closed);
  task->self_ = task;
  tasks_.push_back(*task);
  ++task_count_;
  if (cancel_) task->request_cancel(*cancel_);
  if (state_ == State::closing) task->request_cancel({CancelKind::shutdown, "the region is closing"});
  executor_.schedule(*task);
}

void Region::add_finalizer(std::move_only_function<Task<void>(Cx&)> finalizer) {
  ASPEN_ASSERT(state_ == State::open);
  finalizers_.push_back(std::move(finalizer));
}

void Region::cancel(const CancelReason& reason) {
  if (cancel_) return;
  cancel_ = reason;
  for (TaskBase* task = tasks_.front(); task != nullptr; task = tasks_.next(*task))
    task->request_cancel(reason);
  for (Region* child = children_.front(); child != nullptr; child = children_.next(*child)) {
    child->cancel({CancelKind::parent_cancelled, reason.message});
  }
}

void Region::close(std::move_only_function<void()> closed) {
  if (state_ == State::closed) return closed();
  closers_.push_back(std::move(closed));
  if (state_ == State::open) state_ = State::closing;
  advance();
}

void Region::advance() {
  if (state_ == State::open || state_ == State::closed || task_count_ != 0 || !children_.empty()) return;
  if (state_ == State::closing && !finalizers_.empty()) {
    state_ = State::finalizing;
    cancel_.reset();
    spawn("finalizers", [this](Cx& cx) -> Task<Result<>> {
      Cx::Mask mask(cx);
      while (!finalizers_.empty()) {
        auto finalizer = std::move(finalizers_.back());
        finalizers_.pop_back();
        co_await finalizer(cx);
      }
      co_return Result<>();
    });
    return;
  }
  if (!obligations_.empty()) return;
  state_ = State::closed;
  Region* parent = parent_;
  ListNode<RegionTag>::unlink();
  auto closers = std::move(closers_);
  for (auto& closed : closers) closed();  // `this` may be gone after the last
  if (parent != nullptr) parent->advance();
}

std::string Region::pending() {
  std::string text = fmt::format("{} tasks, {} obligations", task_count_, obligation_count_);
  for (TaskBase* task = tasks_.front(); task != nullptr; task = tasks_.next(*task)) {
    text += fmt::format(", task {}", task->name());
  }
  for (Obligation* it = obligations_.front(); it != nullptr; it = obligations_.next(*it)) {
    text += fmt::format(", {} from {}:{}", it->kind(), it->origin().file_name(), it->origin().line());
  }
  return text;
}

}  // namespace aspen::rt

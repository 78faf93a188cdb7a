#include "core/rt/spawned_task.h"

#include <exception>

#include "core/base/mutant.h"
#include "core/rt/observer.h"
#include "core/rt/region.h"

namespace aspen::rt {
namespace {

// One bit for each code a cancel can have.
uint8_t code_bit(Code code) {
  switch (code) {
    case Code::CANCELLED:
      return 1;
    case Code::DEADLINE_EXCEEDED:
      return 2;
    case Code::SHUTDOWN:
      return 4;
    default:
      return 0;
  }
}

}  // namespace

void detail::die(const std::string& text) {
  log(LogLevel::error, "{}", text);
  std::terminate();
}

TaskBase::TaskBase(Region& region, const char* name, const Budget& budget)
    : CancelNode(region.executor(), budget.deadline),
      name_(name),
      region_(region),
      cx_(region.executor(), region, *this),
      budget_(budget) {}

std::string TaskBase::describe() const {
  return fmt::format("task {}", name_);
}

void TaskBase::refuse(Error error) {
  store_refusal(std::move(error));
  phase_ = Phase::finished;
}

void TaskBase::schedule_start() {
  if (due_ == kNever || ASPEN_MUTANT("rt-start-not-timed")) return executor_.schedule(*this);
  executor_.schedule_timed(*this, due_);
}

void TaskBase::run() {
  if (phase_ != Phase::created) return finish();
  phase_ = Phase::running;
  if (due_ < region_.deadline()) enforce_deadline();
  root_ = body().handle;
  resume(root_);
}

void TaskBase::tell_suspended() {
  if (phase_ == Phase::running) executor_.observer->task_suspended(*this);
}

void TaskBase::finish() {
  ASPEN_ASSERT(phase_ == Phase::finished && waiter_ == nullptr);
  executor_.current_step = "a task's end";
  bool ran = root_ != nullptr;
  if (ran) root_.destroy();
  stop_clock();
  if (!children_.empty()) {
    detail::die(fmt::format("task {} ended with a region open: {}", name_, children_.front()->pending()));
  }
  phase_ = Phase::done;
  Ref<TaskBase> self = std::move(self_);
  if (executor_.observer != nullptr) executor_.observer->task_ended(*this);
  region_.task_ended(*this);
  executor_.contained([this] { notify_done(); });
  // Only now: what was told may close the region, and even destroy it once it is closed.
  ListNode<TaskBase>::unlink();
  if (ran) --region_.task_count_;
  region_.advance();
}

// --- cancel ---

bool TaskBase::accepts(const CancelReason&, bool) {
  return phase_ == Phase::created || phase_ == Phase::running;
}

void TaskBase::pass_on(CancelWalk& walk) {
  bool first = cancel_codes_ == 0;
  cancel_codes_ |= code_bit(cancel_->code());
  uint64_t polls = cancel_->cleanup().polls;
  budget_.polls = first ? polls : std::min(budget_.polls, polls);
  if (forced_) budget_.polls = Budget::kUnlimited;  // there is nothing more to take from it
  if (masks_ == 0 || (forced_ && !ASPEN_MUTANT("rt-mask-unbounded"))) deliver_cancel(walk);
}

void TaskBase::deliver_cancel(CancelWalk& walk) {
  if (executor_.observer != nullptr) executor_.observer->cancel_delivered(*this);
  if (!children_.empty()) {
    CancelPtr below = passed_down(cancel_, describe());
    for (Region* child = children_.front(); child != nullptr; child = children_.next(*child)) {
      walk.reach(*child, below, forced_);
    }
  }
  if (waiter_ != nullptr) waiter_->cancel();
}

void TaskBase::end_mask() {
  if (--masks_ == 0 && cancel_ && !forced_) CancelWalk::deliver(*this);
}

bool TaskBase::is_own_cancel(const Error& error) const {
  return (cancel_codes_ & code_bit(error.code)) != 0;
}

void TaskBase::out_of_polls() {
  if (cancel_) return cleanup_over();
  request_cancel({CancelKind::poll_quota, fmt::format("{}: it used up its polls", describe())});
}

void TaskBase::charge(uint64_t cost) {
  if (budget_.cost == Budget::kUnlimited || ASPEN_MUTANT("rt-cost-unlimited")) return;
  if (cost <= budget_.cost) {
    budget_.cost -= cost;
    return;
  }
  budget_.cost = 0;
  request_cancel({CancelKind::cost_budget, fmt::format("{}: it used up its cost budget", describe())});
}

std::string TaskBase::stuck() {
  if (phase_ == Phase::done) return "";
  std::string text =
      fmt::format("in {}, {}", region_.describe(), waiting() ? "waiting" : "running or closing a region");
  for (Region* child = children_.front(); child != nullptr; child = children_.next(*child)) {
    text += fmt::format("; its region: {}", child->pending());
  }
  return text;
}

}  // namespace aspen::rt

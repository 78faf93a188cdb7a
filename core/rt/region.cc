#include "core/rt/region.h"

#include <algorithm>

#include "core/base/mutant.h"
#include "core/rt/observer.h"

namespace aspen::rt {
namespace {

constexpr int kNamedMax = 8;       // of each kind, in pending()
constexpr int kNamedDepthMax = 4;  // levels, in pending()

CancelReason closing() {
  return {CancelKind::shutdown, "the region is closing"};
}

Budget own_budget(const RegionOptions& options, const Budget& above) {
  if (ASPEN_MUTANT("rt-child-outlives-deadline")) return options.budget;
  return meet(meet(options.budget, Budget{.deadline = options.deadline}), above);
}

}  // namespace

const char* to_string(RegionState state) {
  constexpr const char* kNames[] = {"open", "closing", "draining", "finalizing", "closed"};
  return kNames[static_cast<size_t>(state)];
}

Region::Region(Executor& executor, Region* parent, TaskBase* owner, const RegionOptions& options,
               const Budget& above)
    : CancelNode(executor, own_budget(options, above).deadline),
      parent_(parent),
      owner_(owner),
      name_(options.name),
      budget_(own_budget(options, above)),
      policy_(options.policy),
      broken_promise_(options.broken_promise),
      tasks_max_(options.tasks_max),
      children_max_(options.children_max),
      obligations_max_(options.obligations_max) {
  if (budget_.deadline < above.deadline) enforce_deadline();
  if (executor_.observer != nullptr) executor_.observer->region_opened(*this);
}

Region::Region(Executor& executor, RegionOptions options)
    : Region(executor, nullptr, nullptr, options, Budget{}) {}

Region::Region(Cx& parent, RegionOptions options)
    : Region(parent.executor(), &parent.region(), &parent.task_, options, parent.budget()) {
  join_parent(parent.task_.children_);
  if (parent.cancelled()) {
    bool forced = parent.task_.forced() && !ASPEN_MUTANT("rt-force-stops-at-tasks");
    inherit_cancel(passed_down(parent.task_.cancel_, parent.task_.describe()), forced);
  }
}

Region::Region(Region& parent, RegionOptions options)
    : Region(parent.executor_, &parent, nullptr, options, parent.budget_) {
  ASPEN_ASSERT(parent.state_ != State::closed);
  join_parent(parent.children_);
  if (parent.cancel_) {
    inherit_cancel(parent.reason_below(), parent.forced_ && !ASPEN_MUTANT("rt-force-stops-at-regions"));
  } else if (parent.too_late()) {
    request_cancel(closing());
  }
}

Region::~Region() {
  bool unused = state_ == State::open && task_count_ == 0 && refused_.empty() && obligation_count_ == 0 &&
                children_.empty() && finalizers_.empty();
  if (state_ != State::closed && !unused) {
    detail::die(fmt::format("{} is destroyed before it is closed: {}", describe(), pending()));
  }
  if (state_ == State::open) set_state(State::closed);
  leave_parent();
}

void Region::join_parent(List<Region, RegionTag>& siblings) {
  if (parent_->child_count_ >= parent_->children_max_ && !ASPEN_MUTANT("rt-region-takes-any-children")) {
    refused_self_ = std::make_unique<Error>(
        Code::OVERLOADED, fmt::format("{} has {} regions below it; at most {} (RegionOptions::children_max)",
                                      parent_->describe(), parent_->child_count_, parent_->children_max_));
  }
  siblings.push_back(*this);
  ++parent_->child_count_;
}

void Region::leave_parent() {
  if (!ListNode<RegionTag>::linked()) return;
  ListNode<RegionTag>::unlink();
  --parent_->child_count_;
  if (owner_ == nullptr) parent_->changed();
}

void Region::inherit_cancel(const CancelPtr& reason, bool forced) {
  CancelWalk::run(*this, reason, forced);
}

std::string Region::describe() const {
  return name_[0] == '\0' ? "a region" : fmt::format("region {}", name_);
}

void Region::set_state(State state) {
  State from = std::exchange(state_, state);
  if (executor_.observer != nullptr) executor_.observer->region_changed(*this, from);
}

// --- what comes in ---

std::optional<Error> Region::refusal() const {
  if (refused_self_) return *refused_self_;
  if (task_count_ < tasks_max_ || ASPEN_MUTANT("rt-region-takes-any-number")) return std::nullopt;
  return Error(Code::OVERLOADED, fmt::format("{} holds {} tasks; at most {} (RegionOptions::tasks_max)",
                                             describe(), task_count_, tasks_max_));
}

bool Region::too_late() const {
  if (ASPEN_MUTANT("rt-closing-admits")) return false;
  return state_ == State::closing || state_ == State::draining ||
         (state_ == State::finalizing && task_count_ == 0 && !ASPEN_MUTANT("rt-ledger-wait-admits"));
}

const CancelPtr& Region::reason_below() {
  if (!below_) below_ = passed_down(cancel_, describe());
  return below_;
}

void Region::admit(Ref<TaskBase> task) {
  ASPEN_ASSERT(state_ != State::closed);
  TaskBase& told = *task;
  std::optional<Error> refused = refusal();
  if (!refused) {
    bool late = too_late();
    adopt(std::move(task));
    if (late && !cancel_) told.request_cancel(closing());
    return;
  }
  told.refuse(std::move(*refused));
  told.self_ = std::move(task);
  refused_.push_back(told);
  if (executor_.observer != nullptr) executor_.observer->task_spawned(told);
  if (!ASPEN_MUTANT("rt-refused-spawn-lost")) executor_.schedule(told);
}

void Region::adopt(Ref<TaskBase> task) {
  TaskBase& adopted = *task;
  adopted.self_ = std::move(task);
  tasks_.push_back(adopted);
  ++task_count_;
  if (executor_.observer != nullptr) executor_.observer->task_spawned(adopted);
  bool forced = forced_ && !ASPEN_MUTANT("rt-force-misses-new-tasks");
  if (cancel_) CancelWalk::run(adopted, reason_below(), forced);
  adopted.schedule_start();
}

void Region::add_finalizer(Finalizer finalizer) {
  ASPEN_ASSERT(state_ != State::closed);
  finalizers_.push_back(std::move(finalizer));
}

// --- cancel ---

bool Region::accepts(const CancelReason& reason, bool forced) {
  if (state_ == State::closed) return false;
  if (state_ != State::finalizing) return true;
  if (forced) {
    bool cleans_up = task_count_ != 0 || !finalizers_.empty();
    if (cleans_up && !forced_) extend_cleanup(limits::kCleanupGrace);
    return true;
  }
  if (cleanup_bounded()) bound_cleanup(executor_.now() + reason.cleanup().duration);
  return false;
}

void Region::pass_on(CancelWalk& walk) {
  below_.reset();
  if (state_ == State::closing) set_state(State::draining);
  for (TaskBase* task = tasks_.front(); task != nullptr; task = tasks_.next(*task)) {
    walk.reach(*task, reason_below(), forced_);
  }
  if (ASPEN_MUTANT("rt-cancel-misses-regions")) return;
  for (Region* child = children_.front(); child != nullptr; child = children_.next(*child)) {
    walk.reach(*child, reason_below(), forced_);
  }
}

void Region::task_ended(TaskBase& task) {
  Severity severity = task.severity();
  if (policy_ != Policy::fail_fast || failure_ || state_ == State::finalizing) return;
  if (severity != Severity::err && severity != Severity::panicked) return;
  failure_ = task.error();
  if (ASPEN_MUTANT("rt-fail-fast-goes-on")) return;
  CancelReason exit{CancelKind::linked_exit, failure_->to_string(), task.describe(), executor_.now()};
  CancelReason reason{CancelKind::fail_fast, fmt::format("{} failed: {}", exit.origin, exit.message)};
  request_cancel(with_cause(std::move(reason), std::make_shared<CancelReason>(std::move(exit))));
}

std::string Region::stuck() {
  bool idle = task_count_ == 0 && refused_.empty() && children_.empty();
  return idle && (state_ != State::finalizing || obligations_.empty()) ? "" : pending();
}

// --- closing ---

void Region::close(std::move_only_function<void()> closed) {
  if (begin_close()) return closed();
  closers_.push_back(std::move(closed));
}

bool Region::begin_close() {
  if (state_ == State::open) {
    set_state(cancel_ ? State::draining : State::closing);
    advance();
  }
  return state_ == State::closed;
}

void Region::changed() {
  if (state_ != State::open && state_ != State::closed) executor_.schedule(*this);
}

void Region::advance() {
  if (state_ == State::open || state_ == State::closed) return;
  bool tasks_left = task_count_ != 0 && !ASPEN_MUTANT("rt-region-closes-over-task");
  bool regions_left = !children_.empty() && !ASPEN_MUTANT("rt-close-forgets-children");
  if (tasks_left || !refused_.empty() || regions_left) return;
  if (state_ != State::finalizing) begin_finalizing();
  if (!finalizers_.empty() && !ASPEN_MUTANT("rt-close-skips-finalizers")) return run_finalizers();
  if (!obligations_.empty() && !ASPEN_MUTANT("rt-close-forgets-ledger")) {
    if (!cleanup_bounded()) extend_cleanup(cleanup_.duration);
    return;
  }
  set_state(State::closed);
  stop_clock();
  Runnable::unlink();
  leave_parent();
  Executor& executor = executor_;
  auto closers = std::move(closers_);
  for (auto& closed : closers) executor.contained(closed);  // one of them may destroy this region
}

// Cleanup is no part of what was cancelled or timed out: it is masked and has time. But it is part of the
// cleanup of that cancel: what is left of its time is all there is, also when the tasks or the regions below
// took the rest. A request that came in above has its clock there, and the force comes from there.
void Region::begin_finalizing() {
  set_state(State::finalizing);
  bool asked = cancel_ && !ASPEN_MUTANT("rt-finalizers-forget-the-cancel");
  cleanup_ = asked ? cancel_->cleanup() : CancelReason{}.cleanup();
  TimeNs end = cleanup_end();
  stop_clock();
  due_ = kNever;
  budget_ = Budget{.priority = budget_.priority};
  if (!forced_ || ASPEN_MUTANT("rt-nested-cleanup-adds-up")) {
    cancel_.reset();
    below_.reset();
    forced_ = false;
  }
  if (finalizers_.empty()) return;
  extend_cleanup(forced_ ? limits::kCleanupGrace : cleanup_.duration);
  if (!ASPEN_MUTANT("rt-finalizers-start-anew")) bound_cleanup(end);
}

void Region::run_finalizers() {
  auto run = [this](Cx& cx) -> Task<Result<>> {
    Cx::Mask mask(cx);
    while (!finalizers_.empty()) {  // one that panics ends this task; advance() starts another for the rest
      bool in_order = ASPEN_MUTANT("rt-finalizers-in-order");
      auto next = in_order ? finalizers_.begin() : finalizers_.end() - 1;
      Finalizer finalizer = std::move(*next);
      finalizers_.erase(next);
      co_await finalizer(cx);
    }
    co_return Result<>();
  };
  bool endless = ASPEN_MUTANT("rt-finalizers-polls-unlimited");
  Budget budget{.polls = endless ? Budget::kUnlimited : cleanup_.polls, .priority = budget_.priority};
  adopt(Ref<TaskBase>(
      new detail::SpawnedTask<void, decltype(run)>(*this, "finalizers", budget, std::move(run))));
}

void Region::cleanup_over() {
  bool only_ledger = state_ == State::finalizing && task_count_ == 0 && finalizers_.empty();
  if (only_ledger) return report_hold_up();
  if (state_ != State::finalizing || forced_) return CancelNode::cleanup_over();
  CancelReason late{
      CancelKind::timeout,
      fmt::format("{}: its finalizers had not ended when the time of its cleanup was over", describe()),
      describe(), executor_.now()};
  CancelWalk::run(*this, std::make_shared<CancelReason>(std::move(late)), true);
}

// Whoever holds these will not run, or not because of this region.
void Region::report_hold_up() {
  if (ASPEN_MUTANT("rt-hold-up-unnoticed")) return;
  // An observer changes nothing, so these stay until they are ended here.
  std::vector<Obligation*> held;
  for (Obligation* it = obligations_.front(); it != nullptr; it = obligations_.next(*it)) held.push_back(it);
  for (Obligation* it : held) {
    std::string text = fmt::format("{} holds up the close of {}", it->to_string(), describe());
    executor_.contained([&] { it->report(text); });
    if (broken_promise_ == BrokenPromise::recover && !ASPEN_MUTANT("rt-hold-up-not-recovered")) {
      it->end(Obligation::State::gone);
    }
  }
}

// --- for people ---

std::string Region::pending() {
  return pending(0);
}

std::string Region::pending(int depth) {
  std::string text = fmt::format("{} tasks, {} obligations", task_count_, obligation_count_);
  if (depth == kNamedDepthMax) return text;
  int named = 0;
  for (TaskBase* task = tasks_.front(); task != nullptr && ++named <= kNamedMax; task = tasks_.next(*task)) {
    text += fmt::format(", {}", task->describe());
    if (Region* below = task->children_.front())
      text += fmt::format(" (its region: {})", below->pending(depth + 1));
  }
  named = 0;
  for (Obligation* it = obligations_.front(); it != nullptr && ++named <= kNamedMax;
       it = obligations_.next(*it)) {
    text += fmt::format(", {} from {}:{}", it->name(), it->origin().file_name(), it->origin().line());
  }
  named = 0;
  for (Region* child = children_.front(); child != nullptr && ++named <= kNamedMax;
       child = children_.next(*child)) {
    text += fmt::format(", {} ({})", child->describe(), child->pending(depth + 1));
  }
  return text;
}

}  // namespace aspen::rt

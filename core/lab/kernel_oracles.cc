#include "core/lab/kernel_oracles.h"

#include <algorithm>

namespace aspen::lab {
namespace {

using rt::CancelNode;
using rt::CancelReason;
using rt::Obligation;
using rt::Region;
using rt::RegionState;
using rt::TaskBase;

constexpr DurationNs kLookPeriod = kSecond;

std::string name_of(const CancelNode& node) {
  return fmt::format("{} ({})", node.describe(), node.id());
}

// Cancels stop here: what still runs in it cleans up.
bool finalizes(const Region& region) {
  return region.state() >= RegionState::finalizing;
}

}  // namespace

KernelOracles::KernelOracles(rt::Executor& executor, Report report)
    : executor_(executor), report_(std::move(report)), looked_at_(executor.now()) {
  ASPEN_ASSERT(executor.observer == nullptr);
  executor.observer = this;
}

KernelOracles::~KernelOracles() {
  stop();
}

void KernelOracles::stop() {
  watching_ = false;
  if (executor_.observer == this) executor_.observer = nullptr;
}

void KernelOracles::violate(std::string_view oracle, std::string text) {
  if (!watching_) return;
  watching_ = false;
  report_(oracle, std::move(text));
}

// --- tasks ---

void KernelOracles::task_spawned(const TaskBase& task) {
  if (!watching_) return;
  last_id_ = task.id();
  RegionFacts* facts = regions_.find(task.region().id());
  if (facts == nullptr) {
    return violate("quiescence",
                   fmt::format("{} begins in {}, which is closed", name_of(task), name_of(task.region())));
  }
  if (task.deadline() > task.region().deadline()) {
    violate("deadline-monotone", fmt::format("{} has the deadline {} in {}, which has {}", name_of(task),
                                             task.deadline(), name_of(task.region()), facts->deadline));
  }
  ++facts->tasks;
  if (facts->state == RegionState::finalizing) facts->finalizers_due = false;
  if (task.region().cancel_reason() != nullptr) cancels_ = true;
  if (!tasks_.add(task.id(), {&task, task.deadline()})) {
    violate("quiescence", fmt::format("{} begins twice", name_of(task)));
  }
}

void KernelOracles::task_ended(const TaskBase& task) {
  if (!watching_) return;
  TaskFacts* facts = tasks_.find(task.id());
  if (facts == nullptr) {
    return violate("quiescence", fmt::format("{} ends, and it had not begun or has ended", name_of(task)));
  }
  check_deadline(task, facts->deadline);
  auto asked = asked_.find(task.id());
  if (asked != asked_.end()) {
    if (!asked->second.heard) {
      violate("cancel-protocol", fmt::format("{} ends and has not heard that it is cancelled: {}",
                                             name_of(task), asked->second.reason.to_string()));
    }
    asked_.erase(asked);
  }
  std::erase_if(losers_, [&](const Loser& loser) { return loser.task == task.id(); });
  for (const Loser& loser : losers_) {
    if (loser.asked_by != task.id()) continue;
    violate("loser-drain", fmt::format("{} ends before {}, which lost a race it decided", name_of(task),
                                       name_of(*tasks_.find(loser.task)->task)));
  }
  holders_.erase(task.id());
  tasks_.remove(task.id());
  if (RegionFacts* region = regions_.find(task.region().id())) --region->tasks;
}

// --- cancel ---

void KernelOracles::cancel_requested(const CancelNode& node, const CancelReason& reason) {
  if (!watching_) return;
  if (tasks_.find(node.id()) == nullptr && regions_.find(node.id()) == nullptr) {
    return violate("cancel-protocol",
                   fmt::format("{} is asked to stop after its end: {}", name_of(node), reason.to_string()));
  }
  cancels_ = true;
  check_strengthens(node, reason);
  Asked& asked = asked_[node.id()];
  asked.reason = reason;
  asked.forced = node.forced();
  asked.heard = false;
  lose(node, reason);
}

void KernelOracles::check_strengthens(const CancelNode& node, const CancelReason& reason) {
  auto found = asked_.find(node.id());
  if (found == asked_.end()) return;
  const Asked& before = found->second;
  auto order = rt::compare(reason, before.reason);
  bool newly_forced = node.forced() && !before.forced;
  if (order > 0 || (order == 0 && newly_forced)) return;
  violate("cancel-protocol", fmt::format("{} is asked again, and not stronger: {}; before: {}", name_of(node),
                                         reason.to_string(), before.reason.to_string()));
}

void KernelOracles::lose(const CancelNode& node, const CancelReason& reason) {
  const TaskBase* by = executor_.current_task;
  if (reason.root().kind != rt::CancelKind::race_lost || tasks_.find(node.id()) == nullptr) return;
  if (by != nullptr && by->id() != node.id()) losers_.push_back({node.id(), by->id()});
}

void KernelOracles::cancel_delivered(const TaskBase& task) {
  if (!watching_) return;
  if (tasks_.find(task.id()) == nullptr) {
    return violate("cancel-protocol", fmt::format("{} hears of a cancel after its end", name_of(task)));
  }
  auto asked = asked_.find(task.id());
  if (asked == asked_.end()) {
    return violate("cancel-protocol", fmt::format("{} hears of a cancel nobody asked for", name_of(task)));
  }
  asked->second.heard = true;
  asked->second.heard_up_to = last_id_;
}

// --- regions ---

void KernelOracles::region_opened(const Region& region) {
  if (!watching_) return;
  last_id_ = region.id();
  if (region.parent() != nullptr) {
    RegionFacts* parent = regions_.find(region.parent()->id());
    if (parent == nullptr) {
      return violate("region-tree", fmt::format("{} opens below {}, which is closed", name_of(region),
                                                name_of(*region.parent())));
    }
    ++parent->children;
    if (region.parent()->cancel_reason() != nullptr) cancels_ = true;
    const CancelNode& above =
        region.owner() != nullptr ? static_cast<const CancelNode&>(*region.owner()) : *region.parent();
    if (region.deadline() > above.deadline()) {
      violate("deadline-monotone",
              fmt::format("{} has the deadline {} below {}, which has {}", name_of(region), region.deadline(),
                          name_of(above), above.deadline()));
    }
  }
  regions_.add(region.id(), {&region, region.deadline()});
}

void KernelOracles::region_changed(const Region& region, RegionState from) {
  if (!watching_) return;
  RegionFacts* facts = regions_.find(region.id());
  if (facts == nullptr || from != facts->state || region.state() <= from) {
    return violate("region-tree", fmt::format("{} goes from {} to {}, and it was {}", name_of(region),
                                              rt::to_string(from), rt::to_string(region.state()),
                                              facts == nullptr ? "closed" : rt::to_string(facts->state)));
  }
  facts->state = region.state();
  if (from < RegionState::finalizing) check_deadline(region, facts->deadline);
  if (facts->state < RegionState::finalizing) return;
  check_alone(*facts);
  if (facts->state == RegionState::finalizing) {
    facts->finalizers_due = region.finalizer_count() > 0;
    asked_.erase(region.id());
    return;
  }
  check_closed(*facts);
  asked_.erase(region.id());
  regions_.remove(region.id());
  if (region.parent() == nullptr) return;
  if (RegionFacts* parent = regions_.find(region.parent()->id())) --parent->children;
}

void KernelOracles::check_alone(const RegionFacts& facts) {
  const Region& region = *facts.region;
  const char* state = rt::to_string(facts.state);
  for (const auto& [id, task] : tasks_) {
    if (facts.tasks == 0) break;
    if (&task.task->region() != &region) continue;
    bool lost = std::ranges::any_of(losers_, [id](const Loser& loser) { return loser.task == id; });
    violate(lost ? "loser-drain" : "task-leak",
            fmt::format("{} is {} while {} runs in it", name_of(region), state, name_of(*task.task)));
  }
  for (const auto& [id, child] : regions_) {
    if (facts.children == 0) break;
    if (child.region->parent() != &region) continue;
    violate("region-tree", fmt::format("{} is {} while {} below it is {}", name_of(region), state,
                                       name_of(*child.region), rt::to_string(child.state)));
  }
}

void KernelOracles::check_closed(const RegionFacts& facts) {
  const Region& region = *facts.region;
  for (const auto& [id, promise] : promises_) {
    if (facts.obligations == 0) break;
    if (promise.region != region.id()) continue;
    violate("obligation-leak", fmt::format("{} is closed over {}", name_of(region), origin_of(promise)));
  }
  if (facts.finalizers_due || region.finalizer_count() > 0) {
    violate("quiescence", fmt::format("{} is closed and its finalizers have not run", name_of(region)));
  }
  if (region.task_count() + region.child_count() + region.obligation_count() > 0) {
    violate("quiescence",
            fmt::format("{} is closed with {} tasks, {} regions and {} obligations", name_of(region),
                        region.task_count(), region.child_count(), region.obligation_count()));
  }
}

void KernelOracles::check_deadline(const CancelNode& node, TimeNs before) {
  if (node.deadline() == before) return;
  violate("deadline-monotone",
          fmt::format("the deadline of {} was {} and is {}", name_of(node), before, node.deadline()));
}

// --- obligations ---

void KernelOracles::obligation_made(const Obligation& obligation) {
  if (!watching_) return;
  last_id_ = obligation.id();
  RegionFacts* region = regions_.find(obligation.region()->id());
  if (region == nullptr) {
    return violate("quiescence", fmt::format("{} in {}, which is closed", obligation.to_string(),
                                             name_of(*obligation.region())));
  }
  ++region->obligations;
  bool may_be_kept = obligation.kind() == rt::ObligationKind::lease;
  uint64_t holder = may_be_kept ? 0 : obligation.made_by();
  promises_.add(obligation.id(), {obligation.name(), obligation.origin(), obligation.region()->id(), holder});
  if (tasks_.find(holder) != nullptr) ++holders_[holder].promises;
}

void KernelOracles::obligation_ended(const Obligation& obligation) {
  if (!watching_) return;
  Promise* promise = promises_.find(obligation.id());
  if (promise == nullptr) {
    return violate("obligation-leak", fmt::format("{} ends twice", obligation.to_string()));
  }
  auto holder = holders_.find(promise->holder);
  if (holder != holders_.end() && --holder->second.promises == 0) holders_.erase(holder);
  if (RegionFacts* region = regions_.find(promise->region)) --region->obligations;
  promises_.remove(obligation.id());
}

void KernelOracles::promise_broken(const Obligation&, const std::string& text) {
  violate("obligation-leak", text);
}

std::string KernelOracles::origin_of(const Promise& promise) {
  return fmt::format("{}, made at {}:{}", promise.name, promise.origin.file_name(), promise.origin.line());
}

// --- between turns and at the end ---

void KernelOracles::after_turn() {
  if (!watching_) return;
  if (std::exchange(cancels_, false)) check_reach();
  if (!holders_.empty()) look_at_holders();
}

void KernelOracles::check_reach() {
  for (const auto& [id, facts] : tasks_) {
    const TaskBase& task = *facts.task;
    if (!task.body_over()) check_reached(task, task.region().cancel_reason(), task.region());
  }
  for (const auto& [id, facts] : regions_) {
    const Region& region = *facts.region;
    if (region.parent() == nullptr || finalizes(region)) continue;
    if (region.owner() == nullptr) {
      check_reached(region, region.parent()->cancel_reason(), *region.parent());
      continue;
    }
    // What a task opens inside a mask hears at its end.
    auto owner = asked_.find(region.owner()->id());
    if (owner == asked_.end() || id > owner->second.heard_up_to) continue;
    if (owner->second.heard) check_reached(region, &owner->second.reason, *region.owner());
  }
}

void KernelOracles::check_reached(const CancelNode& node, const CancelReason* above, const CancelNode& from) {
  if (above == nullptr) return;
  const CancelReason* reason = node.cancel_reason();
  if (reason != nullptr && rt::compare(reason->root(), above->root()) >= 0) return;
  violate("cancel-protocol",
          fmt::format("{} is cancelled ({}), and {} below it {}", name_of(from), above->to_string(),
                      name_of(node), reason == nullptr ? "is not" : "only: " + reason->to_string()));
}

void KernelOracles::look_at_holders() {
  // Time in which the host stood still has not passed for the task.
  DurationNs passed = executor_.now() - looked_at_;
  if (passed < kLookPeriod) return;
  looked_at_ = executor_.now();
  for (auto& [id, holder] : holders_) {
    const TaskBase& task = *tasks_.find(id)->task;
    bool opened = std::ranges::any_of(
        regions_, [&](const auto& entry) { return entry.second.region->owner() == &task; });
    bool blocked = task.waiting() && !task.waits_for_timer() && task.deadline() == kNever && !opened;
    bool moved = std::exchange(holder.resumes, task.resumes()) != task.resumes();
    holder.idle = blocked && !moved ? holder.idle + std::min(passed, 2 * kLookPeriod) : 0;
    if (holder.idle < kFuturelockAfter) continue;
    auto promise =
        std::ranges::find_if(promises_, [id](const auto& entry) { return entry.second.holder == id; });
    violate("futurelock",
            fmt::format("{} in {} holds {} and has waited for {} s, with nothing to end it", name_of(task),
                        name_of(task.region()), origin_of(promise->second), holder.idle / kSecond));
  }
}

void KernelOracles::ended() {
  if (!watching_) return;
  after_turn();
  for (const auto& [id, facts] : tasks_) {
    violate("task-leak",
            fmt::format("{} in {} is left at the end", name_of(*facts.task), name_of(facts.task->region())));
  }
  for (const auto& [id, promise] : promises_) {
    violate("obligation-leak", fmt::format("{} is left at the end", origin_of(promise)));
  }
  for (const auto& [id, facts] : regions_) {
    bool unused = facts.state == RegionState::open && facts.region->finalizer_count() == 0;
    if (unused) continue;
    violate("quiescence",
            fmt::format("{} is {} at the end", name_of(*facts.region), rt::to_string(facts.state)));
  }
}

}  // namespace aspen::lab

#include "core/rt/cancel_node.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/rt/observer.h"

namespace aspen::rt {
namespace {

thread_local CancelWalk* current_walk = nullptr;

struct Walking {
  explicit Walking(CancelWalk& walk) { current_walk = &walk; }
  ~Walking() { current_walk = nullptr; }
};

TimeNs later(TimeNs now, DurationNs duration) {
  return duration > kNever - now ? kNever : now + duration;
}

}  // namespace

void CancelWalk::run(CancelNode& node, CancelPtr reason, bool forced) {
  if (current_walk != nullptr) return current_walk->reach(node, std::move(reason), forced);
  CancelWalk walk;
  walk.reach(node, std::move(reason), forced);
  walk.go();
}

void CancelWalk::deliver(CancelNode& node) {
  CancelWalk walk;
  node.pass_on(walk);
  walk.go();
}

void CancelWalk::go() {
  Walking walking(*this);
  for (size_t i = 0; i < steps_.size(); ++i) {
    auto [node, reason, forced] = std::move(steps_[i]);
    if (!node->accepts(*reason, forced)) continue;
    CancelPtr merged = merge(node->cancel_, reason);
    bool stronger = merged != node->cancel_;
    bool newly_forced = forced && !node->forced_;
    if (!stronger && !newly_forced) continue;
    node->cancel_ = std::move(merged);
    node->forced_ = node->forced_ || forced;
    if (Observer* observer = node->executor_.observer) observer->cancel_requested(*node, *node->cancel_);
    node->pass_on(*this);
  }
}

void CancelNode::request_cancel(const CancelReason& reason) {
  auto stamped = std::make_shared<CancelReason>(reason);
  if (stamped->time == kNever) stamped->time = executor_.now();
  if (stamped->origin.empty()) stamped->origin = describe();
  if (!accepts(*stamped, false)) return;
  TimeNs end = later(executor_.now(), stamped->cleanup().duration);
  bool stronger = !cancel_ || compare(*stamped, *cancel_) > 0;
  CancelWalk::run(*this, std::move(stamped), false);
  if (stronger || ASPEN_MUTANT("rt-weaker-cancel-bounds")) bound_cleanup(end);
}

void CancelNode::force() {
  CancelPtr reason = cancel_;
  if (reason) CancelWalk::run(*this, std::move(reason), true);
}

void CancelNode::enforce_deadline() {
  if (due_ == kNever) return;
  clock().deadline = due_;
  arm_clock();
}

void CancelNode::bound_cleanup(TimeNs end) {
  if (forced_ || ASPEN_MUTANT("rt-cleanup-unbounded")) return;
  if (ASPEN_MUTANT("rt-deadline-unbounds-cleanup") && clock_ && clock_->deadline != kNever) return;
  bool extend = ASPEN_MUTANT("rt-later-cancel-extends");
  clock().cleanup_end = extend ? end : std::min(clock().cleanup_end, end);
  arm_clock();
}

void CancelNode::extend_cleanup(DurationNs duration) {
  clock().cleanup_end = later(executor_.now(), duration);
  arm_clock();
}

CancelNode::Clock& CancelNode::clock() {
  if (!clock_) clock_ = std::make_unique<Clock>(*this);
  return *clock_;
}

void CancelNode::arm_clock() {
  clock_->timer.arm(std::min(clock_->deadline, clock_->cleanup_end));
}

void CancelNode::tick() {
  TimeNs now = executor_.now();
  if (clock_->deadline <= now) {
    clock_->deadline = kNever;
    request_cancel({CancelKind::deadline, fmt::format("{}: the deadline passed", describe())});
  }
  if (clock_->cleanup_end <= now) {
    clock_->cleanup_end = kNever;
    cleanup_over();
  }
  if (clock_) arm_clock();
}

void CancelNode::cleanup_over() {
  if (!forced_) {
    force();
    if (ASPEN_MUTANT("rt-stuck-unnoticed")) return;
    return extend_cleanup(limits::kCleanupGrace);
  }
  std::string left = stuck();
  if (left.empty()) return;
  std::string text = fmt::format("{} is stuck, cancelled ({}): {}", describe(),
                                 cancel_ ? cancel_->to_string() : "no reason", left);
  log(LogLevel::error, "{}", text);
  if (executor_.observer != nullptr) executor_.observer->stuck(text);
  if (executor_.on_stuck) executor_.on_stuck(text);
}

}  // namespace aspen::rt

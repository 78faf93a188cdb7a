#include "core/rt/cancel.h"

#include "core/base/limits.h"
#include "core/base/mutant.h"

namespace aspen::rt {
namespace {

struct KindRow {
  const char* name;
  CancelSeverity severity;
  Code code;
};

// In the order of CancelKind. A parent_cancelled stands for its root, and is like a user's request without.
constexpr KindRow kKinds[] = {
    {"user", CancelSeverity::request, Code::CANCELLED},
    {"race_lost", CancelSeverity::request, Code::CANCELLED},
    {"linked_exit", CancelSeverity::request, Code::CANCELLED},
    {"timeout", CancelSeverity::overdue, Code::DEADLINE_EXCEEDED},
    {"deadline", CancelSeverity::overdue, Code::DEADLINE_EXCEEDED},
    {"poll_quota", CancelSeverity::overdue, Code::CANCELLED},
    {"cost_budget", CancelSeverity::overdue, Code::CANCELLED},
    {"fail_fast", CancelSeverity::failure, Code::CANCELLED},
    {"resource_unavailable", CancelSeverity::failure, Code::CANCELLED},
    {"shutdown", CancelSeverity::shutdown, Code::SHUTDOWN},
    {"parent_cancelled", CancelSeverity::request, Code::CANCELLED},
};

const KindRow& row(CancelKind kind) {
  return kKinds[static_cast<size_t>(kind)];
}

std::strong_ordering compare_one(const CancelReason& a, const CancelReason& b) {
  if (a.kind != b.kind && row(a.kind).severity != row(b.kind).severity) {
    return row(a.kind).severity <=> row(b.kind).severity;
  }
  if (a.time != b.time) return b.time <=> a.time;  // the earlier stands
  if (a.origin != b.origin) return b.origin <=> a.origin;
  if (a.kind != b.kind) return b.kind <=> a.kind;
  return b.message <=> a.message;
}

size_t length(const CancelReason* reason) {
  size_t links = 0;
  for (; reason != nullptr; reason = reason->cause.get()) ++links;
  return links;
}

// The first `links` reasons of a chain.
CancelPtr first_links(const CancelReason& reason, size_t links) {
  auto copy = std::make_shared<CancelReason>(reason);
  copy->cause = links > 1 && reason.cause ? first_links(*reason.cause, links - 1) : nullptr;
  return copy;
}

}  // namespace

const char* to_string(CancelKind kind) {
  return row(kind).name;
}

const CancelReason& CancelReason::root() const {
  const CancelReason* reason = this;
  while (reason->kind == CancelKind::parent_cancelled && reason->cause) reason = reason->cause.get();
  return *reason;
}

Code CancelReason::code() const {
  return row(root().kind).code;
}

Error CancelReason::to_error() const {
  return Error(code(), root().message);
}

CancelSeverity CancelReason::severity() const {
  return row(root().kind).severity;
}

CleanupBudget CancelReason::cleanup() const {
  switch (severity()) {
    case CancelSeverity::request:
      return {limits::kCleanupRequestTime, limits::kCleanupPolls};
    case CancelSeverity::overdue:
    case CancelSeverity::failure:
      return {limits::kCleanupFailureTime, limits::kCleanupPolls};
    case CancelSeverity::shutdown:
      break;
  }
  return {limits::kCleanupShutdownTime, limits::kCleanupPolls};
}

std::string CancelReason::to_string() const {
  std::string text;
  for (const CancelReason* reason = this; reason != nullptr; reason = reason->cause.get()) {
    text += fmt::format("{}{} from {}: {}", text.empty() ? "" : "; caused by ", rt::to_string(reason->kind),
                        reason->origin.empty() ? "nowhere" : reason->origin, reason->message);
  }
  return text;
}

CancelReason with_cause(CancelReason effect, CancelPtr cause) {
  if (cause && length(cause.get()) >= limits::kCancelCausesMax && !ASPEN_MUTANT("rt-endless-causes")) {
    cause = first_links(*cause, limits::kCancelCausesMax - 1);
  }
  effect.cause = std::move(cause);
  return effect;
}

CancelPtr passed_down(const CancelPtr& reason, std::string origin) {
  if (!reason || reason->kind == CancelKind::parent_cancelled) return reason;
  CancelReason below{CancelKind::parent_cancelled, reason->message, std::move(origin), reason->time};
  return std::make_shared<CancelReason>(with_cause(std::move(below), reason));
}

// The roots first, so that what is stronger at a region is also stronger everywhere below it.
std::strong_ordering compare(const CancelReason& a, const CancelReason& b) {
  if (auto order = compare_one(a.root(), b.root()); order != 0) return order;
  const CancelReason* left = &a;
  const CancelReason* right = &b;
  for (; left != nullptr && right != nullptr; left = left->cause.get(), right = right->cause.get()) {
    if (left == right) return std::strong_ordering::equal;
    if (auto order = compare_one(*left, *right); order != 0) return order;
  }
  return (left != nullptr) <=> (right != nullptr);
}

CancelPtr merge(const CancelPtr& a, const CancelPtr& b) {
  if (!a || !b) return a ? a : b;
  if (ASPEN_MUTANT("rt-last-cancel-stands")) return b;
  return compare(*b, *a) > 0 ? b : a;
}

}  // namespace aspen::rt

// Why a cancel was requested, and how two requests become one.
//
// A task can be asked to stop by several sides at once: its caller, a deadline, a sibling that failed, the
// node that closes. The strongest reason stands, and all of them are ordered: by severity, then the earlier,
// then by origin, kind, message and causes. The order is total, so the outcome does not depend on who asked
// first, nor on how requests were merged on the way (merge is commutative, associative and idempotent).
//
// What is below whatever was cancelled gets the reason as the cause of a `parent_cancelled`. That counts in
// every respect as its root: work in an expired deadline says DEADLINE_EXCEEDED however deep it is.
#pragma once

#include <compare>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/base/time.h"

namespace aspen::rt {

enum class CancelKind : uint8_t {
  user,       // someone asked
  race_lost,  // another was faster
  linked_exit,
  timeout,
  deadline,
  poll_quota,
  cost_budget,
  fail_fast,  // a sibling failed
  resource_unavailable,
  shutdown,
  parent_cancelled,  // see the cause
};
const char* to_string(CancelKind kind);

// How much it matters that the work stops.
enum class CancelSeverity : uint8_t { request, overdue, failure, shutdown };

// What cleanup may take after a request: time from the request on, and resumes of each task. Stronger
// reasons give less.
struct CleanupBudget {
  DurationNs duration;
  uint64_t polls;
};

struct CancelReason;
// Shared by everything a request reaches.
using CancelPtr = std::shared_ptr<const CancelReason>;

struct CancelReason {
  CancelKind kind = CancelKind::user;
  std::string message = {};
  std::string origin = {};  // "task x" or "region y"; empty: where it is requested
  TimeNs time = kNever;     // kNever: when it is requested
  CancelPtr cause = {};     // see with_cause()

  // What a checkpoint returns: CANCELLED, DEADLINE_EXCEEDED or SHUTDOWN.
  Error to_error() const;
  Code code() const;
  CancelSeverity severity() const;
  CleanupBudget cleanup() const;
  // This, or what is behind a parent_cancelled.
  const CancelReason& root() const;
  // "deadline from task x: the message; caused by ...", for logs.
  std::string to_string() const;
};

// `effect` because of `cause`. The chain keeps limits::kCancelCausesMax reasons; what lies further back is
// dropped.
CancelReason with_cause(CancelReason effect, CancelPtr cause);

// What those below `origin` are told when `reason` stands there.
CancelPtr passed_down(const CancelPtr& reason, std::string origin);

// Greater is stronger.
std::strong_ordering compare(const CancelReason& a, const CancelReason& b);

// The stronger of the two, either of which may be null.
CancelPtr merge(const CancelPtr& a, const CancelPtr& b);

}  // namespace aspen::rt

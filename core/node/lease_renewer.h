// Renews leases for who asked this node to keep them, until they are dropped or gone (renewal_plan.h).
//
// Who keeps a lease waits for its end: a task each, several of one lease share its renewals. A cluster that
// cannot be reached is asked on and on: only the leader says that a lease is gone.
//
// Thread safety: none; the engine thread.
#pragma once

#include "core/node/renewal_plan.h"
#include "core/node/router.h"

namespace aspen::node {

class LeaseRenewer {
 public:
  static constexpr size_t kKeepsMax = 10'000;  // at a time

  // The router outlives it.
  LeaseRenewer(rt::Executor& executor, Router& router)
      : router_(router), timer_(executor, [this] { wake_.set(); }) {}

  // Ends well when the lease was dropped. Errors: NOT_FOUND when it is gone; OVERLOADED; those of
  // Router::call that asking again does not mend.
  rt::Task<Result<>> keep(rt::Cx& cx, kv::LeaseId id);
  void drop(kv::LeaseId id) { end(id, {}); }
  // Until cancelled.
  rt::Task<Result<>> run(rt::Cx& cx);

 private:
  using Ended = rt::Oneshot<Result<>>;
  void end(kv::LeaseId id, const Result<>& how);

  Router& router_;
  RenewalPlan plan_;
  std::multimap<kv::LeaseId, Ended*> keeping_;
  rt::Event wake_;  // something may be due
  rt::Timer timer_;
};

}  // namespace aspen::node

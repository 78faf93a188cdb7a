// Which leases are to be renewed when: each a third of its time after it was, so that two renewals may be
// lost.
//
// All of a node's leases go together as far as they can: when one is due, those that are halfway to it are
// taken as well, so that leases of one length end up in one request.
//
//   plan.add(id, now);                               // due at once: its length is not known
//   auto ids = plan.take_due(now, max);              // ask the leader, then:
//   for (LeaseId gone : plan.renewed(ids, ttls, asked_at)) ...
//
// Invariants: a lease is asked for once at a time. Thread safety: none; owned by the engine thread.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "core/base/time.h"
#include "core/kv/types.h"

namespace aspen::node {

class RenewalPlan {
 public:
  // Of one that is there already: nothing.
  void add(kv::LeaseId id, TimeNs now);
  void drop(kv::LeaseId id);
  size_t size() const { return leases_.size(); }

  // kNever when nothing is.
  TimeNs next_due() const;
  // By ascending id. Each is then being asked for.
  std::vector<kv::LeaseId> take_due(TimeNs now, size_t max);
  // The answer to the request that was made at `asked`. Says which leases there are no more, and forgets
  // them.
  std::vector<kv::LeaseId> renewed(const std::vector<kv::LeaseId>& ids, const std::vector<DurationNs>& ttls,
                                   TimeNs asked);

 private:
  struct Lease {
    TimeNs halfway = 0;
    TimeNs due = 0;  // kNever while it is being asked for
  };
  void schedule(kv::LeaseId id, Lease& lease, TimeNs halfway, TimeNs due);

  std::map<kv::LeaseId, Lease> leases_;
  std::set<std::pair<TimeNs, kv::LeaseId>> by_due_;  // those that are not being asked for
};

}  // namespace aspen::node

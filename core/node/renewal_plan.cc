#include "core/node/renewal_plan.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mutant.h"

namespace aspen::node {

void RenewalPlan::schedule(kv::LeaseId id, Lease& lease, TimeNs halfway, TimeNs due) {
  by_due_.erase({lease.due, id});
  lease = {halfway, due};
  if (due != kNever) by_due_.emplace(due, id);
}

void RenewalPlan::add(kv::LeaseId id, TimeNs now) {
  auto [found, added] = leases_.try_emplace(id);
  if (added) schedule(id, found->second, now, now);
}

void RenewalPlan::drop(kv::LeaseId id) {
  auto found = leases_.find(id);
  if (found == leases_.end()) return;
  by_due_.erase({found->second.due, id});
  leases_.erase(found);
}

TimeNs RenewalPlan::next_due() const {
  return by_due_.empty() ? kNever : by_due_.begin()->first;
}

std::vector<kv::LeaseId> RenewalPlan::take_due(TimeNs now, size_t max) {
  std::vector<kv::LeaseId> ids;
  while (ids.size() < max && next_due() <= now) {
    kv::LeaseId id = by_due_.begin()->second;
    schedule(id, leases_.at(id), kNever, kNever);
    ids.push_back(id);
  }
  if (ids.empty()) return ids;
  for (auto& [id, lease] : leases_) {
    if (ids.size() >= max || ASPEN_MUTANT("node-lease-renewed-alone")) break;
    if (lease.halfway > now) continue;
    schedule(id, lease, kNever, kNever);
    ids.push_back(id);
  }
  std::ranges::sort(ids);
  return ids;
}

// What was dropped meanwhile is not there, and what was dropped and added is due already.
std::vector<kv::LeaseId> RenewalPlan::renewed(const std::vector<kv::LeaseId>& ids,
                                              const std::vector<DurationNs>& ttls, TimeNs asked) {
  ASPEN_ASSERT(ids.size() == ttls.size());
  std::vector<kv::LeaseId> gone;
  for (size_t i = 0; i < ids.size(); ++i) {
    auto found = leases_.find(ids[i]);
    if (found == leases_.end() || found->second.due != kNever) continue;
    if (ttls[i] == 0) {
      gone.push_back(ids[i]);
      leases_.erase(found);
      continue;
    }
    DurationNs third = ASPEN_MUTANT("node-lease-renewed-late") ? ttls[i] : ttls[i] / 3;
    schedule(ids[i], found->second, asked + third / 2, asked + third);
  }
  return gone;
}

}  // namespace aspen::node

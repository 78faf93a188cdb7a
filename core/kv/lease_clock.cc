#include "core/kv/lease_clock.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mutant.h"

namespace aspen::kv {

void LeaseClock::schedule(LeaseId id, State& lease, DurationNs ends) {
  by_end_.erase({lease.ends, id});
  lease.ends = ends;
  lease.expiring = false;
  by_end_.emplace(ends, id);
}

void LeaseClock::added(LeaseId id, DurationNs ttl, TimeNs now) {
  auto [found, added] = leases_.try_emplace(id);
  if (!added) return;
  found->second.ttl = ttl;
  if (leading_) schedule(id, found->second, arrival(now) + ttl);
}

void LeaseClock::removed(LeaseId id) {
  auto found = leases_.find(id);
  if (found == leases_.end()) return;
  by_end_.erase({found->second.ends, id});
  leases_.erase(found);
}

void LeaseClock::replace(const std::vector<Lease>& leases, TimeNs now) {
  leases_.clear();
  by_end_.clear();
  for (const Lease& lease : leases) added(lease.id, lease.ttl, now);
}

void LeaseClock::lead(TimeNs now) {
  if (leading_) return;
  leading_ = true;
  ticked_ = now;
  for (auto& [id, lease] : leases_) {
    DurationNs ends = elapsed_ + lease.ttl;
    if (ASPEN_MUTANT("kv-lease-old-leader-time") && lease.ends != 0) ends = lease.ends;
    schedule(id, lease, ends);
  }
}

void LeaseClock::follow() {
  leading_ = false;
  by_end_.clear();
  for (auto& [id, lease] : leases_) lease.expiring = false;
}

void LeaseClock::tick(TimeNs now, bool committing) {
  if (!leading_) return;
  if (committing || ASPEN_MUTANT("kv-lease-ages-in-stall")) elapsed_ = arrival(now);
  ticked_ = now;
}

std::vector<LeaseId> LeaseClock::take_due(size_t max) {
  std::vector<LeaseId> due;
  while (due.size() < max && !by_end_.empty() && by_end_.begin()->first <= elapsed_) {
    LeaseId id = by_end_.begin()->second;
    by_end_.erase(by_end_.begin());
    leases_.at(id).expiring = true;
    due.push_back(id);
  }
  return due;
}

void LeaseClock::not_expired(LeaseId id) {
  auto found = leases_.find(id);
  if (!leading_ || found == leases_.end() || !found->second.expiring) return;
  schedule(id, found->second, found->second.ends);
}

LeaseClock::Arrival LeaseClock::arrival(TimeNs now) const {
  ASPEN_ASSERT(leading_ && now >= ticked_);
  DurationNs since = now - ticked_;
  return elapsed_ + (ASPEN_MUTANT("kv-lease-ages-in-pause") ? since : std::min(since, tick_max_));
}

LeaseClock::KeepAlive LeaseClock::keep_alive(LeaseId id, Arrival arrived) {
  ASPEN_ASSERT(leading_);
  auto found = leases_.find(id);
  if (found == leases_.end()) return KeepAlive::unknown;
  State& lease = found->second;
  if (lease.expiring && !ASPEN_MUTANT("kv-lease-kept-while-expiring")) return KeepAlive::expiring;
  // One that came earlier may be confirmed later.
  DurationNs ends = arrived + lease.ttl;
  if (ends > lease.ends || ASPEN_MUTANT("kv-lease-keep-alive-shortens")) schedule(id, lease, ends);
  return KeepAlive::done;
}

std::optional<DurationNs> LeaseClock::remaining(LeaseId id, TimeNs now) const {
  ASPEN_ASSERT(leading_);
  auto found = leases_.find(id);
  if (found == leases_.end()) return std::nullopt;
  return std::max<DurationNs>(0, found->second.ends - arrival(now));
}

}  // namespace aspen::kv

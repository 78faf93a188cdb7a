#include "core/lab/lease_book.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/lab/fault_injector.h"

namespace aspen::lab {

void LeaseBook::check(kv::LeaseId id, const Lease& lease) {
  if (broken_ || !lease.ended || lease.revoked || *lease.ended >= lease.until) return;
  broken_ = fmt::format("lease {} ended at {} us, {} us before what was promised", id,
                        *lease.ended / kMicrosecond, (lease.until - *lease.ended) / kMicrosecond);
}

void LeaseBook::promised(kv::LeaseId id, DurationNs ttl, TimeNs called) {
  Lease& lease = leases_[id];
  if (lease.ended && called >= *lease.ended && !broken_) {
    broken_ =
        fmt::format("lease {} ended at {} us and was kept alive afterwards", id, *lease.ended / kMicrosecond);
  }
  // On a clock that gains so much, and is read in steps of its tick.
  const DurationNs true_time = ttl - ttl / 1'000'000 * kDriftPpmMax;
  lease.until = std::max(lease.until, called + true_time);
  longest_ = std::max(longest_, ttl);
  check(id, lease);
}

void LeaseBook::revoking(kv::LeaseId id) {
  leases_[id].revoked = true;
}

void LeaseBook::ended(kv::LeaseId id, TimeNs now) {
  Lease& lease = leases_[id];
  if (lease.ended) return;
  lease.ended = now;
  check(id, lease);
}

bool LeaseBook::has_ended(kv::LeaseId id) const {
  auto found = leases_.find(id);
  return found != leases_.end() && found->second.ended.has_value();
}

std::vector<kv::LeaseId> LeaseBook::open() const {
  std::vector<kv::LeaseId> ids;
  for (const auto& [id, lease] : leases_) {
    if (!lease.ended) ids.push_back(id);
  }
  return ids;
}

}  // namespace aspen::lab

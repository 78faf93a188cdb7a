// What was promised about leases, and when they ended: the oracle of the scenario `leases`.
//
// Times are the world's, which no member knows. A grant or keep-alive that succeeded promises the lease's
// time from the moment it was called, as a clock that gains as much as the lab allows would count it.
// Whatever failed promises nothing.
//
//   book.promised(lease, ttl, called);
//   book.ended(lease, now);                  // a member's state has it no more, or its holder was told so
//   if (book.broken()) print(*book.broken());
//
// Rules: never early: a lease that its holder has not revoked does not end before a promise. No return: one
// that ended is never promised again. Thread safety: none.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/kv/types.h"

namespace aspen::lab {

class LeaseBook {
 public:
  void promised(kv::LeaseId id, DurationNs ttl, TimeNs called);
  // From now on it may end at any time.
  void revoking(kv::LeaseId id);
  // The first time counts.
  void ended(kv::LeaseId id, TimeNs now);
  bool has_ended(kv::LeaseId id) const;
  // Those that were granted and have not ended.
  std::vector<kv::LeaseId> open() const;
  DurationNs longest() const { return longest_; }
  // The first rule that was broken.
  const std::optional<std::string>& broken() const { return broken_; }

 private:
  struct Lease {
    TimeNs until = 0;
    bool revoked = false;
    std::optional<TimeNs> ended = {};
  };
  void check(kv::LeaseId id, const Lease& lease);

  std::map<kv::LeaseId, Lease> leases_;
  DurationNs longest_ = 0;
  std::optional<std::string> broken_;
};

}  // namespace aspen::lab

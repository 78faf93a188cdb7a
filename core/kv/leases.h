// Leases: keys that go together when their time has run out, or when somebody says so.
//
// A lease is of a prefix: only keys that begin with it can be attached. It is that of who granted it, so that
// nobody's lease is in the way of those who may not touch the same keys.
//
// A lease is a row with its time and how much is attached to it; each of its keys has a row of its own. Here
// is only what the log decided: whether the time has run out is the leader's to say (Command::leases_expire).
#pragma once

#include "core/kv/layout.h"
#include "core/kv/revision.h"
#include "core/store/store.h"

namespace aspen::kv {

struct Lease {
  LeaseId id = 0;
  DurationNs ttl = 0;
  WallNs granted = 0;  // log time
  uint64_t keys = 0;   // attached
  Bytes prefix = {};   // of the keys that can be

  bool operator==(const Lease&) const = default;
};

// Errors: NOT_FOUND.
Result<Lease> find_lease(const store::Reader& rows, uint32_t generation, LeaseId id);
// Those with a higher id than `after`, by id, at most `limit`.
Result<std::vector<Lease>> list_leases(const store::Reader& rows, uint32_t generation, LeaseId after,
                                       size_t limit);
// Those of a lease from `start` on, in order: as many as these allow, at least one if there is any.
struct KeyPage {
  Bytes start = {};
  size_t keys_max = SIZE_MAX;
  size_t bytes_max = SIZE_MAX;
};
Result<std::vector<Bytes>> keys_of_lease(const store::Reader& rows, uint32_t generation, LeaseId id,
                                         const KeyPage& page);
// All of them.
Result<size_t> count_leases(const store::Reader& rows, uint32_t generation);

// Erases the lease's keys, and the lease. Says how many keys. Errors: NOT_FOUND, as a refusal, also of one
// that is not of such a prefix.
Result<uint64_t> revoke_lease(Revision& revision, LeaseId id, BytesView prefix);
// The same for each, and those that do not exist count as gone; as many as one revision may change. Says how
// many, from the first on.
Result<uint64_t> expire_leases(Revision& revision, const std::vector<LeaseId>& ids);

}  // namespace aspen::kv

// What the leader is asked about leases, and answers: the bodies of those requests (protocol.h). docs/wire.md
// specifies the bytes.
#pragma once

#include <vector>

#include "core/base/limits.h"
#include "core/kv/types.h"

namespace aspen::node {

inline constexpr size_t kLeasesKeptMax = 4096;      // by one request
inline constexpr size_t kLeasesListedMax = 10'000;  // in one answer

struct LeaseKeepAlive {
  std::vector<kv::LeaseId> ids;  // ascending, at least one
};
struct LeasesKept {
  std::vector<DurationNs> ttls;  // how long each lasts from when the request came; 0: there is none
};

// What there is to know about a lease.
struct LeaseState {
  kv::LeaseId id = 0;
  DurationNs ttl = 0;
  DurationNs remaining = 0;
  uint64_t keys = 0;  // attached

  bool operator==(const LeaseState&) const = default;
};

struct LeaseRequest {
  kv::LeaseId id = 0;
  Bytes start = {};    // its keys from here on
  uint32_t limit = 0;  // of them; 0, or more: limits::kRangeEntriesMax
};
struct LeaseInfo {
  LeaseState lease;
  std::vector<Bytes> keys = {};  // ascending
  bool more = false;             // and it has others after them

  bool operator==(const LeaseInfo&) const = default;
};

struct LeaseListRequest {
  kv::LeaseId after = 0;  // those with higher ids
  uint32_t limit = 0;     // 0, or more: kLeasesListedMax
};
struct LeaseList {
  std::vector<LeaseState> leases;  // by ascending id
  bool more = false;
};

Bytes encode(const LeaseKeepAlive& request);
Bytes encode(const LeasesKept& kept);
Bytes encode(const LeaseRequest& request);
Bytes encode(const LeaseInfo& info);
Bytes encode(const LeaseListRequest& request);
Bytes encode(const LeaseList& list);
Result<LeaseKeepAlive> decode_lease_keep_alive(BytesView bytes);
Result<LeasesKept> decode_leases_kept(BytesView bytes);
Result<LeaseRequest> decode_lease_request(BytesView bytes);
Result<LeaseInfo> decode_lease_info(BytesView bytes);
Result<LeaseListRequest> decode_lease_list_request(BytesView bytes);
Result<LeaseList> decode_lease_list(BytesView bytes);

}  // namespace aspen::node

// The leader's answers to what is asked about leases (lease_protocol.h), each once it was confirmed as
// leader.
//
// A caller's scope is a prefix of the keys it may touch. A lease is within it when the lease was granted for
// such keys only (kv/leases.h), and one that is not does not exist for the caller: it is neither listed nor
// told of, and cannot be kept alive, revoked or attached to. So what callers of one scope do with leases
// does not reach those of another.
//
// Thread safety: none; the engine thread.
#pragma once

#include <functional>
#include <memory>

#include "core/node/lease_protocol.h"
#include "core/node/replica.h"

namespace aspen::node {

class LeaseService {
 public:
  using Answer = std::move_only_function<void(Result<Bytes>)>;

  // The replica outlives it.
  explicit LeaseService(Replica& replica) : replica_(replica), alive_(std::make_shared<bool>(true)) {}

  // Errors of all three: PROTOCOL, NOT_LEADER, UNAVAILABLE; of info NOT_FOUND.
  void keep_alive(BytesView scope, BytesView body, Answer answer);
  void info(BytesView scope, BytesView body, Answer answer);
  void list(BytesView scope, BytesView body, Answer answer);

  // Makes a command that a caller sent keep to its scope, which is not empty: what it grants is of the scope,
  // what it revokes or attaches to within it. Errors: PERMISSION_DENIED, NOT_FOUND.
  Result<> restrict(BytesView scope, kv::Command& command) const;

 private:
  bool hidden(BytesView scope, kv::LeaseId id) const;
  Result<> check_attached(BytesView scope, const kv::Transaction& transaction) const;
  Result<LeaseState> state(const kv::Lease& lease) const;
  Result<Bytes> info_now(BytesView scope, const LeaseRequest& request) const;
  Result<Bytes> list_now(BytesView scope, const LeaseListRequest& request) const;
  void confirmed(std::function<Result<Bytes>()> read, Answer answer);

  Replica& replica_;
  std::shared_ptr<bool> alive_;  // answers outlive a service that is closing
};

}  // namespace aspen::node

// The leases of a member's replica: what connects their keeper (lease_keeper.h) to its log and its state.
//
// Thread safety: none; the engine thread.
#pragma once

#include "core/kv/state_machine.h"
#include "core/node/lease_keeper.h"
#include "core/raft/driver.h"

namespace aspen::node {

class ReplicaLeases final : LeaseHost {
 public:
  // Both outlive it; it takes the machine's news of leases.
  ReplicaLeases(rt::Executor& executor, raft::Driver& driver, kv::StateMachine& machine);
  ~ReplicaLeases();

  // Lets time run; until cancelled.
  rt::Task<Result<>> run(rt::Cx& cx);

  // As of LeaseHost and the keeper.
  void confirm(Confirmed ready) override;
  void keep_alive(std::vector<kv::LeaseId> ids, LeaseKeeper::Kept done);
  Result<DurationNs> remaining(kv::LeaseId id) { return keeper_.remaining(id, now()); }

 private:
  std::optional<raft::Term> reign() const override;
  raft::Index commit() const override { return driver_.core().commit(); }
  raft::Index last_index() const override { return driver_.core().last_index(); }
  std::vector<kv::LeaseClock::Lease> leases() const override;
  void expire(std::vector<kv::LeaseId> ids, Proposed done) override;

  // Not the turn's time, which may be older than a keep-alive that came in it.
  TimeNs now() const { return executor_.env().now(); }

  rt::Executor& executor_;
  raft::Driver& driver_;
  kv::StateMachine& machine_;
  LeaseKeeper keeper_;
};

}  // namespace aspen::node

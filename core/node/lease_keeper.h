// Runs the leases while this member leads: keeps their clock (kv/lease_clock.h), proposes to expire those
// that have run out, and answers keep-alives.
//
// A keep-alive counts from its arrival, and only if this member was still the leader after it (one round of
// ReadIndex for all that wait): another leader elected since begins with full leases, so none can have ended
// meanwhile. One for a lease whose expiry is on its way waits until that is applied, or refused.
//
//   keeper.tick(now);                                       // every kTickPeriod
//   keeper.granted(id, ttl, now);  keeper.removed(id);      // as the state machine applies it
//   keeper.keep_alive({7, 9}, now, [](Result<std::vector<DurationNs>> ttls) { ... });
//
// Thread safety: none; the engine thread. A callback may run inside the call it was given to.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/kv/lease_clock.h"
#include "core/raft/types.h"

namespace aspen::node {

// What the leases stand on: the replica, or a test's.
class LeaseHost {
 public:
  virtual ~LeaseHost() = default;
  // The term in which this member leads and can read its state; nothing when it does not.
  virtual std::optional<raft::Term> reign() const = 0;
  virtual raft::Index commit() const = 0;
  virtual raft::Index last_index() const = 0;
  virtual std::vector<kv::LeaseClock::Lease> leases() const = 0;
  // Puts the command in the log. Errors say whether it may still be applied.
  using Proposed = std::move_only_function<void(Result<>)>;
  virtual void expire(std::vector<kv::LeaseId> ids, Proposed done) = 0;
  // Calls back when this member has turned out to lead still, and has applied what was committed before.
  using Confirmed = std::move_only_function<void(Result<>)>;
  virtual void confirm(Confirmed ready) = 0;
};

class LeaseKeeper {
 public:
  static constexpr DurationNs kTickPeriod = 50 * kMillisecond;
  static constexpr DurationNs kTickMax = 250 * kMillisecond;

  // `host` outlives it.
  explicit LeaseKeeper(LeaseHost& host)
      : host_(host), clock_(kTickMax), alive_(std::make_shared<bool>(true)) {}

  void tick(TimeNs now);
  void granted(kv::LeaseId id, DurationNs ttl, TimeNs now);
  void removed(kv::LeaseId id) { clock_.removed(id); }

  // What each lease was granted for, from the keep-alive's arrival on; 0: there is no such lease (any more).
  // Errors: NOT_LEADER; those of confirm(); SHUTDOWN.
  using Kept = std::move_only_function<void(Result<std::vector<DurationNs>>)>;
  void keep_alive(std::vector<kv::LeaseId> ids, TimeNs now, Kept done);
  // What it has left. Requires: this member was just confirmed as leader. Errors: NOT_FOUND, NOT_LEADER.
  Result<DurationNs> remaining(kv::LeaseId id, TimeNs now);

 private:
  struct Waiting {
    std::vector<kv::LeaseId> ids;
    kv::LeaseClock::Arrival arrived;
    Kept done;
  };
  void follow_role(TimeNs now);
  void expire();
  void expired(uint64_t reign, const std::vector<kv::LeaseId>& ids, const Result<>& result);
  void confirmed(Waiting waiting);
  void answer_waiting();

  LeaseHost& host_;
  kv::LeaseClock clock_;
  raft::Term term_ = 0;           // in which this member leads
  uint64_t reign_ = 0;            // counts the times it began to
  raft::Index committed_ = 0;     // at the last tick
  bool expiring_ = false;         // a proposal is on its way
  std::vector<Waiting> waiting_;  // for what becomes of it
  std::shared_ptr<bool> alive_;   // callbacks outlive a keeper that is closing
};

}  // namespace aspen::node

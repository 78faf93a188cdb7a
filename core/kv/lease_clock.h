// How long each lease has left: the leader's decision, which the state machine then carries out.
//
// The replicated state knows what a lease was granted for, not when it ends: clocks of members differ, and a
// leader that was paused or cut off must not take its lost time for the holders' silence. So the leader keeps
// a clock of its own, and what it finds run out it proposes as a command (leases_expire).
//
// The clock is lease time: it runs while this member leads, tick by tick. A tick counts the time since the
// one before, at most `tick_max`, and nothing while proposals do not commit. A lease ends at a point of lease
// time, so ageing all of them is one addition.
//
//   clock.lead(now);                                    // every lease is full again
//   auto arrived = clock.arrival(now);                  // a keep-alive came; confirm by ReadIndex, then:
//   clock.keep_alive(id, arrived);                      // it lasts its ttl from the arrival on
//   clock.tick(now, committing);
//   for (LeaseId id : clock.take_due(100)) ...          // propose, and tell removed() or not_expired()
//
// Invariants: a lease becomes due no earlier than its ttl after its latest grant, confirmed keep-alive or
// change of leader, by the clock that calls tick(); it is taken once until not_expired() gives it back.
// Thread safety: none; owned by the engine thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/base/time.h"
#include "core/kv/types.h"

namespace aspen::kv {

class LeaseClock {
 public:
  explicit LeaseClock(DurationNs tick_max) : tick_max_(tick_max) {}

  // What the state machine says. A lease that is there already keeps its time.
  void added(LeaseId id, DurationNs ttl, TimeNs now);
  void removed(LeaseId id);
  struct Lease {
    LeaseId id;
    DurationNs ttl;
  };
  // The state was replaced: these are all the leases now.
  void replace(const std::vector<Lease>& leases, TimeNs now);
  size_t size() const { return leases_.size(); }

  void lead(TimeNs now);
  void follow();
  bool leading() const { return leading_; }

  // `committing`: what this leader proposes commits, or it has nothing to commit.
  void tick(TimeNs now, bool committing);
  // Leases that have run out, the earliest first, at most `max`. Each is then being expired.
  std::vector<LeaseId> take_due(size_t max);
  // The command that was to expire it was not applied, and never will be: it is due again.
  void not_expired(LeaseId id);

  // A point of lease time: when a keep-alive came. Not before what a later tick makes of `now`.
  // Requires: leading().
  using Arrival = DurationNs;
  Arrival arrival(TimeNs now) const;
  enum class KeepAlive : uint8_t {
    done,
    unknown,   // there is no such lease
    expiring,  // ask again when removed() or not_expired() has told what came of it
  };
  // Requires: leading(), and that this member was confirmed as leader after the arrival.
  KeepAlive keep_alive(LeaseId id, Arrival arrived);
  // Requires: leading().
  std::optional<DurationNs> remaining(LeaseId id, TimeNs now) const;
  // Requires: it is there.
  DurationNs ttl(LeaseId id) const { return leases_.at(id).ttl; }

 private:
  struct State {
    DurationNs ttl = 0;
    DurationNs ends = 0;  // in lease time; in by_end_ while leading, unless it is being expired
    bool expiring = false;
  };

  void schedule(LeaseId id, State& lease, DurationNs ends);

  const DurationNs tick_max_;
  bool leading_ = false;
  TimeNs ticked_ = 0;
  DurationNs elapsed_ = 0;  // lease time; never goes back, so that an old arrival stays one
  std::map<LeaseId, State> leases_;
  std::set<std::pair<DurationNs, LeaseId>> by_end_;
};

}  // namespace aspen::kv

// Holders of leases on the machines of a cluster, and who watches what becomes of the leases.
//
// A holder grants a lease, attaches keys in one step, keeps it alive for a while with pauses that are
// sometimes too long, by itself or by the engine's renewal, and leaves it to run out or revokes it. All the
// time the states of the members are looked at: when one has a lease no more, it has ended. What must hold is
// in lease_book.h, and: a lease's keys are all there or none is, and once it has ended none; and each lease
// ends within kReleaseSlack after its time when faults are over, leaders stay and holders have stopped.
//
// Thread safety: none.
#pragma once

#include <memory>

#include "core/lab/cluster.h"
#include "core/lab/lease_book.h"
#include "core/lab/load.h"

namespace aspen::lab {

class LeaseLoad final : public Load {
 public:
  // A tick, a proposal that is refused now and then, its commit.
  static constexpr DurationNs kReleaseSlack = 2 * kSecond;

  // Both outlive it.
  LeaseLoad(World& world, Cluster& cluster, size_t holders);
  ~LeaseLoad() override;

  void start() override;
  // No further lease is granted, none is kept alive.
  void stop() override;
  // Waits until all leases have ended, and their keys are gone.
  void finish() override;

 private:
  class Holder;
  // Of the holders' tasks: until the last one has ended, leases are kept alive.
  struct Activity {
    size_t running = 0;
    TimeNs ended = 0;  // the last that did
  };
  struct Seen {
    uint64_t incarnation = 0;
    raft::Index applied = 0;
    size_t leases = 0;  // known then
  };

  void look();
  void look(size_t member);
  bool all_gone();

  World& world_;
  Cluster& cluster_;
  std::shared_ptr<LeaseBook> book_;
  std::shared_ptr<Activity> activity_;
  std::vector<std::shared_ptr<Holder>> holders_;
  std::vector<Seen> seen_;
  raft::Term term_ = 0;     // the newest that a leader has
  TimeNs reigns_from_ = 0;  // when it was seen first
  std::shared_ptr<bool> looking_;
};

}  // namespace aspen::lab

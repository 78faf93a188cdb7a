// This node's part in one consensus group: its log in the node's journal, the driver, the way to the other
// members, and, on the leader, the care for who they are. A node that asked to join was added as a learner,
// and is promoted to voter by a committed change once it has caught up; so are voters that are dead demoted
// (raft::Steward).
//
// What the group carries is its state machine's: the key-value store's (replica.h) or any other.
//
// Thread safety: none; the engine thread.
#pragma once

#include <memory>
#include <string>

#include "core/node/log_host.h"
#include "core/node/raft_transport.h"
#include "core/raft/driver.h"
#include "core/raft/steward.h"

namespace aspen::node {

struct GroupOptions {
  raft::GroupId id = 0;
  NodeId node;
  std::string address;       // that others dial; empty without a network
  DurationNs heartbeat = 0;  // 0, as of what follows: raft::Options' default
  DurationNs election = 0;
  size_t log_entries_max = 0;  // 0: limits::kLogEntriesMax
  bool lease_reads = false;    // as NodeOptions say
  uint32_t clock_drift_ppm_max = 0;
  DurationNs dead_voter_after = 0;
  std::function<void(const raft::Status&)> on_state;
  std::function<void(const Error&)> on_failure;
};

// A number for a new incarnation of a member.
raft::PeerId fresh_peer(rt::Env& env);

class Group {
 public:
  // What a group stands on; all of it outlives the group. `region` is closed before the group goes,
  // `background` has ended what it runs before the machine goes.
  struct Ground {
    rt::Executor& executor;
    rt::Region& region;
    rt::Lane& background;
    GroupLinks& links;
    LogHost& logs;
  };
  // Opens or creates its log. Blocks on the disk. Errors: those of LogStore and Driver.
  static Result<std::unique_ptr<Group>> open(const Ground& ground, raft::StateMachine& machine,
                                             GroupOptions options);

  // Makes this the first member of a new group. Requires: empty().
  void bootstrap();
  bool empty() const { return driver_->empty(); }

  // A node asks to take part (or says that it is another incarnation, or has moved). Calls back when the
  // change is committed. Errors: NOT_LEADER, UNAVAILABLE while another change is under way.
  void join(const NodeId& node, raft::PeerId peer, const std::string& address, raft::Driver::ReadReady done);
  // The leader's housekeeping, every kHousekeepingPeriod.
  void keep_voters(TimeNs now);

  raft::GroupId id() const { return options_.id; }
  raft::Driver& driver() { return *driver_; }
  const raft::Driver& driver() const { return *driver_; }
  raft::StateMachine& machine() { return machine_; }
  RaftTransport& transport() { return transport_; }
  raft::PeerId peer() const { return driver_->core().self(); }
  bool leads() const { return driver_->core().role() == raft::Role::leader; }
  // This incarnation is a voter in the newest configuration it knows to be committed.
  bool is_voter() const;
  const raft::Member* leader() const;

  // Takes this node's place in the group, by `join`, which asks its leader for that: returns when this member
  // is a voter, knows who leads, and has applied what is committed. A member that the group may need for a
  // majority, as it has moved, is there at once and asks meanwhile, in `region`.
  using Join = std::function<rt::Task<Result<>>(rt::Cx&)>;
  rt::Task<Result<>> enter(rt::Cx& cx, rt::Region& region, Join join);
  // Asks another voter to lead, if this one does; returns when it no longer leads or after a while.
  rt::Task<Result<>> hand_over(rt::Cx& cx);
  // Nothing comes or goes for the group any more.
  void detach() { transport_.attach(nullptr); }
  void close(std::move_only_function<void()> done) { driver_->close(std::move(done)); }

 private:
  void state_changed(const raft::Status& status, TimeNs now);
  rt::Task<Result<>> wait_for_membership(rt::Cx& cx);
  rt::Task<Result<>> join_and_wait(rt::Cx& cx, Join join);
  Group(const Ground& ground, raft::StateMachine& machine, GroupOptions options)
      : options_(std::move(options)),
        machine_(machine),
        transport_(ground.links, options_.id, ground.region, ground.background),
        steward_({.dead_voter_after = options_.dead_voter_after}) {}

  GroupOptions options_;
  raft::StateMachine& machine_;
  std::optional<raft::LogStore> log_;
  RaftTransport transport_;
  std::unique_ptr<raft::Driver> driver_;
  raft::Steward steward_;
  bool needs_care_ = false;  // it leads, and its members are not as they should be or might not stay so
};

// As the default heartbeat: a node wakes up once for both.
inline constexpr DurationNs kHousekeepingPeriod = 50 * kMillisecond;

}  // namespace aspen::node

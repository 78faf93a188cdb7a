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
#include "core/node/protocol.h"
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
  // change is committed. Errors: NOT_LEADER, UNAVAILABLE while another change is under way; NOT_A_MEMBER when
  // it asks `again` and was removed.
  void join(const NodeId& node, const JoinRequest& request, raft::Driver::ReadReady done);
  // An operator takes the node out of the group. Calls back when the change is committed, or there is no such
  // member. A leader that is to go hands over first, and lets the next one do it. Errors: as join, and those
  // of raft::without.
  void remove(const NodeId& node, std::move_only_function<void(Result<MemberRemoved>)> done);
  // Asks the voter to lead, or for none the one that is furthest. Calls back when another one leads, or it is
  // so already. Errors: NOT_LEADER; NOT_FOUND when it is no voter; UNAVAILABLE when it did not come about, or
  // another one is under way.
  void transfer(const TransferRequest& request, std::move_only_function<void(Result<NewLeader>)> done);
  // The housekeeping, every kHousekeepingPeriod.
  void keep(TimeNs now);

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
  // The error as others are told it: UNAVAILABLE when this member has stopped, which is not the end of the
  // group as long as there are others.
  Error stopped_here(Error error) const;

  // Takes this node's place in the group, by `join`, which asks its leader for that: returns when this member
  // is a voter, knows who leads, and has applied what is committed. A member that the group may need for a
  // majority, as it has moved, is there at once and asks meanwhile, in `region`. One that was `admitted`
  // before, by a change that cannot be lost, does so too, and again whenever it has heard no leader for a
  // while: it may have been removed, which nobody tells who does not ask. Then it stops, NOT_A_MEMBER.
  using Join = std::function<rt::Task<Result<>>(rt::Cx&, bool again)>;
  rt::Task<Result<>> enter(rt::Cx& cx, rt::Region& region, Join join, bool admitted);
  // Asks another voter to lead, if this one does; returns when it no longer leads or after a while.
  rt::Task<Result<>> hand_over(rt::Cx& cx);
  // Nothing comes or goes for the group any more.
  void detach() { transport_.attach(nullptr); }
  void close(std::move_only_function<void()> done);

 private:
  void state_changed(const raft::Status& status, TimeNs now);
  rt::Task<Result<>> wait_for_membership(rt::Cx& cx);
  // Says to the leader who and where this member is.
  void announce();
  rt::Task<Result<>> ask_again(rt::Cx& cx);
  void notice_removal();
  void finish_transfer();
  Group(const Ground& ground, raft::StateMachine& machine, GroupOptions options)
      : executor_(ground.executor),
        options_(std::move(options)),
        machine_(machine),
        transport_(ground.links, options_.id, ground.region, ground.background),
        steward_({.dead_voter_after = options_.dead_voter_after}) {}

  rt::Executor& executor_;
  GroupOptions options_;
  raft::StateMachine& machine_;
  std::optional<raft::LogStore> log_;
  RaftTransport transport_;
  std::unique_ptr<raft::Driver> driver_;
  raft::Steward steward_;
  bool needs_care_ = false;  // it leads, and its members are not as they should be or might not stay so

  struct Transfer {
    NodeId to;  // zeros: anybody
    TimeNs until;
    std::move_only_function<void(Result<NewLeader>)> done;
  };
  std::optional<Transfer> transfer_ = {};

  // Of enter().
  rt::Region* region_ = nullptr;
  Join join_ = {};
  bool admitted_ = false;
  bool listed_ = false;  // in a configuration that it has known to be committed
  bool announcing_ = false;
  TimeNs led_at_ = 0;  // when it last knew a leader
};

// As the default heartbeat: a node wakes up once for both.
inline constexpr DurationNs kHousekeepingPeriod = 50 * kMillisecond;

}  // namespace aspen::node

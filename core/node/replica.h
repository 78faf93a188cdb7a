// A member's copy of the store: its log in the node's journal, the applied state, and the consensus driver
// between them.
//
// On the leader it also keeps the history short and the indexes growing, and the membership: a node that
// asked to join was added as a learner, and is promoted to voter by a committed change once it has caught up;
// so are voters that are dead demoted (raft::Steward).
//
// Thread safety: none; the engine thread.
#pragma once

#include <memory>

#include "core/kv/compaction_policy.h"
#include "core/kv/state_machine.h"
#include "core/node/backup_reader.h"
#include "core/node/log_host.h"
#include "core/node/platform.h"
#include "core/node/raft_transport.h"
#include "core/node/replica_leases.h"
#include "core/raft/driver.h"
#include "core/raft/steward.h"

namespace aspen::node {

struct ReplicaOptions {
  NodeId node;
  std::string address;  // that others dial; empty without a network
  DurationNs heartbeat = 0;
  DurationNs election = 0;
  size_t log_entries_max = 0;  // 0: limits::kLogEntriesMax
  bool lease_reads = false;    // this and what follows: as NodeOptions say
  uint32_t clock_drift_ppm_max = 0;
  bool member_reads = false;
  DurationNs dead_voter_after = 0;
  kv::CompactionPolicy::Options history = {};
  std::function<void(const raft::Status&)> on_state;
  std::function<void(const Error&)> on_failure;
};

class Replica {
 public:
  // Opens or creates its log in `logs`, which outlives it, and the state in `home`. Blocks on the disk.
  static Result<std::unique_ptr<Replica>> open(Platform& platform, rt::Region& region, Home& home,
                                               LogHost& logs, ReplicaOptions options);

  // Before it is opened for the first time: its state is that of a backup, which was checked, at the backup's
  // revision and kRestoreLeap, and it is the first member of a new group. May be done again. Errors: those of
  // the backup, IO; LIMIT_EXCEEDED.
  static rt::Task<Result<>> begin_with(rt::Cx& cx, rt::Lane& lane, Home& home, LogHost& logs,
                                       BackupReader& backup, NodeId node, std::string address);

  // Makes this the first member of a new group. Requires: empty().
  void bootstrap();
  bool empty() const { return driver_->empty(); }
  // The leader's housekeeping; runs until cancelled.
  rt::Task<Result<>> keep_members(rt::Cx& cx);

  // A node asks to take part (or says that it is another incarnation, or has moved). Calls back when the
  // change is committed. Errors: NOT_LEADER, UNAVAILABLE while another change is under way.
  void join(const NodeId& node, raft::PeerId peer, const std::string& address, raft::Driver::ReadReady done);

  struct ReadOptions {
    bool lease = false;  // the leader's lease will do
    bool here = false;   // at this member, whoever leads; as ReplicaOptions::member_reads
  };
  // Calls back when the state may be read, linearizably. Errors: as raft::Driver::read.
  void read(ReadOptions options, raft::Driver::ReadReady ready);

  raft::Driver& driver() { return *driver_; }
  kv::StateMachine& machine() { return *machine_; }
  RaftTransport& transport() { return transport_; }
  ReplicaLeases& leases() { return *leases_; }
  rt::Lane& background() { return *background_; }
  raft::PeerId peer() const { return driver_->core().self(); }
  // This incarnation is a voter in the newest configuration it knows to be committed.
  bool is_voter() const;
  const raft::Member* leader() const;

  // Asks another voter to lead, if this one does; calls back when it no longer leads or after `deadline`.
  rt::Task<Result<>> hand_over(rt::Cx& cx);
  void close(std::move_only_function<void()> done) { driver_->close(std::move(done)); }

 private:
  Replica(Platform& platform, rt::Region& region, ReplicaOptions options)
      : options_(std::move(options)),
        background_(platform.open_lane(LaneUse::background)),
        transport_(region, *background_),
        steward_({.dead_voter_after = options_.dead_voter_after}) {}
  void keep_voters(TimeNs now);
  void keep_history(TimeNs now);
  void keep_indexes();

  ReplicaOptions options_;
  // Destroyed in reverse: the lanes finish what they run while everything it uses is still there.
  std::optional<raft::LogStore> log_;
  std::unique_ptr<kv::StateMachine> machine_;
  std::unique_ptr<rt::Lane> background_;
  RaftTransport transport_;
  std::optional<kv::CompactionPolicy> compaction_;  // while this member leads
  bool compacting_ = false;                         // one was proposed and is not answered yet
  bool indexing_ = false;                           // likewise a step of an index
  std::unique_ptr<raft::Driver> driver_;
  std::optional<ReplicaLeases> leases_;
  raft::Steward steward_;
};

}  // namespace aspen::node

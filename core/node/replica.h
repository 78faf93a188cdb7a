// A member's copy of the store: the group that carries it (group.h) and the applied state. On the leader it
// also keeps the history short and the indexes growing.
//
// Thread safety: none; the engine thread.
#pragma once

#include <memory>

#include "core/kv/compaction_policy.h"
#include "core/kv/state_machine.h"
#include "core/node/backup_reader.h"
#include "core/node/group.h"
#include "core/node/platform.h"
#include "core/node/replica_leases.h"

namespace aspen::node {

struct ReplicaOptions {
  GroupOptions group;  // its id is the store's
  bool member_reads = false;
  kv::CompactionPolicy::Options history = {};
};

class Replica {
 public:
  // Opens or creates its log, and the state in `home`. What it is given outlives it, and `region` is closed
  // before it goes. Blocks on the disk.
  static Result<std::unique_ptr<Replica>> open(Platform& platform, rt::Region& region, Home& home,
                                               GroupLinks& links, LogHost& logs, ReplicaOptions options);

  // Before it is opened for the first time: its state is that of a backup, which was checked, at the backup's
  // revision and kRestoreLeap, and it is the first member of a new group. May be done again. Errors: those of
  // the backup, IO; LIMIT_EXCEEDED.
  static rt::Task<Result<>> begin_with(rt::Cx& cx, rt::Lane& lane, Home& home, LogHost& logs,
                                       BackupReader& backup, NodeId node, std::string address);

  // The leader's housekeeping; runs until cancelled.
  rt::Task<Result<>> keep(rt::Cx& cx);

  struct ReadOptions {
    bool lease = false;  // the leader's lease will do
    bool here = false;   // at this member, whoever leads; as ReplicaOptions::member_reads
  };
  // Calls back when the state may be read, linearizably. Errors: as raft::Driver::read.
  void read(ReadOptions options, raft::Driver::ReadReady ready);

  Group& group() { return *group_; }
  raft::Driver& driver() { return group_->driver(); }
  kv::StateMachine& machine() { return *machine_; }
  ReplicaLeases& leases() { return *leases_; }
  rt::Lane& background() { return *background_; }

 private:
  Replica(Platform& platform, ReplicaOptions options)
      : options_(std::move(options)), background_(platform.open_lane(LaneUse::background)) {}
  void keep_history(TimeNs now);
  void keep_indexes();

  ReplicaOptions options_;
  // Destroyed in reverse: the lane finishes what it runs while everything it uses is still there.
  std::unique_ptr<kv::StateMachine> machine_;
  std::unique_ptr<rt::Lane> background_;
  std::optional<kv::CompactionPolicy> compaction_;  // while this member leads
  bool compacting_ = false;                         // one was proposed and is not answered yet
  bool indexing_ = false;                           // likewise a step of an index
  std::unique_ptr<Group> group_;
  std::optional<ReplicaLeases> leases_;
};

}  // namespace aspen::node

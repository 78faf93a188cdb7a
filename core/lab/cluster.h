// A group of members and some client machines in one world: forms it, keeps the operator's hand on it, and
// asks it at the end whether all is well.
//
//   Cluster cluster(world, {.members = 3});
//   if (!cluster.form()) return;              // the violation says why
//   cluster.add_clients(5, [] { return std::make_unique<MyScript>(); });
//   world.run_for(30 * kSecond);
//   if (cluster.settle()) cluster.close();    // heals, waits, compares; closes everything in order
//
// The operator does what a careful person would do: starts what has crashed, replaces the stores of a member
// that cannot read them any more, and never has more than a minority of members without their data.
//
//
// Thread safety: none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/lab/client.h"
#include "core/lab/raft_oracles.h"

namespace aspen::lab {

struct ClusterOptions {
  size_t members = 3;
  size_t client_machines = 1;  // nodes in client mode; every other client runs on one of these or a member
  size_t log_entries_max = 0;  // 0: the engine's default
  bool lease_reads = false;    // this and what follows: as node::NodeOptions
  uint32_t clock_drift_ppm_max = 0;
  bool member_reads = false;  // of every other member
  DurationNs dead_voter_after = 0;
  kv::CompactionPolicy::Options history = node::NodeOptions{}.history;
  Machine::Transport transport = Machine::Transport::simulated;
  size_t history_max = kHistoryOperationsMax;  // clients stop when it is full
};

class Cluster {
 public:
  using MakeScript = std::function<std::unique_ptr<Script>(uint64_t client)>;

  Cluster(World& world, const ClusterOptions& options);

  // The first member founds, the others join by its ticket.
  bool form();
  // Requires: formed.
  void add_clients(size_t count, const MakeScript& script, const ClientOptions& options = {});
  bool clients_idle() const;
  // Ends all faults and starts what is off; then clients stop, all members must serve, agree and have nothing
  // left to do. False when something is wrong, which is the world's violation then.
  bool settle();
  // Everything is closed in order, and has to end. Requires: settled.
  void close();

  size_t size() const { return members_.size(); }
  Machine& member(size_t i) { return *members_[i]; }
  std::vector<std::unique_ptr<Machine>>& client_machines() { return client_machines_; }
  // Members, then those of clients.
  std::vector<Machine*> machines();
  // A member that serves and says that it leads, or null.
  Machine* leader();

  // Faults that need care; they do nothing when they would be unfair now.
  void crash(size_t i, DiskCrash kind);
  void restart(size_t i);
  // The member loses its stores, and comes back as a new learner.
  bool lose_data(size_t i);
  // Something may cost member `i` its data; lose_data() has to follow. False when that would be unsafe now.
  bool endanger(size_t i);
  // It has been endangered, and not lost its data since.
  bool doubtful(size_t i) const { return care_[i].doubtful; }
  bool all_have_data() const;
  // Shown each member's core after each of its turns.
  std::function<void(const raft::Core&)> observed;
  // Restarts after faults wait this long, at the mean.
  DurationNs repair_mean = kSecond;

  // Somebody was told of a write, or of a state, of that revision: it stays.
  void acknowledge(uint64_t revision);
  // The highest of them.
  uint64_t acknowledged() const { return acknowledged_; }

  History& history() { return history_; }
  uint64_t operations() const;
  std::vector<std::unique_ptr<Client>>& clients() { return clients_; }
  void heal();

 private:
  struct Care {
    bool joined = false;                // has been a member
    bool doubtful = false;              // its data may be damaged, until it is replaced
    bool lost = false;                  // without good data, until it is a voter that has caught up
    bool starting = false;              // a restart is scheduled
    raft::PeerId peer = raft::kNobody;  // as the oracles know it
    raft::Role role = raft::Role::follower;
    raft::Term term = 0;
  };

  node::NodeOptions member_options(size_t i) const;
  void look_after();
  void look_after(size_t i);
  void observe(size_t i);
  void listen(size_t i);
  void note_role(size_t i, const raft::Core& core);
  void report_oracles();
  bool settled();
  std::string describe();
  void compare();
  void compare_now_and_then();
  void compare_equals();

  World& world_;
  ClusterOptions options_;
  Random random_;
  History history_;
  RaftOracles oracles_;

  std::vector<std::unique_ptr<Machine>> members_;
  std::vector<Care> care_;
  std::vector<std::unique_ptr<Machine>> client_machines_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::string ticket_;
  bool looking_ = false;
  uint64_t acknowledged_ = 0;
  TimeNs compare_at_ = 0;
  uint64_t compared_ = 0;
};

}  // namespace aspen::lab

// One member of a consensus group as the exploration handles it: a real raft::Core and its disk, as a value
// that can be copied and fingerprinted.
//
// A step gives the member one input and does what the driver does with the effects. If they are to be
// written, the step has several outcomes: everything is synced, or the member crashes before a sync, what was
// not held back for it being sent already, and starts again from what its disk has.
//
// Thread safety: none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/lab/explore.h"
#include "core/raft/core.h"

namespace aspen::lab {

using raft::PeerId;

enum class RaftInputKind : uint8_t {
  deliver,  // of a message; of a request for a vote: after so long that the leader is not fresh any more
  timeout,  // the election timeout passes and all pre-votes are granted; on a leader: the heartbeat is due
  propose,
  restart,  // a crash; what is not on disk is forgotten
};

class RaftNode {
 public:
  RaftNode(PeerId self, raft::Durable disk);

  struct Outcome;
  // Whether this input means something now. Requires: not deliver.
  bool takes(RaftInputKind kind) const;
  // What can come of it. `message` is given for deliver.
  std::vector<Outcome> step(RaftInputKind kind, const raft::Message* message) const;

  const raft::Core& core() const { return core_; }
  const raft::Durable& disk() const { return disk_; }
  // With peers named by `name`.
  Fingerprint fingerprint(const std::function<PeerId(PeerId)>& name) const;
  std::string describe() const;

 private:
  static raft::Core start(PeerId self, const raft::Durable& disk);
  void input(RaftInputKind kind, const raft::Message* message);
  void grant_pre_votes();
  raft::Effects take(Outcome& outcome);
  void sync(raft::Effects& effects, Outcome& outcome);
  void restart();

  raft::Durable disk_;
  raft::Core core_;
  raft::Index applied_;
  TimeNs clock_ = 0;
};

// What a step comes to.
struct RaftNode::Outcome {
  explicit Outcome(const RaftNode& before) : node(before), commit_before(before.core().commit()) {}
  RaftNode node;
  raft::Index commit_before;
  std::vector<raft::Message> sent;
  std::vector<raft::EntryPtr> committed;  // newly, as far as this member knows
  bool led = false;                       // was the leader of node.core().term() at some moment
  bool crashed = false;                   // in the middle of the step
  std::string violation;                  // an assertion failed, or entries were applied that must not be
};

std::string describe(const raft::Message& message);

}  // namespace aspen::lab

// Raft, explored: every state that three real raft::Cores can reach within the bounds, whatever the network,
// the disks and the timers do, checked against what Raft promises (thesis figure 3.2).
//
// What happens: any message that was ever sent arrives (at any time, any number of times, in any order: the
// network is the set of all messages sent, so loss, duplication and reordering have no bound); an election
// timeout passes; a heartbeat is due; a command is proposed; a write is synced, or lost by a crash; a member
// restarts; a member learns of a later term.
//
// What makes it small, and why no violation is missed:
//   symmetry    States that differ only in who is who are one: a fingerprint is the least of those under all
//               renamings. The core treats peers alike: it compares them for equality, and orders them only
//               to go through all of them, which a network without order hides.
//   monotony    Nothing takes a message away, so a member that is down is one that takes no input for a
//               while: a crash and its restart are one step. And a message that only brings an answer, its
//               receiver staying as it is, can be delivered at once: whatever could happen without the
//               answer can with it.
//   forgetting  A message that can change nothing any more is removed (dead() says which, and asks the core
//               each time). A refusal that only tells of a later term is not kept: learning of one is
//               always possible.
//   locality    A write ends in the step that began it: until it has, its member can do nothing else (bound),
//               and what the others do meanwhile they can do before or after.
//   superset    Pre-votes are always granted, and followers have always stopped hearing from a leader when a
//               candidate asks for their votes. Both only keep the peace; safety must not rest on them.
//   memory      A step depends on one member's state and its input alone, so the core runs once for each such
//               pair that occurs, and its outcomes are remembered.
// The promises are checked against all that ever was (who led a term, what was committed), which is part of
// the state, so a violation cannot hide between two states that are visited.
//
// Bounds: RaftBounds, and: one input makes one turn of the driver; writes do not overlap. Those, reads,
// membership changes, transfers and snapshots are left to core/raft/simulation_test.cc.
//
// Thread safety: none.
#pragma once

#include <array>
#include <deque>
#include <unordered_map>

#include "core/lab/explore.h"
#include "core/lab/explore_raft_node.h"

namespace aspen::lab {

inline constexpr size_t kRaftMembers = 3;
inline constexpr size_t kRenamings = 6;  // of three members

struct RaftBounds {
  std::string name;
  // A log of entries of these terms for each member, behind the configuration of term 1 that all have; and
  // the term each member starts in, if that is not its log's last.
  std::array<std::vector<raft::Term>, kRaftMembers> logs = {};
  raft::Term term = 1;
  raft::Term terms_max = 3;     // nobody campaigns in a later one
  raft::Index entries_max = 4;  // no command is proposed behind this index
  unsigned proposals_max = 1;
  unsigned crashes_max = 1;
  unsigned campaigns_max = 2;  // elections begun, by whomever
  bool heartbeats = false;     // also the end of a leader that nobody answers
  ExploreLimits limits = {};
};

class RaftModel {
 public:
  explicit RaftModel(RaftBounds bounds);

  struct State {
    std::array<uint32_t, kRaftMembers> members = {};  // ids of local states
    uint8_t crashes = 0;
    uint8_t proposals = 0;
    uint8_t campaigns = 0;
    std::vector<uint16_t> facts = {};  // ids, sorted: messages sent, reigns, commitments
  };
  // What StateSearch asks for.
  State initial();
  Fingerprint fingerprint(const State& state) const;
  void expand(const State& state, std::vector<Successor<State>>& out);
  State apply(const State& state, uint32_t choice);
  std::string check(const State& state) const;
  std::string describe(const State& state, uint32_t choice);
  std::string describe(const State& state) const;

  // What was reached, to see that an exploration was not about nothing.
  struct Coverage {
    size_t local_states = 0;
    size_t messages = 0;
    raft::Term leader_term = 0;
    raft::Index committed = 0;
  };
  Coverage coverage() const;
  // Runs `choices` on members that are stepped on and on, never replaced by one remembered: what is
  // remembered must be the truth. Returns what differs, or nothing.
  std::string compare_with_real(const std::vector<uint32_t>& choices);

 private:
  using Sums = std::array<Fingerprint, kRenamings>;  // one for each renaming

  enum class FactKind : uint8_t { message, reign, commitment };
  struct Fact {
    FactKind kind;
    raft::Term term = 0;    // a reign's, or in which it was known to be committed
    PeerId leader = 0;      // of a reign
    raft::Index index = 0;  // of a commitment
    uint64_t entry = 0;     // of a commitment: see entry_id()
    raft::Message message = {};
    Sums sums = {};
  };
  // An outcome of a member's step, interned.
  struct Step {
    uint32_t local = 0;
    std::vector<uint16_t> facts = {};
    bool crashed = false;
    std::string violation = {};
  };
  // One state of one member, and what is known to come of its inputs.
  struct Local {
    RaftNode node;
    Sums sums;
    std::vector<uint64_t> log;  // entry ids, from index 1
    std::vector<uint64_t> disk;
    std::array<std::vector<Step>, 6> steps = {};    // by RaftInputKind
    std::vector<std::vector<Step>> delivered = {};  // by message; empty: not known yet
  };
  struct Choice {
    uint8_t member;
    RaftInputKind kind;
    uint8_t outcome;
    uint16_t fact;
  };
  struct FingerprintHash {
    size_t operator()(const Fingerprint& f) const { return f.low; }
  };

  static uint32_t pack(const Choice& choice);
  static Choice unpack(uint32_t choice);
  const Step& step(const State& state, const Choice& choice);
  const std::vector<Step>& steps(uint32_t local, RaftInputKind kind, uint16_t fact);
  bool offers(const State& state, size_t member, RaftInputKind kind) const;
  void expand(const State& state, Choice choice, std::vector<Successor<State>>& out);
  State after(const State& state, const Choice& choice, const Step& step);
  void saturate(State& state);
  bool is_idle(const State& state, uint16_t fact);
  bool dead(const State& state, uint16_t fact);
  Step intern(RaftNode::Outcome outcome);
  uint32_t intern(const RaftNode& node);
  uint16_t intern(Fact fact);
  Fingerprint fingerprint(const Fact& fact, const std::array<PeerId, kRaftMembers + 1>& names) const;
  std::string check_commitment(const State& state, const Fact& fact) const;
  std::string check_logs(const State& state) const;

  RaftBounds bounds_;
  std::array<std::array<PeerId, kRaftMembers + 1>, kRenamings> renamings_;
  std::deque<Local> locals_;
  std::deque<Fact> facts_;
  std::vector<uint8_t> receivers_;  // by fact: the member a message is for; kRaftMembers: none
  std::unordered_map<Fingerprint, uint32_t, FingerprintHash> local_ids_;
  std::unordered_map<Fingerprint, uint16_t, FingerprintHash> fact_ids_;
};

}  // namespace aspen::lab

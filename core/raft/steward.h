// Keeps a group's voters able to vote: decides, on the leader, which learner is promoted and which voter is
// demoted, always by a change that the group commits.
//
// A voter that is dead, or lags, still counts for every majority: five voters of which two are gone stop with
// the third. So one that has not been well for `dead_voter_after` becomes a learner, and a voter again when
// it has caught up. The quorum is never what somebody observes (docs/consensus.md says what that would lose),
// so what makes a demotion safe is that it is an ordinary change of members, and when it is made:
//
//   - Every voter that stays is well at that moment, and they are `voters_min` at least: three, whose
//     majority survives the loss of one. A group of three is never made smaller.
//   - They are a majority of the voters there were, and the change passes through a joint configuration: a
//     majority of the OLD voters commits it, or it does not happen.
//   - All that are not well go at once. With one left among the rest, the rest would not all be well.
//
// A learner is promoted when it is in contact and close to what is committed, one at a time, and only if
// those voters that are well are then still a majority.
//
// Well: the leader has heard from it within an election timeout, and it lacks at most `lag_entries` of what
// is committed. A new leader gives everybody the whole time.
//
// A member that an operator has removed goes whether it is well or not: that is for a machine that is gone
// for good. But those voters that are well must be a majority of those that stay, or the change would end the
// group's work.
//
// Thread safety: none; the engine thread of the leader.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "core/raft/core.h"

namespace aspen::raft {

struct StewardOptions {
  DurationNs dead_voter_after = 0;  // 0: nobody is demoted
  size_t voters_min = 3;            // requires: at least 3
  Index lag_entries = 10'000;
  // A learner this close to what is committed is promoted: the rest arrives while the change commits. Entries
  // that are still on their way to everybody are not held against it.
  Index caught_up_entries = 128;
};

// The members without those of the node; nullopt: it has none. Errors: INVALID_ARGUMENT when it is the only
// voter; UNAVAILABLE when the voters that would stay have no majority that is well.
Result<std::optional<std::vector<Member>>> without(const Status& status, const NodeId& node,
                                                   const StewardOptions& options = {});

class Steward {
 public:
  explicit Steward(StewardOptions options = {});

  struct Change {
    std::vector<Member> members;  // for Core::propose_config
    ChangeVia via = ChangeVia::least;
    std::vector<NodeId> promoted = {};
    std::vector<NodeId> demoted = {};
  };
  // The next change, if one is due. To be asked a few times in each election timeout. A change that the core
  // refuses, because another is under way, is decided again.
  std::optional<Change> decide(const Status& status, TimeNs now);

 private:
  void look(const Status& status, TimeNs now);
  std::optional<Change> promote(const Status& status) const;
  std::optional<Change> demote(const Status& status, TimeNs now) const;

  StewardOptions options_;
  std::map<PeerId, TimeNs> well_at_;  // voters, when they last were
  std::set<PeerId> well_;             // voters, now
};

}  // namespace aspen::raft

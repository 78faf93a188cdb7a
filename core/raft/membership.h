// Configurations over time, and how one turns into the next (thesis 4).
//
// A configuration is in force from the moment its entry is appended, not when it is committed; so when
// that entry is truncated, the one before it is in force again. Where at most one voter differs, majorities
// of both configurations overlap and one entry is enough (4.1); otherwise the change goes through a joint
// configuration (4.3), which the leader leaves as soon as it is committed.
#pragma once

#include <deque>

#include "core/raft/types.h"

namespace aspen::raft {

// The configurations of a log and of the snapshot below it.
//
// Invariants: indexes increase; there is always one at or below the log's snapshot.
// Thread safety: none; owned by one core.
class ConfigHistory {
 public:
  explicit ConfigHistory(const SnapshotMeta& snapshot) { reset(snapshot); }

  const Config& current() const { return configs_.back().config; }
  Index current_index() const { return configs_.back().index; }
  // In force once `index` is the last entry. Requires: index is not below the log's snapshot.
  const Config& at(Index index) const;

  // Whether `peer` votes in the configuration at `index` or in any after it.
  bool is_voter_since(Index index, PeerId peer) const;

  void append(Index index, Config config);
  // True when another configuration is in force now.
  bool truncate_from(Index from);
  void compact(const SnapshotMeta& snapshot);
  void reset(const SnapshotMeta& snapshot);

 private:
  struct Item {
    Index index;
    Config config;
  };
  std::deque<Item> configs_;
};

// By which way a group gets to other voters.
enum class ChangeVia : uint8_t {
  least,  // one entry where at most one voter differs, else a joint configuration
  joint,  // always a joint one: a majority of the old voters has to commit it as well
};

// The configuration to append in order to get from `current` (not joint) to `members`, which need not be
// sorted. Errors: INVALID_ARGUMENT for no voter, a peer or node twice, peer 0, an address that is too
// long or no text, or more than limits::kMembersMax.
Result<Config> plan_change(const Config& current, std::vector<Member> members,
                           ChangeVia via = ChangeVia::least);

// What follows a joint configuration.
Config leave_joint(const Config& joint);

}  // namespace aspen::raft

// Majorities as pure maths: what a set of voters has agreed on, alone or jointly (thesis 4.3).
//
// Commit indexes and confirmed read rounds are the same question: the largest number that a majority has
// reached. A joint configuration has to answer it in both halves. An empty set of voters never agrees.
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "core/base/assert.h"
#include "core/base/mutant.h"
#include "core/raft/types.h"

namespace aspen::raft {

// Calls f(peer) for every voter of the new half, then of the outgoing half (a voter of both twice).
template <typename F>
void for_each_voter(const Config& config, F f) {
  for (const Member& member : config.members) {
    if (member.role == MemberRole::voter) f(member.peer);
  }
  for (PeerId peer : config.outgoing) f(peer);
}

namespace detail {

// Numbers collected from one half of a configuration.
class Half {
 public:
  void add(uint64_t value) {
    ASPEN_ASSERT(size_ < values_.size());
    values_[size_++] = value;
  }
  // The largest number that more than half of them reach; 0 when there is none.
  uint64_t majority() {
    if (size_ == 0) return 0;
    auto nth = values_.begin() + (ASPEN_MUTANT("raft-quorum-too-small") ? size_ - size_ / 2 - 1 : size_ / 2);
    std::nth_element(values_.begin(), nth, values_.begin() + size_, std::greater<>());
    return *nth;
  }

 private:
  std::array<uint64_t, limits::kMembersMax> values_;
  size_t size_ = 0;
};

}  // namespace detail

// The largest number reached by a majority (in a joint configuration: by one of each half), where
// reached(peer) says how far a voter is.
template <typename F>
uint64_t quorum_reached(const Config& config, F reached) {
  detail::Half members;
  for (const Member& member : config.members) {
    if (member.role == MemberRole::voter) members.add(reached(member.peer));
  }
  if (!config.joint() || ASPEN_MUTANT("raft-joint-without-outgoing")) return members.majority();
  detail::Half outgoing;
  for (PeerId peer : config.outgoing) outgoing.add(reached(peer));
  return std::min(members.majority(), outgoing.majority());
}

enum class VoteResult : uint8_t { pending, won, lost };

// The state of an election, where vote(peer) is an optional<bool>: granted, refused, not heard yet.
// Lost means that it can no longer be won.
template <typename F>
VoteResult tally(const Config& config, F vote) {
  if (quorum_reached(config, [&](PeerId peer) -> uint64_t { return vote(peer).value_or(false); })) {
    return VoteResult::won;
  }
  bool possible =
      quorum_reached(config, [&](PeerId peer) -> uint64_t { return vote(peer).value_or(true); }) != 0;
  return possible ? VoteResult::pending : VoteResult::lost;
}

}  // namespace aspen::raft

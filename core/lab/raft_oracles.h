// What Raft promises (Ongaro's thesis, figure 3.2), checked from outside over a whole cluster.
//
// The lab shows every member's core after each event that may have changed it; only what changed is looked
// at.
//
//   oracles.observe({.self = core.self(), .role = core.role(), ..., .log = &core.log()});
//   if (oracles.violation()) print(oracles.violation()->rule, oracles.violation()->detail);
//
// Rules, by name:
//   one-leader         at most one leader per term
//   leader-complete    a leader has every entry that was committed in an earlier term
//   log-matching       entries with one index and term are equal, and so is everything before them
//   committed-changed  two members committed different entries at one index
//   commit-backwards   commit, term or applied index went back without a restart; applied beyond commit
//   voted-twice        a member gave two votes in one term
//   state-differs      states after one applied index differ
//   ack-lost           a write was acknowledged at an index that nobody had committed
//
// The first violation is kept: what follows one is mostly its consequence.
//
// Entries are told apart by a hash. What every member known has applied is forgotten, and so is the oldest
// when more than kOracleEntriesMax are kept (a member that is down for long holds the rest back no more).
//
// Thread safety: none.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "core/raft/core.h"

namespace aspen::lab {

inline constexpr size_t kOracleEntriesMax = 200'000;
inline constexpr size_t kOracleTermsMax = 10'000;  // of leaders, and of each member's votes

struct RaftView {
  raft::PeerId self = raft::kNobody;
  raft::Role role = raft::Role::follower;
  raft::Term term = 0;
  raft::Index commit = 0;
  raft::Index applied = 0;
  const raft::Log* log = nullptr;
};
// Of a core that runs. `applied` is the state machine's.
RaftView view_of(const raft::Core& core, raft::Index applied);

class RaftOracles {
 public:
  struct Violation {
    std::string rule;
    std::string detail;
  };

  explicit RaftOracles(size_t entries_max = kOracleEntriesMax) : entries_max_(entries_max) {}

  void observe(const RaftView& view);
  // Of a member that has stopped with a fault: what it committed before it did may have been acknowledged.
  void observe_commits(const RaftView& view);
  // The member crashed or was stopped: what it had not made durable may be gone when it is seen again.
  void stopped(raft::PeerId peer);
  // The member was removed or wiped, and this incarnation will not come back.
  void forget(raft::PeerId peer);
  // A message has left its sender. Only votes are looked at; a vote that was not sent may be forgotten.
  void sent(const raft::Message& message);
  // The state machine's fingerprint after applying `applied`.
  void state(raft::PeerId peer, raft::Index applied, BytesView fingerprint);
  // A client was told that its write is at this index.
  void acknowledged(raft::Index index);

  const std::optional<Violation>& violation() const { return violation_; }
  raft::Index committed() const { return committed_to_; }
  size_t entries_kept() const { return committed_.size() + entries_.size(); }

 private:
  struct Member {
    raft::Term term = 0;
    raft::Index commit = 0;
    raft::Index applied = 0;
    std::deque<raft::EntryPtr> log;  // as last seen
    std::map<raft::Term, raft::PeerId> votes;
    bool running = false;
  };
  struct Committed {
    raft::Term term;     // of the entry
    raft::Term seen_in;  // the term of the first member seen to have committed it
    uint64_t hash;
    raft::PeerId by;
  };
  struct Known {
    uint64_t hash;
    std::optional<raft::Term> previous_term;
    raft::PeerId by;
  };

  void fail(const char* rule, std::string detail);
  void check_progress(const RaftView& view, Member& member);
  void check_leader(const RaftView& view);
  void check_log(const RaftView& view, Member& member);
  void check_entry(const RaftView& view, const raft::Entry& entry);
  void check_committed(const RaftView& view, raft::Index from);
  void prune();

  size_t entries_max_;
  std::map<raft::PeerId, Member> members_;
  std::map<raft::Term, raft::PeerId> leaders_;
  std::map<raft::Index, Committed> committed_;
  std::map<std::pair<raft::Index, raft::Term>, Known> entries_;
  std::map<raft::Index, std::pair<Bytes, raft::PeerId>> states_;
  raft::Index committed_to_ = 0;
  raft::Index pruned_to_ = 0;
  std::optional<Violation> violation_;
};

}  // namespace aspen::lab

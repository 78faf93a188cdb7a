#include "core/lab/raft_oracles.h"

#include <algorithm>
#include <cstring>

#include "core/base/hash.h"

namespace aspen::lab {
namespace {

using raft::Index;
using raft::PeerId;
using raft::Term;

uint64_t hash_of(const raft::Entry& entry) {
  Hash full = hash("aspen/lab/entry/1", {raft::encode(entry)});
  uint64_t out = 0;
  std::memcpy(&out, full.data(), sizeof(out));
  return out;
}

template <typename Map>
void keep_newest(Map& map, size_t count_max) {
  while (map.size() > count_max) map.erase(map.begin());
}

}  // namespace

RaftView view_of(const raft::Core& core, Index applied) {
  return {core.self(), core.role(), core.term(), core.commit(), applied, &core.log()};
}

void RaftOracles::fail(const char* rule, std::string detail) {
  if (!violation_) violation_ = {rule, std::move(detail)};
}

void RaftOracles::observe(const RaftView& view) {
  Member& member = members_[view.self];
  check_progress(view, member);
  check_log(view, member);
  // A member that is new or was restarted is compared from its log's start.
  check_committed(view, member.running ? member.commit : 0);
  if (view.role == raft::Role::leader) check_leader(view);
  member.term = view.term;
  member.commit = view.commit;
  member.applied = view.applied;
  member.running = true;
  prune();
}

void RaftOracles::observe_commits(const RaftView& view) {
  Member& member = members_[view.self];
  check_committed(view, member.running ? member.commit : 0);
  member.commit = view.commit;
}

void RaftOracles::check_progress(const RaftView& view, Member& member) {
  auto check = [&](const char* what, uint64_t before, uint64_t now) {
    if (!member.running || now >= before) return;
    fail("commit-backwards",
         fmt::format("peer {}: its {} went from {} back to {}", view.self, what, before, now));
  };
  check("commit index", member.commit, view.commit);
  check("term", member.term, view.term);
  check("applied index", member.applied, view.applied);
  if (view.applied > view.commit) {
    fail("commit-backwards", fmt::format("peer {} has applied up to {}, but committed up to {}", view.self,
                                         view.applied, view.commit));
  }
}

void RaftOracles::check_leader(const RaftView& view) {
  auto [it, fresh] = leaders_.emplace(view.term, view.self);
  if (it->second != view.self) {
    fail("one-leader", fmt::format("term {}: peers {} and {} lead", view.term, it->second, view.self));
  }
  if (!fresh) return;
  for (const auto& [index, committed] : committed_) {
    if (index < view.log->first_index() || committed.seen_in >= view.term) continue;
    if (view.log->term_at(index) == committed.term) continue;
    fail("leader-complete",
         fmt::format(
             "peer {} leads term {} without entry {} of term {}, committed in term {} (seen at peer {})",
             view.self, view.term, index, committed.term, committed.seen_in, committed.by));
  }
  keep_newest(leaders_, kOracleTermsMax);
}

// Looks at the log's end, down to the entry that was there the last time.
void RaftOracles::check_log(const RaftView& view, Member& member) {
  const raft::Log& log = *view.log;
  std::deque<raft::EntryPtr>& seen = member.log;
  while (!seen.empty() && seen.back()->index > log.last_index()) seen.pop_back();
  while (!seen.empty() && seen.front()->index < log.first_index()) seen.pop_front();
  while (!seen.empty() && seen.back() != log.at(seen.back()->index)) seen.pop_back();
  Index next = seen.empty() ? log.first_index() : seen.back()->index + 1;
  for (; next <= log.last_index(); ++next) {
    check_entry(view, *log.at(next));
    seen.push_back(log.at(next));
  }
}

// Equal entries with equal terms before them: by induction everything before them is equal.
void RaftOracles::check_entry(const RaftView& view, const raft::Entry& entry) {
  if (entry.index <= pruned_to_) return;
  std::optional<Term> previous = view.log->term_at(entry.index - 1);
  auto [it, fresh] =
      entries_.try_emplace({entry.index, entry.term}, Known{hash_of(entry), previous, view.self});
  if (fresh) return;
  Known& known = it->second;
  if (known.hash != hash_of(entry)) {
    fail("log-matching", fmt::format("entry {} of term {} is not the same at peers {} and {}", entry.index,
                                     entry.term, known.by, view.self));
  }
  if (known.previous_term && previous && known.previous_term != previous) {
    fail("log-matching",
         fmt::format("before entry {} of term {} peer {} has an entry of term {}, peer {} one of term {}",
                     entry.index, entry.term, known.by, *known.previous_term, view.self, *previous));
  }
  if (!known.previous_term) known.previous_term = previous;
}

void RaftOracles::check_committed(const RaftView& view, Index from) {
  const raft::Log& log = *view.log;
  Index to = std::min(view.commit, log.last_index());
  for (Index index = std::max({from + 1, log.first_index(), pruned_to_ + 1}); index <= to; ++index) {
    const raft::Entry& entry = *log.at(index);
    auto [it, fresh] = committed_.try_emplace(index, Committed{entry.term, view.term, 0, view.self});
    if (fresh) {
      it->second.hash = hash_of(entry);
    } else if (it->second.term != entry.term || it->second.hash != hash_of(entry)) {
      fail("committed-changed",
           fmt::format("entry {} is committed as one of term {} at peer {}, as one of term {} at peer {}",
                       index, it->second.term, it->second.by, entry.term, view.self));
    }
  }
  committed_to_ = std::max(committed_to_, view.commit);
}

void RaftOracles::stopped(PeerId peer) {
  auto it = members_.find(peer);
  if (it == members_.end()) return;
  it->second.running = false;
  it->second.log.clear();
}

void RaftOracles::forget(PeerId peer) {
  members_.erase(peer);
}

void RaftOracles::sent(const raft::Message& message) {
  bool asks = message.kind == raft::MessageKind::vote;
  bool grants = message.kind == raft::MessageKind::vote_reply && !message.reject;
  if (!asks && !grants) return;
  PeerId choice = asks ? message.from : message.to;
  auto& votes = members_[message.from].votes;
  auto [it, fresh] = votes.emplace(message.term, choice);
  if (!fresh && it->second != choice) {
    fail("voted-twice", fmt::format("peer {} voted in term {} for {} and for {}", message.from, message.term,
                                    it->second, choice));
  }
  keep_newest(votes, kOracleTermsMax);
}

void RaftOracles::state(PeerId peer, Index applied, BytesView fingerprint) {
  auto [it, fresh] = states_.try_emplace(applied, Bytes(fingerprint), peer);
  if (!fresh && it->second.first != fingerprint) {
    fail("state-differs", fmt::format("after applying {} peers {} and {} have different states", applied,
                                      it->second.second, peer));
  }
  keep_newest(states_, kOracleTermsMax);
}

void RaftOracles::acknowledged(Index index) {
  if (index > committed_to_) {
    fail("ack-lost", fmt::format("a write was acknowledged at index {}, but only {} entries are committed",
                                 index, committed_to_));
  }
}

void RaftOracles::prune() {
  Index applied = UINT64_MAX;
  for (const auto& [peer, member] : members_) applied = std::min(applied, member.applied);
  Index to = std::max(pruned_to_, applied);
  if (committed_.size() > entries_max_) {
    to = std::max(to, std::next(committed_.begin(), static_cast<std::ptrdiff_t>(entries_max_ / 2))->first);
  }
  if (entries_.size() > 2 * entries_max_) {
    to = std::max(to, std::next(entries_.begin(), static_cast<std::ptrdiff_t>(entries_max_))->first.first);
  }
  if (to == pruned_to_) return;
  pruned_to_ = to;
  committed_.erase(committed_.begin(), committed_.upper_bound(to));
  entries_.erase(entries_.begin(), entries_.lower_bound({to + 1, 0}));
}

}  // namespace aspen::lab

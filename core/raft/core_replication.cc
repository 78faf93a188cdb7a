// Replication and commitment (thesis 3.5, 3.6.2, 10.2).
//
// A leader sends nothing while it takes inputs; when its effects are taken, each follower gets what it is
// due: entries as far as its window allows, or an empty append when there are none and it does not know the
// newest commit index. So everything proposed in one turn leaves in one append, and commit indexes ride
// along when entries flow and travel at once when they do not.
#include <algorithm>

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/mutant.h"
#include "core/raft/core.h"
#include "core/raft/quorum.h"

namespace aspen::raft {
Result<Index> Core::propose(std::vector<Bytes> commands, WallNs wall, TimeNs now) {
  advance(now);
  if (role_ != Role::leader) return fail(Code::NOT_LEADER, "peer {:x} is not the leader", options_.self);
  if (transfer_) {
    return fail(Code::UNAVAILABLE, "leadership is being handed over to peer {:x}", transfer_->to);
  }
  if (commands.empty()) return fail(Code::INVALID_ARGUMENT, "no commands to propose");
  size_t bytes = 0;
  for (const Bytes& command : commands) {
    if (command.size() > kEntryBytesMax) {
      return fail(Code::LIMIT_EXCEEDED, "command is {} bytes; at most {}", command.size(), kEntryBytesMax);
    }
    bytes += command.size();
  }
  if (uncommitted_bytes_ > 0 && uncommitted_bytes_ + bytes > options_.proposals_bytes_max) {
    return fail(Code::OVERLOADED, "{} bytes wait to be committed and {} more were proposed; at most {}",
                uncommitted_bytes_, bytes, options_.proposals_bytes_max);
  }
  Index first = log_.last_index() + 1;
  for (Bytes& command : commands) append_local(EntryKind::command, std::move(command), wall);
  remember_proposals(first);
  return first;
}

// The sender leads our term; false when that cannot be true.
bool Core::heard_from_leader(const Message& message) {
  if (role_ == Role::leader) return false;
  if (role_ != Role::follower || leader_ == kNobody) {
    become_follower(hard_.term, message.from);
  } else if (leader_ != message.from) {
    return false;
  }
  timer_from_ = now_;
  return true;
}

void Core::on_append(const Message& message) {
  if (!heard_from_leader(message)) return;
  Message reply{.kind = MessageKind::append_reply, .to = message.from, .index = message.index};
  bool matches = log_.matches(message.index, message.log_term);
  if (ASPEN_MUTANT("raft-append-not-matched")) matches = message.index <= log_.last_index();
  if (!matches && message.index >= log_.snapshot().index) {
    if (message.index <= commit_) return;  // would rewrite history: no leader that keeps the rules
    // The leader has `log_term` there; no index at which we have a later term can agree (thesis 3.5).
    reply.reject = true;
    reply.hint = log_.last_not_after(message.index, message.log_term);
    reply.log_term = log_.term_at(reply.hint).value_or(0);
    return send(std::move(reply));
  }
  if (ASPEN_MUTANT("raft-truncate-committed") && message.index < log_.last_index()) {
    truncate_from(message.index + 1);
  }
  if (!append_new(message.entries)) return;
  Index agreed = std::max(message.index + message.entries.size(), commit_);
  if (ASPEN_MUTANT("raft-append-agrees-to-more")) agreed = log_.last_index();
  commit_to(std::min(message.commit, agreed));
  begin_catch_up(agreed, message.commit);
  // Nothing for a while: the leader alone is better.
  if (catch_up_ && now_ - catch_up_->progress >= options_.election) return end_catch_up();
  reply.index = agreed;
  reply.wait = catch_up_.has_value();
  send(std::move(reply));
}

// What of `entries`, which follow something that we have, we lack; in place of what they contradict. False
// when they would rewrite history: no leader that keeps the rules sends those.
bool Core::append_new(const std::vector<EntryPtr>& entries) {
  const EntryPtr* missing = log_.first_missing(entries);
  if (missing == nullptr) return true;
  Index from = (*missing)->index;
  if (from <= commit_) return false;
  if (from <= log_.last_index()) truncate_from(from);
  for (const EntryPtr& entry : entries) {
    if (entry->index >= from) append_entry(entry);
  }
  return true;
}

void Core::truncate_from(Index index) {
  ASPEN_ASSERT(index > commit_ && role_ != Role::leader);
  log_.truncate_from(index);
  disk_.truncated(index);
  if (configs_.truncate_from(index)) config_changed();
}

// A proposal takes over its index from what we proposed there in an earlier term and lost: an index stands
// for one proposal, the newest.
void Core::remember_proposals(Index first) {
  while (!own_proposals_.empty() && own_proposals_.back().last >= first) {
    own_proposals_.back().last = first - 1;
    if (own_proposals_.back().first < first) break;
    own_proposals_.pop_back();
  }
  if (!own_proposals_.empty()) {
    Proposals& newest = own_proposals_.back();
    if (newest.term == hard_.term && newest.last + 1 == first) {
      newest.last = log_.last_index();
      return;
    }
  }
  own_proposals_.push_back({hard_.term, first, log_.last_index()});
}

// What became of our proposals up to the commit index, whoever committed there.
void Core::settle_proposals() {
  while (!own_proposals_.empty() && own_proposals_.front().first <= commit_) {
    Proposals& own = own_proposals_.front();
    for (; own.first <= std::min(own.last, commit_); ++own.first) {
      if (!log_.matches(own.first, own.term)) out_.proposals_dropped.push_back(own.first);
    }
    if (own.first > own.last) own_proposals_.pop_front();
  }
}

void Core::on_heartbeat(const Message& message) {
  if (!heard_from_leader(message)) return;
  // The leader names no more than it knows us to have.
  commit_to(std::min(message.commit, log_.last_index()));
  Message reply{.kind = MessageKind::heartbeat_reply, .to = message.from, .round = message.round};
  promise(reply);
  send(std::move(reply));
  ask_leader_again();
}

void Core::on_append_reply(const Message& message) {
  auto it = followers_.find(message.from);
  if (it == followers_.end() || message.index > log_.last_index()) return;
  FollowerProgress& follower = it->second;
  follower.contact = now_;
  replicate_due_ = true;
  if (message.reject) {
    follower.rejected(message.index, log_.last_not_after(message.hint, message.log_term));
    return;
  }
  follower.accepted(message.index, log_.first_index());
  if (message.wait && follower.state() == FollowerProgress::State::replicate) follower.probe(true);
  advance_transfer();
  advance_commit();  // may end this leadership, and with it `follower`
}

void Core::on_heartbeat_reply(const Message& message) {
  auto it = followers_.find(message.from);
  if (it == followers_.end() || message.round > round_) return;
  FollowerProgress& follower = it->second;
  if (now_ - follower.contact >= options_.election) {
    follower.probe_again();  // back after a silence
    replicate_due_ = true;
  }
  follower.contact = now_;
  follower.round = std::max(follower.round, message.round);
  extend_lease(follower, message);
  confirm_reads();
}

void Core::tick_leader() {
  if (transfer_ && now_ >= transfer_->deadline) transfer_.reset();
  if (now_ < heartbeat_due_) return;
  heartbeat_due_ = next_multiple(now_, options_.heartbeat);
  // A leader that no majority answers would serve nobody and hold its clients (thesis 6.2).
  if (!quorum_is_active()) return become_follower(hard_.term, kNobody);
  if (!reads_.empty() && reads_.back().round > round_) {
    round_ = reads_.back().round;
    confirm_reads();  // a single voter hears no answer
  } else if (options_.lease_reads) {
    ++round_;  // so that its answers prolong the lease
  }
  for (auto& [peer, follower] : followers_) {
    send_heartbeat(peer, follower);
    bool active = now_ - follower.contact < options_.election;
    if (follower.state() == FollowerProgress::State::replicate) {
      // Nothing acknowledged for a whole interval: an append may be lost. An empty one after the last that
      // was sent is refused if so, and acknowledged if not.
      bool stuck = follower.match() < log_.last_index() && follower.match() == follower.match_at_tick;
      follower.ping = active && stuck;
      if (!active) follower.probe(true);
    } else if (active) {
      follower.probe_again();
    }
    follower.match_at_tick = follower.match();
  }
  replicate_due_ = true;
}

bool Core::quorum_is_active() const {
  return quorum_reached(config(), [&](PeerId peer) -> uint64_t {
           if (peer == options_.self) return true;
           auto it = followers_.find(peer);
           return it != followers_.end() && now_ - it->second.contact < options_.election;
         }) != 0;
}

void Core::replicate_all() {
  for (auto& [peer, follower] : followers_) replicate(peer, follower);
}

FollowerProgress::Window Core::window() const {
  size_t appends = ASPEN_BUGGIFY("raft-append-window-one") ? 1 : options_.appends_in_flight_max;
  bool all = ASPEN_MUTANT("raft-window-without-bytes");
  return {.appends = appends, .bytes = all ? SIZE_MAX : options_.appends_in_flight_bytes_max};
}

void Core::replicate(PeerId peer, FollowerProgress& follower) {
  bool probing = follower.state() == FollowerProgress::State::probe;
  FollowerProgress::Window most = window();
  while (follower.may_send(most)) {
    bool entries = follower.next() <= log_.last_index();
    bool news = follower.idle() && follower.commit_sent < commit_;
    if (!entries && !news && !probing && !follower.ping) return;
    if (!send_append(peer, follower) || !entries) return;
  }
  if (follower.ping) send_append(peer, follower);
}

// The entries from follower.next() on, as many as one append takes; false when they are compacted.
bool Core::send_append(PeerId peer, FollowerProgress& follower) {
  Index previous = follower.next() - 1;
  std::optional<Term> previous_term = log_.term_at(previous);
  if (!previous_term && follower.ask_at(log_.last_index())) {
    previous = log_.last_index();
    previous_term = log_.last_term();
  }
  // A snapshot is always an answer to how a follower that is probed can be brought up.
  bool snapshot = follower.state() == FollowerProgress::State::probe && applied_ > 0 &&
                  ASPEN_BUGGIFY("raft-snapshot-instead-of-log");
  if (!previous_term || snapshot) {
    offer_snapshot(peer, follower);
    return false;
  }
  Message message{.kind = MessageKind::append,
                  .to = peer,
                  .index = previous,
                  .log_term = *previous_term,
                  .commit = commit_};
  if (follower.may_send(window())) {
    size_t bytes_max = ASPEN_BUGGIFY("raft-append-one-entry") ? 1 : options_.append_bytes_max;
    message.entries = log_.slice(follower.next(), log_.last_index(), bytes_max);
  }
  size_t bytes = 0;
  for (const EntryPtr& entry : message.entries) bytes += entry->size_bytes();
  follower.sent(previous + message.entries.size(), bytes);
  follower.commit_sent = commit_;
  follower.ping = false;
  send(std::move(message));
  return true;
}

void Core::send_heartbeat(PeerId peer, FollowerProgress& follower) {
  remember_round();
  Index commit = std::min(commit_, follower.match());
  if (ASPEN_MUTANT("raft-heartbeat-commits-unmatched")) commit = commit_;
  follower.commit_sent = std::max(follower.commit_sent, commit);
  send({.kind = MessageKind::heartbeat, .to = peer, .commit = commit, .round = round_});
}

// The planted bug of docs/consensus.md: those who have answered in this reign, as soon as they are a
// majority.
Config Core::committee() const {
  Config seen = config();
  std::erase_if(seen.members, [&](const Member& member) {
    auto it = followers_.find(member.peer);
    return member.role == MemberRole::voter && it != followers_.end() && it->second.match() < term_start_;
  });
  return seen.members.size() > config().members.size() / 2 ? seen : config();
}

void Core::advance_commit() {
  Index reached = quorum_reached(ASPEN_MUTANT("raft-quorum-observed") ? committee() : config(),
                                 [&](PeerId peer) -> Index {
                                   if (peer == options_.self && ASPEN_MUTANT("raft-own-copy-not-durable"))
                                     return log_.last_index();
                                   if (peer == options_.self) return disk_.index();
                                   auto it = followers_.find(peer);
                                   return it == followers_.end() ? 0 : it->second.match();
                                 });
  // An entry of an earlier term may be on a majority and still be overwritten; it is committed by one of
  // ours behind it (thesis 3.6.2, figure 3.7).
  bool own_term = log_.term_at(reached) == hard_.term || ASPEN_MUTANT("raft-commit-old-term");
  if (reached <= commit_ || !own_term) return;
  commit_to(reached);
  replicate_due_ = true;
  admit_reads();
  config_committed();
}

void Core::commit_to(Index index) {
  if (index <= commit_) return;
  ASPEN_ASSERT(index <= log_.last_index());
  if (role_ == Role::leader) {
    for (Index i = commit_ + 1; i <= index; ++i) uncommitted_bytes_ -= log_.at(i)->size_bytes();
  }
  commit_ = index;
  settle_proposals();
}

}  // namespace aspen::raft

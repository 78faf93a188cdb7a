// Elections: pre-vote, votes, leader stickiness, transfer of leadership (thesis 3.4, 9.6, 4.2.3, 3.10).
#include <algorithm>

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/mutant.h"
#include "core/raft/core.h"
#include "core/raft/quorum.h"

namespace aspen::raft {
namespace {

bool from_leader(MessageKind kind) {
  return kind == MessageKind::append || kind == MessageKind::heartbeat || kind == MessageKind::snapshot;
}

}  // namespace

// Also when our newest configuration removes us but may not be committed: we may be the only one with a log
// complete enough to be elected and to finish the change (thesis 4.2.2). Our own vote then does not count.
bool Core::may_campaign() const {
  return configs_.is_voter_since(commit_, options_.self);
}

// While this holds, requests for votes are ignored: whoever asks was cut off or removed, and must not
// depose a leader that works (thesis 4.2.3). A leader is fresh to itself; check-quorum ends its reign.
bool Core::leader_is_fresh() const {
  if (role_ == Role::leader) return true;
  return leader_ != kNobody && now_ - timer_from_ < options_.election;
}

void Core::restart_election_timer() {
  timer_from_ = now_;
  uint64_t random = options_.random ? options_.random() : options_.self;
  if (ASPEN_BUGGIFY("raft-election-soon")) random = 0;  // members that all do this split the votes
  election_timeout_ =
      options_.election + static_cast<DurationNs>(random % static_cast<uint64_t>(options_.election));
}

void Core::tick_follower() {
  if (now_ < election_deadline()) return;
  if (may_campaign()) {
    start_pre_vote();
  } else if (leader_ != kNobody) {
    set_state(role_, kNobody);  // so that nobody is sent to a leader that is gone
  }
}

// Asks whether an election could be won before the term is raised, so that a peer that cannot reach a
// majority, or is behind, disturbs nobody when it comes back.
void Core::start_pre_vote() {
  set_state(Role::pre_candidate, kNobody);
  restart_election_timer();
  votes_ = {{options_.self, true}};
  request_votes(MessageKind::pre_vote, hard_.term + 1, false);
  count_votes();
}

void Core::campaign(bool transfer) {
  hard_ = {.term = hard_.term + 1, .vote = options_.self};
  set_state(Role::candidate, kNobody);
  restart_election_timer();
  votes_.clear();  // our own vote counts once it is synced
  request_votes(MessageKind::vote, hard_.term, transfer);
}

void Core::request_votes(MessageKind kind, Term term, bool transfer) {
  std::map<PeerId, bool> asked;
  for_each_voter(config(), [&](PeerId peer) {
    if (peer == options_.self || !asked.emplace(peer, true).second) return;
    send({.kind = kind,
          .to = peer,
          .term = term,
          .index = log_.last_index(),
          .log_term = log_.last_term(),
          .transfer = transfer});
  });
}

void Core::count_votes() {
  VoteResult result = tally(config(), [&](PeerId peer) -> std::optional<bool> {
    auto it = votes_.find(peer);
    return it == votes_.end() ? std::nullopt : std::optional(it->second);
  });
  if (result == VoteResult::lost) return become_follower(hard_.term, kNobody);
  if (result == VoteResult::pending) return;
  if (role_ == Role::pre_candidate) {
    campaign(false);
  } else if (disk_.hard_state() == hard_) {  // else once our own vote is synced
    become_leader();
  }
}

void Core::become_follower(Term term, PeerId leader) {
  ASPEN_ASSERT(term >= hard_.term);
  bool newer = term > hard_.term || ASPEN_MUTANT("raft-vote-forgotten");
  if (newer) hard_ = {.term = term, .vote = kNobody};
  fail_reads();
  transfer_.reset();
  followers_.clear();
  heartbeat_due_ = kNever;
  votes_.clear();
  set_state(Role::follower, leader);
  restart_election_timer();
}

void Core::become_leader() {
  ASPEN_ASSERT(role_ == Role::candidate && disk_.hard_state() == hard_);
  set_state(Role::leader, options_.self);
  sent_rounds_.clear();
  handed_over_ = false;
  votes_.clear();
  // The leaders on one clock speak at the same moments, and what they say to the same node travels together.
  heartbeat_due_ = next_multiple(now_, options_.heartbeat);
  config_changed();
  uncommitted_bytes_ = 0;
  for (Index index = commit_ + 1; index <= log_.last_index(); ++index) {
    uncommitted_bytes_ += log_.at(index)->size_bytes();
  }
  // Only an entry of its own term tells a leader what is committed (thesis 3.6.2, 6.4).
  append_local(EntryKind::noop, {}, log_.last_time());
  term_start_ = log_.last_index();
}

// A message from a later term. False: it is to be ignored.
bool Core::step_newer_term(const Message& message) {
  switch (message.kind) {
    case MessageKind::pre_vote:
      return !leader_is_fresh();  // changes no term, whatever the answer
    case MessageKind::pre_vote_reply:
      if (!message.reject) return true;  // granted for the term we would campaign in
      break;
    case MessageKind::vote:
      if (leader_is_fresh() && !message.transfer) return false;
      break;
    default:
      break;
  }
  become_follower(message.term, from_leader(message.kind) ? message.from : kNobody);
  return true;
}

// A message from an earlier term: its sender is told ours, so that it does not go on in vain. This is also
// how a peer whose term is ahead of a working leader's gets a new election instead of being stuck.
void Core::step_older_term(const Message& message) {
  if (message.kind == MessageKind::pre_vote) {
    send({.kind = MessageKind::pre_vote_reply, .to = message.from, .reject = true});
  } else if (message.kind == MessageKind::vote) {
    send({.kind = MessageKind::vote_reply, .to = message.from, .reject = true});
  } else if (from_leader(message.kind)) {
    send({.kind = MessageKind::append_reply, .to = message.from, .index = message.index, .reject = true});
  }
}

void Core::on_vote(const Message& message) {
  bool up_to_date =
      log_.up_to_date(message.index, message.log_term) || ASPEN_MUTANT("raft-leader-incomplete-log-vote");
  if (message.kind == MessageKind::pre_vote) {
    if (ASPEN_BUGGIFY("raft-pre-vote-unanswered")) return;
    bool grant = up_to_date && message.term > hard_.term;
    send({.kind = MessageKind::pre_vote_reply,
          .to = message.from,
          .term = grant ? message.term : hard_.term,
          .reject = !grant});
    return;
  }
  bool free = hard_.vote == message.from || (hard_.vote == kNobody && leader_ == kNobody);
  bool grant = (free || ASPEN_MUTANT("raft-vote-twice-in-term")) && up_to_date;
  if (grant) {
    hard_.vote = message.from;
    restart_election_timer();
  }
  send({.kind = MessageKind::vote_reply, .to = message.from, .reject = !grant});
}

void Core::on_vote_reply(const Message& message) {
  bool pre_vote = message.kind == MessageKind::pre_vote_reply;
  if (role_ != (pre_vote ? Role::pre_candidate : Role::candidate)) return;
  if (pre_vote && !message.reject && message.term != hard_.term + 1) return;
  votes_.emplace(message.from, !message.reject);
  count_votes();
}

void Core::on_timeout_now() {
  if (role_ != Role::leader && role_ != Role::candidate && may_campaign()) campaign(true);
}

Result<> Core::transfer_leadership(PeerId to, TimeNs now) {
  advance(now);
  if (role_ != Role::leader) return fail(Code::NOT_LEADER, "peer {:x} is not the leader", options_.self);
  if (to == options_.self) return {};
  if (to == kNobody) {
    const FollowerProgress* best = nullptr;
    for (const auto& [peer, follower] : followers_) {
      bool able = config().is_voter(peer) && now_ - follower.contact < options_.election;
      if (!able || (best != nullptr && follower.match() <= best->match())) continue;
      best = &follower;
      to = peer;
    }
    if (to == kNobody) return fail(Code::NOT_FOUND, "no other voter is in contact with the leader");
  }
  if (!config().is_voter(to)) return fail(Code::NOT_FOUND, "peer {:x} is not a voter", to);
  transfer_ = Transfer{.to = to, .deadline = now_ + options_.election, .sent = false};
  replicate_due_ = true;
  advance_transfer();
  return {};
}

// The target may start its election once it has the whole log.
void Core::advance_transfer() {
  if (!transfer_ || transfer_->sent) return;
  auto it = followers_.find(transfer_->to);
  if (it == followers_.end()) {
    transfer_.reset();
  } else if (it->second.match() == log_.last_index()) {
    transfer_->sent = true;
    handed_over_ = !ASPEN_MUTANT("raft-lease-kept-in-transfer");
    send({.kind = MessageKind::timeout_now, .to = transfer_->to});
  }
}

}  // namespace aspen::raft

#include "core/raft/core.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/mutant.h"
#include "core/raft/quorum.h"

namespace aspen::raft {
namespace {

// While the disk stalls, promises pile up: appends are re-acknowledged and candidates ask again. Messages
// may be lost anyway, so beyond this many the oldest go.
constexpr size_t kHeldMessagesMax = 4096;

bool is_reply(MessageKind kind) {
  switch (kind) {
    case MessageKind::pre_vote_reply:
    case MessageKind::vote_reply:
    case MessageKind::append_reply:
    case MessageKind::heartbeat_reply:
    case MessageKind::read_index_reply:
    case MessageKind::fetched:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool Effects::empty() const {
  return messages.empty() && messages_after_sync.empty() && sync_token == 0 && committed.empty() &&
         reads_ready.empty() && reads_failed.empty() && proposals_dropped.empty() && !state_changed;
}

Core::Core(Options options, Durable durable, Index applied, TimeNs now)
    : options_(std::move(options)),
      log_(std::move(durable.snapshot), std::move(durable.entries)),
      configs_(log_.snapshot()),
      disk_(durable.hard_state, log_.last_index()),
      hard_(durable.hard_state),
      commit_(applied),
      handed_out_(applied),
      applied_(applied),
      now_(now),
      timer_from_(now) {
  ASPEN_ASSERT(options_.self != kNobody);
  ASPEN_ASSERT(options_.heartbeat > 0 && options_.election > options_.heartbeat);
  ASPEN_ASSERT(options_.election <= 3600 * kSecond && options_.clock_drift_ppm_max <= 500'000);
  ASPEN_ASSERT(applied >= log_.snapshot().index && applied <= log_.last_index());
  if (options_.append_bytes_max == 0) options_.append_bytes_max = limits::kAppendBytesMax;
  if (options_.appends_in_flight_max == 0) options_.appends_in_flight_max = limits::kAppendsInFlightMax;
  if (options_.appends_in_flight_bytes_max == 0) {
    options_.appends_in_flight_bytes_max = limits::kAppendsInFlightBytesMax;
  }
  if (options_.catch_up_entries == 0) options_.catch_up_entries = limits::kCatchUpEntries;
  if (options_.proposals_bytes_max == 0) options_.proposals_bytes_max = limits::kProposalsQueuedBytesMax;
  for (Index index = log_.first_index(); index <= log_.last_index(); ++index) {
    const EntryPtr& entry = log_.at(index);
    if (entry->kind != EntryKind::config) continue;
    Result<Config> config = decode_config(BytesView(entry->data));
    ASPEN_ASSERT(config.has_value());  // the log store has checked it
    configs_.append(index, *std::move(config));
  }
  // A crash between a snapshot's installation and the next write of the hard state. No vote was cast in
  // that term: it would have been written.
  if (hard_.term < log_.last_term()) hard_ = {.term = log_.last_term(), .vote = kNobody};
  restart_election_timer();
  // Before the crash we may have promised; nor do we vote for ourselves then (core_lease.cc).
  bool forgets = ASPEN_MUTANT("raft-lease-promise-forgotten");
  if (options_.lease_reads && hard_.term > 0 && !forgets) promised_until_ = now_ + options_.election;
  // A group of one has nobody to wait for.
  if (promised_until_ == 0 && may_campaign() &&
      tally(config(), [&](PeerId peer) { return std::optional(peer == options_.self); }) == VoteResult::won) {
    election_timeout_ = 0;
  }
}

void Core::bootstrap(const Member& self, WallNs wall, TimeNs now) {
  ASPEN_ASSERT(self.peer == options_.self && self.role == MemberRole::voter);
  ASPEN_ASSERT(log_.last_index() == 0 && hard_ == HardState{});
  advance(now);
  hard_ = {.term = 1, .vote = options_.self};
  append_local(EntryKind::config, encode(Config{.members = {self}}), wall);
  votes_.clear();
  set_state(Role::candidate, kNobody);  // elected by its own vote, once that is synced
  restart_election_timer();
}

void Core::advance(TimeNs now) {
  now_ = std::max(now_, now);
}

void Core::tick(TimeNs now) {
  advance(now);
  if (role_ == Role::leader) {
    tick_leader();
  } else {
    tick_follower();
  }
}

TimeNs Core::next_tick() const {
  if (role_ == Role::leader) {
    return transfer_ ? std::min(heartbeat_due_, transfer_->deadline) : heartbeat_due_;
  }
  return may_campaign() || leader_ != kNobody ? election_deadline() : kNever;
}

void Core::step(Message message, TimeNs now) {
  advance(now);
  if (message.to != options_.self || message.from == kNobody || message.from == options_.self) return;
  // Answers count only from members. Requests are taken from anyone: our configuration may be the old one.
  if (is_reply(message.kind) && config().find(message.from) == nullptr) return;
  bool older = message.term < hard_.term && !ASPEN_MUTANT("raft-older-term-heard");
  if (older) return step_older_term(message);
  if (promised(message)) return;
  if (message.term > hard_.term && !step_newer_term(message)) return;
  switch (message.kind) {
    case MessageKind::pre_vote:
    case MessageKind::vote:
      return on_vote(message);
    case MessageKind::pre_vote_reply:
    case MessageKind::vote_reply:
      return on_vote_reply(message);
    case MessageKind::append:
      return on_append(message);
    case MessageKind::append_reply:
      return on_append_reply(message);
    case MessageKind::heartbeat:
      return on_heartbeat(message);
    case MessageKind::heartbeat_reply:
      return on_heartbeat_reply(message);
    case MessageKind::snapshot:
      return on_snapshot_offer(message);
    case MessageKind::timeout_now:
      return on_timeout_now();
    case MessageKind::read_index:
      return on_read_index(message);
    case MessageKind::read_index_reply:
      return on_read_index_reply(message);
    case MessageKind::fetch:
      return on_fetch(message);
    case MessageKind::fetched:
      return on_fetched(message);
  }
}

void Core::synced(uint64_t token, TimeNs now) {
  advance(now);
  disk_.synced(token);
  while (!held_.empty() && held_.front().token <= token) {
    Message& message = held_.front().message;
    if (message.term >= hard_.term) out_.messages.push_back(std::move(message));
    held_.pop_front();
  }
  // Our own vote and our own copy of an entry count from now on.
  if (role_ == Role::candidate && disk_.hard_state() == hard_) {
    votes_[options_.self] = true;
    count_votes();
  }
  if (role_ == Role::leader) advance_commit();
}

void Core::applied(Index index) {
  ASPEN_ASSERT(index <= handed_out_);
  applied_ = std::max(applied_, index);
}

// Whether `message` says something that a crash must not take back: a term, a vote, an entry's place in
// our log, or a claim to votes that rests on our log.
bool Core::promises(const Message& message) const {
  if (ASPEN_MUTANT("raft-vote-not-durable") && message.kind == MessageKind::vote_reply) return false;
  if (ASPEN_MUTANT("raft-append-not-durable") && message.kind == MessageKind::append_reply) return false;
  if (hard_.term != disk_.hard_state().term) return true;
  switch (message.kind) {
    case MessageKind::vote:
      return hard_ != disk_.hard_state() || log_.last_index() != disk_.index();
    case MessageKind::vote_reply:
      return !message.reject && hard_ != disk_.hard_state();
    case MessageKind::append_reply:
      return !message.reject && message.index > disk_.index();
    default:
      return false;
  }
}

void Core::send(Message message) {
  message.from = options_.self;
  if (message.term == 0) message.term = hard_.term;
  (promises(message) ? promises_ : out_.messages).push_back(std::move(message));
}

void Core::set_state(Role role, PeerId leader) {
  if (leader != leader_) {
    fail_asked();
    catch_up_.reset();
  }
  role_ = role;
  leader_ = leader;
  out_.state_changed = true;
}

void Core::append_entry(EntryPtr entry) {
  if (entry->kind == EntryKind::config) {
    Result<Config> config = decode_config(BytesView(entry->data));
    ASPEN_ASSERT(config.has_value());  // made here, or checked when the message was decoded
    configs_.append(entry->index, *std::move(config));
    log_.append(std::move(entry));
    config_changed();
  } else {
    log_.append(std::move(entry));
  }
}

void Core::append_local(EntryKind kind, Bytes data, WallNs time) {
  auto entry = std::make_shared<const Entry>(Entry{.index = log_.last_index() + 1,
                                                   .term = hard_.term,
                                                   .kind = kind,
                                                   .time = std::max(time, log_.last_time()),
                                                   .data = std::move(data)});
  uncommitted_bytes_ += entry->size_bytes();
  append_entry(std::move(entry));
  replicate_due_ = true;
}

bool Core::has_effects() const {
  return !out_.empty() || replicate_due_ || !promises_.empty() || disk_.dirty(hard_, log_.last_index()) ||
         handed_out_ < std::min(commit_, disk_.index());
}

Effects Core::take_effects() {
  if (role_ == Role::leader) {
    start_read_round();
    replicate_all();
  }
  replicate_due_ = false;
  Effects effects = std::exchange(out_, {});
  collect_write(effects);
  collect_promises(effects);
  Index apply_to = std::min(commit_, disk_.index());
  if (ASPEN_MUTANT("raft-apply-before-commit")) apply_to = log_.last_index();
  for (; handed_out_ < apply_to; ++handed_out_) effects.committed.push_back(log_.at(handed_out_ + 1));
  return effects;
}

void Core::collect_write(Effects& effects) {
  if (!disk_.dirty(hard_, log_.last_index())) return;
  Durability::Write write = disk_.begin(hard_, log_.last_index());
  effects.sync_token = write.token;
  if (write.hard_state) effects.hard_state = hard_;
  effects.truncate_from = write.truncate_from;
  for (Index index = write.first; index <= log_.last_index(); ++index) {
    effects.entries.push_back(log_.at(index));
  }
}

void Core::collect_promises(Effects& effects) {
  for (Message& message : promises_) {
    if (message.term < hard_.term) continue;  // of no use to anybody any more
    if (effects.sync_token != 0) {
      effects.messages_after_sync.push_back(std::move(message));
    } else if (disk_.writing()) {
      hold(std::move(message));
    } else {
      effects.messages.push_back(std::move(message));
    }
  }
  promises_.clear();
}

// Keeps a promise until the newest write in flight is done.
void Core::hold(Message message) {
  uint64_t token = disk_.newest();
  if (message.kind == MessageKind::append_reply && !message.reject && !held_.empty()) {
    // An acknowledgement says all that an earlier one to the same leader said.
    Held& last = held_.back();
    bool covered = last.token == token && last.message.kind == message.kind && !last.message.reject &&
                   last.message.to == message.to && last.message.term == message.term;
    if (covered) {
      last.message.index = std::max(last.message.index, message.index);
      return;
    }
  }
  held_.push_back({token, std::move(message)});
  size_t held_max = ASPEN_BUGGIFY("raft-promises-held-one") ? 1 : kHeldMessagesMax;
  while (held_.size() > held_max) held_.pop_front();
}

Status Core::status() const {
  Status status{.self = options_.self,
                .role = role_,
                .term = hard_.term,
                .leader = leader_,
                .commit = commit_,
                .applied = applied_,
                .first_index = log_.first_index(),
                .last_index = log_.last_index(),
                .config = config(),
                .progress = {}};
  for (const auto& [peer, follower] : followers_) {
    status.progress[peer] = {.match = follower.match(),
                             .next = follower.next(),
                             .active = now_ - follower.contact < options_.election,
                             .snapshotting = follower.state() == FollowerProgress::State::snapshot};
  }
  return status;
}

}  // namespace aspen::raft

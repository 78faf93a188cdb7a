// Linearizable reads without log entries: ReadIndex (thesis 6.4).
//
// A read is served from the state after the commit index at its arrival, once a majority has confirmed
// after its arrival that this leader was not deposed. The confirmation is a round number that heartbeats
// carry and replies repeat. One round is under way at a time; every read that arrives meanwhile shares the
// next one. Reads of other members' clients are among them: a follower asks for the index and serves itself.
#include <algorithm>

#include "core/base/mutant.h"
#include "core/raft/core.h"
#include "core/raft/quorum.h"

namespace aspen::raft {
namespace {

constexpr size_t kReadsWaitingMax = 64u << 10;

}  // namespace

void Core::read_index(uint64_t id, TimeNs now) {
  advance(now);
  if (role_ != Role::leader || reads_.size() >= kReadsWaitingMax) {
    out_.reads_failed.push_back(id);
    return;
  }
  add_read({.id = id, .index = commit_, .round = 0});
}

void Core::add_read(Read read) {
  if (committed_in_term() || ASPEN_MUTANT("raft-read-before-own-commit")) read.round = round_ + 1;
  reads_.push_back(read);
  replicate_due_ = true;
}

// After the first commit of the term the commit index is known to be the newest: reads may begin.
void Core::admit_reads() {
  if (!committed_in_term()) return;
  for (Read& read : reads_) {
    if (read.round == 0) {
      read = {.id = read.id, .index = commit_, .round = round_ + 1, .from = read.from};
    }
  }
}

void Core::start_read_round() {
  if (reads_.empty() || reads_.front().round != round_ + 1) return;  // none, too early, or one under way
  ++round_;
  confirm_reads();
  if (reads_.empty()) return;
  for (auto& [peer, follower] : followers_) {
    if (config().is_voter(peer)) send_heartbeat(peer, follower);
  }
}

void Core::confirm_reads() {
  if (reads_.empty() || reads_.front().round == 0) return;
  uint64_t confirmed = quorum_reached(config(), [&](PeerId peer) -> uint64_t {
    if (peer == options_.self) return round_;
    if (ASPEN_MUTANT("raft-read-confirmed-by-itself")) return round_;
    auto it = followers_.find(peer);
    return it == followers_.end() ? 0 : it->second.round;
  });
  while (!reads_.empty() && reads_.front().round <= confirmed) {
    const Read& read = reads_.front();
    if (read.from == kNobody) {
      out_.reads_ready.push_back({read.id, read.index});
    } else {
      send({.kind = MessageKind::read_index_reply, .to = read.from, .index = read.index, .round = read.id});
    }
    reads_.pop_front();
  }
}

// Those of others are not answered: they hear of the next leader themselves.
void Core::fail_reads() {
  for (const Read& read : reads_) {
    if (read.from == kNobody) out_.reads_failed.push_back(read.id);
  }
  reads_.clear();
}

// At a member that does not lead: the leader says at which index, and the state here has to get there.

void Core::read_from_leader(uint64_t id, TimeNs now) {
  advance(now);
  if (role_ == Role::leader) return read_index(id, now);
  if (leader_ == kNobody || asked_.size() >= kReadsWaitingMax) {
    out_.reads_failed.push_back(id);
    return;
  }
  // Never a number again, also not after a restart: the answer to an older read would be too early.
  if (asked_newest_ == 0 && options_.random) asked_newest_ = options_.random() & (kNumberMax >> 1);
  asked_.push_back({.id = id, .number = ++asked_newest_, .sent = now_});
  ask_leader(asked_.back());
}

void Core::ask_leader(Asked& asked) {
  asked.sent = now_;
  send({.kind = MessageKind::read_index, .to = leader_, .round = asked.number});
}

// With the leader's heartbeat: what was not answered for as long as one may be lost.
void Core::ask_leader_again() {
  for (Asked& asked : asked_) {
    if (now_ - asked.sent >= options_.heartbeat) ask_leader(asked);
  }
}

void Core::fail_asked() {
  for (const Asked& asked : asked_) out_.reads_failed.push_back(asked.id);
  asked_.clear();
}

void Core::on_read_index(const Message& message) {
  if (role_ != Role::leader || config().find(message.from) == nullptr) return;
  if (reads_.size() >= kReadsWaitingMax) {
    return send(
        {.kind = MessageKind::read_index_reply, .to = message.from, .reject = true, .round = message.round});
  }
  add_read({.id = message.round, .index = commit_, .round = 0, .from = message.from});
}

void Core::on_read_index_reply(const Message& message) {
  if (message.from != leader_) return;
  auto it = std::ranges::find(asked_, message.round, &Asked::number);
  if (it == asked_.end()) return;
  if (message.reject) {
    out_.reads_failed.push_back(it->id);
  } else {
    out_.reads_ready.push_back(
        {it->id, ASPEN_MUTANT("raft-follower-read-at-its-commit") ? commit_ : message.index});
  }
  asked_.erase(it);
}

}  // namespace aspen::raft

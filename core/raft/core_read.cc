// Linearizable reads without log entries: ReadIndex (thesis 6.4).
//
// A read is served from the state after the commit index at its arrival, once a majority has confirmed
// after its arrival that this leader was not deposed. The confirmation is a round number that heartbeats
// carry and replies repeat. One round is under way at a time; every read that arrives meanwhile shares the
// next one.
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
  reads_.push_back(
      {.id = id,
       .index = commit_,
       .round = committed_in_term() || ASPEN_MUTANT("raft-read-before-own-commit") ? round_ + 1 : 0});
  replicate_due_ = true;
}

// After the first commit of the term the commit index is known to be the newest: reads may begin.
void Core::admit_reads() {
  if (!committed_in_term()) return;
  for (Read& read : reads_) {
    if (read.round == 0) read = {.id = read.id, .index = commit_, .round = round_ + 1};
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
    out_.reads_ready.push_back({reads_.front().id, reads_.front().index});
    reads_.pop_front();
  }
}

void Core::fail_reads() {
  for (const Read& read : reads_) out_.reads_failed.push_back(read.id);
  reads_.clear();
}

}  // namespace aspen::raft

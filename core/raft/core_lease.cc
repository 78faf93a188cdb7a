// Reads under a lease (thesis 6.4.1): the leader knows for a while that nobody else can lead, and asks
// nobody.
//
// A member that answers a heartbeat promises to vote for nobody for one election timeout by its clock. The
// promise outlives the term it was made in, and a restart: a member that starts knows not what it promised,
// and keeps a whole one. When a majority (of both halves, in a joint configuration) has promised, no other
// leader can be elected until the first of these promises ends, so what this one has committed is all there
// is. It counts a promise from when it SENT the heartbeat, which was before it was heard, and shortens it for
// clocks that differ: if no clock gains or loses more than d, promise * (1 - d) / (1 + d) by our clock is
// over before the promise is by the other's. Only monotonic clocks count; what the wall clock says is nothing
// here.
//
//   leader      |sent ------- lease, by our clock ------|        promise * (1 - d) / (1 + d)
//   follower         |heard ------ promise, by its clock ------|
//
// The one that a leader asks to take over is voted for all the same, whenever that request arrives; so from
// then on there are no leases in this term. A leader that steps down serves nothing.
#include <algorithm>

#include "core/base/mutant.h"
#include "core/raft/core.h"
#include "core/raft/quorum.h"

namespace aspen::raft {
namespace {

// Heartbeats within one election timeout, at the pace of reads that each begin a round; with more of them
// the answers to the oldest prolong nothing.
constexpr size_t kSentRoundsMax = 4096;

}  // namespace

// Whether `message` asks for a vote that we have promised to nobody.
bool Core::promised(const Message& message) const {
  bool asks = message.kind == MessageKind::vote || message.kind == MessageKind::pre_vote;
  return asks && !message.transfer && now_ < promised_until_ && !ASPEN_MUTANT("raft-lease-promise-broken");
}

void Core::promise(Message& reply) {
  if (!options_.lease_reads) return;
  promised_until_ = std::max(promised_until_, now_ + options_.election);
  reply.promise = options_.election;
}

// A heartbeat of the newest round leaves.
void Core::remember_round() {
  if (!options_.lease_reads || (!sent_rounds_.empty() && sent_rounds_.back().round == round_)) return;
  sent_rounds_.push_back({round_, now_});
  while (sent_rounds_.size() > kSentRoundsMax || sent_rounds_.front().at + options_.election < now_) {
    sent_rounds_.pop_front();
  }
}

void Core::extend_lease(FollowerProgress& follower, const Message& reply) const {
  auto sent = std::ranges::lower_bound(sent_rounds_, reply.round, {}, &SentRound::round);
  if (sent == sent_rounds_.end() || sent->round != reply.round) return;
  DurationNs drift = ASPEN_MUTANT("raft-lease-ignores-drift") ? 0 : options_.clock_drift_ppm_max;
  DurationNs promise = std::min(reply.promise, options_.election);
  constexpr DurationNs kMillion = 1'000'000;
  TimeNs begin = ASPEN_MUTANT("raft-lease-from-the-answer") ? now_ : sent->at;
  TimeNs until = begin + promise * (kMillion - drift) / (kMillion + drift);
  if (promise > 0) follower.lease_until = std::max(follower.lease_until, until);
}

TimeNs Core::lease_end() const {
  if (role_ != Role::leader || !options_.lease_reads || handed_over_) return 0;
  return static_cast<TimeNs>(quorum_reached(config(), [&](PeerId peer) -> uint64_t {
    if (peer == options_.self) return static_cast<uint64_t>(kNever);
    auto it = followers_.find(peer);
    return it == followers_.end() ? 0 : static_cast<uint64_t>(it->second.lease_until);
  }));
}

std::optional<Index> Core::lease_read(TimeNs now) {
  advance(now);
  if (!committed_in_term() || now_ >= lease_end()) return std::nullopt;
  return commit_;
}

}  // namespace aspen::raft

// Membership changes (thesis 4): the leader's part. What a change looks like is membership.h's.
#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mutant.h"
#include "core/raft/core.h"

namespace aspen::raft {

Result<Index> Core::propose_config(std::vector<Member> members, WallNs wall, TimeNs now, ChangeVia via) {
  advance(now);
  if (role_ != Role::leader) return fail(Code::NOT_LEADER, "peer {:x} is not the leader", options_.self);
  if (transfer_) {
    return fail(Code::UNAVAILABLE, "leadership is being handed over to peer {:x}", transfer_->to);
  }
  // Two changes at a time, or one before the leader knows what is committed, could have majorities that
  // do not overlap (thesis 4.1, and Ongaro's correction of 2015).
  bool under_way = configs_.current_index() > commit_ && !ASPEN_MUTANT("raft-two-changes-at-a-time");
  if (under_way || config().joint()) {
    return fail(Code::UNAVAILABLE, "another membership change is under way");
  }
  if (!committed_in_term()) {
    return fail(Code::UNAVAILABLE, "the leader has not committed its first entry yet");
  }
  ASPEN_TRY(Config next, plan_change(config(), std::move(members), via));
  append_local(EntryKind::config, encode(next), wall);
  remember_proposals(log_.last_index());
  return log_.last_index();
}

// Another configuration is in force: a leader replicates to exactly its members.
void Core::config_changed() {
  out_.state_changed = true;
  if (role_ != Role::leader) return;
  std::erase_if(followers_, [&](const auto& item) { return config().find(item.first) == nullptr; });
  auto add = [&](const Member& member) {
    if (member.peer != options_.self) followers_.try_emplace(member.peer, log_.last_index() + 1, now_);
  };
  std::ranges::for_each(config().members, add);
  std::ranges::for_each(config().leaving, add);
  replicate_due_ = true;
}

// Called on the leader when commit advanced.
void Core::config_committed() {
  if (configs_.current_index() > commit_) return;
  if (config().joint()) {
    append_local(EntryKind::config, encode(leave_joint(config())), log_.last_time());
  } else if (!config().is_voter(options_.self)) {
    leave_leadership();
  }
}

// A leader that is no longer a voter led until its removal was committed (thesis 4.2.2). It says so to the
// others and lets the most complete of them start an election at once.
void Core::leave_leadership() {
  const FollowerProgress* best = nullptr;
  PeerId heir = kNobody;
  for (auto& [peer, follower] : followers_) {
    send_heartbeat(peer, follower);
    if (!config().is_voter(peer) || (best != nullptr && follower.match() <= best->match())) continue;
    best = &follower;
    heir = peer;
  }
  if (heir != kNobody) send({.kind = MessageKind::timeout_now, .to = heir});
  become_follower(hard_.term, kNobody);
}

}  // namespace aspen::raft

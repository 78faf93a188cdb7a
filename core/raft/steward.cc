#include "core/raft/steward.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/mutant.h"

namespace aspen::raft {
namespace {

bool is_majority(size_t some, size_t all) {
  return some > all / 2;
}

size_t count_voters(const Status& status) {
  return static_cast<size_t>(std::ranges::count(status.config.members, MemberRole::voter, &Member::role));
}

bool is_well(const Status& status, const Member& member, Index lag_entries) {
  if (member.peer == status.self) return true;
  auto progress = status.progress.find(member.peer);
  return progress != status.progress.end() && progress->second.active &&
         progress->second.match + lag_entries >= status.commit;
}

}  // namespace

Result<std::optional<std::vector<Member>>> without(const Status& status, const NodeId& node,
                                                   const StewardOptions& options) {
  std::vector<Member> members = status.config.members;
  if (std::erase_if(members, [&](const Member& member) { return member.node == node; }) == 0) {
    return std::nullopt;
  }
  size_t voters = 0;
  size_t well = 0;
  for (const Member& member : members) {
    if (member.role != MemberRole::voter) continue;
    ++voters;
    // A new leader takes everybody for alive until an election timeout has passed: who has acknowledged
    // nothing to it may have been dead for long.
    const bool answered = member.peer == status.self || status.progress.at(member.peer).match > 0 ||
                          ASPEN_MUTANT("raft-removal-by-a-new-leader");
    if (answered && is_well(status, member, options.lag_entries)) ++well;
  }
  if (voters == 0) {
    return fail(Code::INVALID_ARGUMENT, "{} is the only voter; another node has to join before it can go",
                node.to_string());
  }
  if (!is_majority(well, voters) && !ASPEN_MUTANT("raft-removal-loses-quorum")) {
    return fail(
        Code::UNAVAILABLE,
        "without {} there would be {} voters, of which {} can be reached and are not far behind, which is no "
        "majority; start the others, or remove one of those that are gone",
        node.to_string(), voters, well);
  }
  return members;
}

Steward::Steward(StewardOptions options) : options_(options) {
  ASPEN_ASSERT(options_.voters_min >= 3);
}

std::optional<Steward::Change> Steward::decide(const Status& status, TimeNs now) {
  if (status.role != Role::leader) {
    well_at_.clear();
    return std::nullopt;
  }
  look(status, now);
  if (status.config.joint()) return std::nullopt;
  if (auto change = demote(status, now)) return change;
  return promote(status);
}

void Steward::look(const Status& status, TimeNs now) {
  well_.clear();
  std::map<PeerId, TimeNs> before = std::exchange(well_at_, {});
  for (const Member& member : status.config.members) {
    if (member.role != MemberRole::voter) continue;
    bool well = is_well(status, member, options_.lag_entries);
    if (well) well_.insert(member.peer);
    auto known = before.find(member.peer);
    well_at_[member.peer] = well || known == before.end() ? now : known->second;
  }
}

std::optional<Steward::Change> Steward::demote(const Status& status, TimeNs now) const {
  if (options_.dead_voter_after == 0) return std::nullopt;
  Change change{.members = status.config.members, .via = ChangeVia::joint};
  size_t voters = count_voters(status);
  size_t stay = 0;
  for (Member& member : change.members) {
    if (member.role != MemberRole::voter) continue;
    bool dead = now - well_at_.at(member.peer) >= options_.dead_voter_after;
    if (!dead) {
      bool well = well_.contains(member.peer) || ASPEN_MUTANT("raft-demote-with-others-unwell");
      if (!well) return std::nullopt;
      ++stay;
      continue;
    }
    member.role = MemberRole::learner;
    change.demoted.push_back(member.node);
  }
  size_t least = ASPEN_MUTANT("raft-demote-below-three") ? 1 : options_.voters_min;
  if (change.demoted.empty() || stay < least || !is_majority(stay, voters)) return std::nullopt;
  return change;
}

std::optional<Steward::Change> Steward::promote(const Status& status) const {
  Change change{.members = status.config.members};
  for (Member& member : change.members) {
    if (member.role != MemberRole::learner) continue;
    auto progress = status.progress.find(member.peer);
    if (progress == status.progress.end() || !progress->second.active) continue;
    // How far behind is a matter of speed only: until it has the rest, the others are the majority.
    bool early = ASPEN_BUGGIFY("raft-promote-early") || ASPEN_MUTANT("raft-promote-unready");
    bool caught_up = progress->second.match + options_.caught_up_entries >= status.commit || early;
    if (progress->second.match == 0 || !caught_up) continue;
    bool quorum_stays = is_majority(well_.size() + 1, count_voters(status) + 1);
    if (!quorum_stays && !ASPEN_MUTANT("raft-promote-loses-quorum")) continue;
    member.role = MemberRole::voter;
    change.promoted.push_back(member.node);
    return change;
  }
  return std::nullopt;
}

}  // namespace aspen::raft

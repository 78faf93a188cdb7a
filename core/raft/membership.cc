#include "core/raft/membership.h"

#include <algorithm>
#include <set>

#include "core/base/assert.h"
#include "core/base/mutant.h"
#include "core/raft/quorum.h"

namespace aspen::raft {
namespace {

bool by_peer(const Member& a, const Member& b) {
  return a.peer < b.peer;
}

std::vector<PeerId> voters_of(const std::vector<Member>& members) {
  std::vector<PeerId> voters;
  for (const Member& member : members) {
    if (member.role == MemberRole::voter) voters.push_back(member.peer);
  }
  return voters;
}

Result<> check_members(const std::vector<Member>& members) {
  if (members.size() > limits::kMembersMax) {
    return fail(Code::INVALID_ARGUMENT, "{} members; at most {}", members.size(), limits::kMembersMax);
  }
  std::set<PeerId> peers;
  std::set<NodeId> nodes;
  for (const Member& member : members) {
    if (member.peer == kNobody) return fail(Code::INVALID_ARGUMENT, "peer 0 cannot be a member");
    if (!peers.insert(member.peer).second) {
      return fail(Code::INVALID_ARGUMENT, "peer {:x} is listed twice", member.peer);
    }
    if (!nodes.insert(member.node).second) {
      return fail(Code::INVALID_ARGUMENT, "node {} is listed twice", member.node.to_string());
    }
    if (member.address.size() > limits::kAddressBytesMax) {
      return fail(Code::INVALID_ARGUMENT, "address of peer {:x} is {} bytes; at most {}", member.peer,
                  member.address.size(), limits::kAddressBytesMax);
    }
  }
  if (voters_of(members).empty()) return fail(Code::INVALID_ARGUMENT, "a group needs at least one voter");
  return {};
}

}  // namespace

const Member* Config::find(PeerId peer) const {
  for (const auto* half : {&members, &leaving}) {
    auto it = std::ranges::find(*half, peer, &Member::peer);
    if (it != half->end()) return &*it;
  }
  return nullptr;
}

const Member* Config::find(const NodeId& node) const {
  for (const auto* half : {&members, &leaving}) {
    auto it = std::ranges::find(*half, node, &Member::node);
    if (it != half->end()) return &*it;
  }
  return nullptr;
}

bool Config::is_voter(PeerId peer) const {
  bool found = false;
  for_each_voter(*this, [&](PeerId voter) { found |= voter == peer; });
  return found;
}

const Config& ConfigHistory::at(Index index) const {
  for (auto it = configs_.rbegin(); it != configs_.rend(); ++it) {
    if (it->index <= index) return it->config;
  }
  panic("a configuration at or below the index", __FILE__, __LINE__);
}

bool ConfigHistory::is_voter_since(Index index, PeerId peer) const {
  for (auto it = configs_.rbegin(); it != configs_.rend(); ++it) {
    if (it->config.is_voter(peer)) return true;
    if (it->index <= index) break;
  }
  return false;
}

void ConfigHistory::append(Index index, Config config) {
  ASPEN_ASSERT(index > current_index());
  configs_.push_back({index, std::move(config)});
}

bool ConfigHistory::truncate_from(Index from) {
  Index before = current_index();
  while (configs_.size() > 1 && configs_.back().index >= from) configs_.pop_back();
  ASPEN_ASSERT(current_index() < from);
  return current_index() != before;
}

void ConfigHistory::compact(const SnapshotMeta& snapshot) {
  while (configs_.size() > 1 && configs_[1].index <= snapshot.index) configs_.pop_front();
}

void ConfigHistory::reset(const SnapshotMeta& snapshot) {
  configs_.clear();
  configs_.push_back({snapshot.index, snapshot.config});
}

Result<Config> plan_change(const Config& current, std::vector<Member> members, ChangeVia via) {
  ASPEN_ASSERT(!current.joint());
  ASPEN_CHECK(check_members(members));
  std::ranges::sort(members, by_peer);
  Config next{.members = std::move(members)};
  // What the decoder refuses (an address that is no text) must not get into a log.
  if (auto decoded = decode_config(encode(next)); !decoded) {
    return fail(Code::INVALID_ARGUMENT, "{}", decoded.error().message);
  }

  std::vector<PeerId> before = voters_of(current.members);
  std::vector<PeerId> after = voters_of(next.members);
  std::vector<PeerId> differing;
  std::ranges::set_symmetric_difference(before, after, std::back_inserter(differing));
  bool simple = via == ChangeVia::least || ASPEN_MUTANT("raft-demote-by-the-rest");
  if (differing.empty() || (differing.size() == 1 && simple)) return next;

  next.outgoing = std::move(before);
  for (const Member& member : current.members) {
    bool stays = std::ranges::binary_search(next.members, member, by_peer);
    if (member.role == MemberRole::voter && !stays) next.leaving.push_back(member);
  }
  return next;
}

Config leave_joint(const Config& joint) {
  ASPEN_ASSERT(joint.joint());
  return {.members = joint.members};
}

}  // namespace aspen::raft

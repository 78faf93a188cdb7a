// What the groups of a node have in common on the network: to every node that has a part in any of them one
// kRaft stream in each direction, opened by its sender, whatever the number of groups. Each frame names its
// group; what several groups say to a node in one turn leaves together.
//
// A message for a node that is not connected starts a dial and is dropped, as is one for a group that this
// node has no part in: Raft sends again. Snapshots travel on streams of their own, so that their bulk never
// delays a heartbeat.
//
// Thread safety: none; the engine thread.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/net/endpoint.h"
#include "core/node/frame_inbox.h"
#include "core/raft/types.h"
#include "core/rt/region.h"

namespace aspen::node {

class RaftTransport;

class GroupLinks {
 public:
  // `region` outlives the links and is closed before they go.
  explicit GroupLinks(rt::Region& region) : region_(region) {}

  // Before the first message. Without an endpoint (an embedded node, or one that closes) messages go nowhere.
  void attach(net::Endpoint* endpoint) { endpoint_ = endpoint; }
  net::Endpoint* endpoint() { return endpoint_; }

  // Requires: the group is not there. It outlives its place here.
  void add(raft::GroupId group, RaftTransport& transport);
  void remove(raft::GroupId group);

  // False when the frame cannot be on its way. Requires: an endpoint.
  bool send(const NodeId& node, const std::string& address, Bytes frame);

  // The endpoint's callbacks for kRaft and kSnapshot.
  void accept_raft(net::Stream& stream);
  void accept_snapshot(net::Stream& stream);

 private:
  RaftTransport* find(raft::GroupId group) const;
  net::Stream* stream_to(const NodeId& node, const std::string& address);
  // Else the stream is reset.
  bool may_take_part(net::Stream& stream);
  rt::Task<Result<>> hand_over(rt::Cx& cx, std::shared_ptr<FrameInbox> inbox);

  using Place = std::pair<raft::GroupId, RaftTransport*>;
  rt::Region& region_;
  net::Endpoint* endpoint_ = nullptr;
  std::vector<Place> groups_;  // by id
  std::unordered_map<NodeId, net::Stream*> streams_;
};

}  // namespace aspen::node

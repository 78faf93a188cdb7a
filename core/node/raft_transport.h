// Carries one group's consensus messages and snapshots between its members, over the node's links
// (group_links.h). A snapshot goes on where one that broke has ended.
//
// Who is who: a PeerId is a random number; the connection's key is the identity. A stream that speaks for a
// peer of another node is reset.
//
// Thread safety: none; the engine thread.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "core/node/group_links.h"
#include "core/raft/driver.h"

namespace aspen::node {

class RaftTransport final : public raft::Transport {
 public:
  // All outlive the transport; `region` owns the snapshot transfers and is closed before it goes.
  RaftTransport(GroupLinks& links, raft::GroupId group, rt::Region& region, rt::Lane& background)
      : links_(links), group_(group), region_(region), background_(background) {}
  ~RaftTransport() override { attach(nullptr); }

  // From now on, or no longer, it sends for the driver and gives it what comes for the group.
  void attach(raft::Driver* driver);
  // Keeps connections to all other members open; called when the configuration changes and now and then.
  void connect_members();

  // Sees what the driver sends before any of it may be lost, for oracles. Null: nobody looks.
  std::function<void(const raft::Message&)> on_send;

  void send(const raft::Message& message) override;
  void send_snapshot(raft::Message offer, std::shared_ptr<raft::SnapshotSource> source) override;

  // For the links: what came for the group, or what no longer can.
  Result<> receive(const NodeId& sender, raft::Message message);
  Result<> receive_snapshot(std::shared_ptr<FrameInbox> inbox, const NodeId& sender, raft::Message offer);
  void unreachable(const NodeId& node);
  // The verdict on what the inbox received, and the end.
  static void answer(FrameInbox& inbox, Result<> verdict);

 private:
  struct Target {
    NodeId node;
    std::string address;
  };

  std::optional<Target> find(raft::PeerId peer) const;
  Result<> check_sender(const NodeId& node, raft::PeerId peer);
  rt::Task<Result<>> transfer(rt::Cx& cx, NodeId node, raft::Message offer,
                              std::shared_ptr<raft::SnapshotSource> source);
  // Has the chunk be the source's next one.
  rt::Task<Result<>> go_to(rt::Cx& cx, std::shared_ptr<raft::SnapshotSource> source, uint64_t chunk);
  rt::Task<Result<>> take(rt::Cx& cx, std::shared_ptr<FrameInbox> inbox, NodeId sender, raft::Message offer);
  rt::Task<Result<>> take_chunks(rt::Cx& cx, FrameInbox& inbox, raft::IncomingSnapshot& incoming);

  GroupLinks& links_;
  raft::GroupId group_;
  rt::Region& region_;
  rt::Lane& background_;
  raft::Driver* driver_ = nullptr;
  // Senders the configuration does not name (yet), as whom they spoke last: a joiner hears its leader before
  // it knows the group.
  std::map<NodeId, raft::PeerId> strangers_;
};

}  // namespace aspen::node

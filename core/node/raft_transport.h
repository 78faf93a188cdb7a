// Carries a replica's consensus messages and snapshots over the endpoint's connections.
//
// Each direction between two members has one kRaft stream, opened by the sender. A message for a peer that
// is not connected starts a dial and is dropped: Raft sends again. Snapshots travel on streams of their own,
// so that their bulk never delays a heartbeat; a new one goes on where one that broke has ended.
//
// Who is who: a PeerId is a random number; the connection's key is the identity. A stream that speaks for a
// peer of another node is reset.
//
// Thread safety: none; the engine thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "core/net/endpoint.h"
#include "core/node/frame_inbox.h"
#include "core/raft/driver.h"
#include "core/rt/region.h"

namespace aspen::node {

class RaftTransport final : public raft::Transport {
 public:
  // All outlive the transport; `region` owns the snapshot transfers and is closed before it goes.
  RaftTransport(rt::Region& region, rt::Lane& background) : region_(region), background_(background) {}

  // Before the first message. Without an endpoint (an embedded node) messages go nowhere.
  void attach(raft::Driver* driver, net::Endpoint* endpoint);
  // Keeps connections to all other members open; called when the configuration changes and now and then.
  void connect_members();

  // Sees what the driver sends before any of it may be lost, for oracles. Null: nobody looks.
  std::function<void(const raft::Message&)> on_send;

  void send(const raft::Message& message) override;
  void send_snapshot(raft::Message offer, std::shared_ptr<raft::SnapshotSource> source) override;

  // The endpoint's callbacks for kRaft and kSnapshot.
  void accept_raft(net::Stream& stream);
  void accept_snapshot(net::Stream& stream);

 private:
  struct Target {
    NodeId node;
    std::string address;
  };

  std::optional<Target> find(raft::PeerId peer) const;
  net::Stream* stream_to(const Target& target);
  // Else the stream is reset.
  bool may_take_part(net::Stream& stream);
  Result<> check_sender(const NodeId& node, raft::PeerId peer);
  rt::Task<Result<>> transfer(rt::Cx& cx, NodeId node, raft::Message offer,
                              std::shared_ptr<raft::SnapshotSource> source);
  // Has the chunk be the source's next one.
  rt::Task<Result<>> go_to(rt::Cx& cx, std::shared_ptr<raft::SnapshotSource> source, uint64_t chunk);
  rt::Task<Result<>> receive(rt::Cx& cx, std::shared_ptr<FrameInbox> inbox, NodeId sender);
  rt::Task<Result<>> receive_chunks(rt::Cx& cx, FrameInbox& inbox, raft::IncomingSnapshot& incoming);

  rt::Region& region_;
  rt::Lane& background_;
  raft::Driver* driver_ = nullptr;
  net::Endpoint* endpoint_ = nullptr;
  std::unordered_map<NodeId, net::Stream*> streams_;
  // Senders the configuration does not name (yet), as whom they spoke last: a joiner hears its leader before
  // it knows the group.
  std::map<NodeId, raft::PeerId> strangers_;
};

}  // namespace aspen::node

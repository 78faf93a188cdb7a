#include "core/node/group_links.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/mutant.h"
#include "core/node/protocol.h"
#include "core/node/raft_transport.h"

namespace aspen::node {

void GroupLinks::add(raft::GroupId group, RaftTransport& transport) {
  ASPEN_ASSERT(find(group) == nullptr);
  groups_.emplace(std::ranges::lower_bound(groups_, group, {}, &Place::first), group, &transport);
}

void GroupLinks::remove(raft::GroupId group) {
  std::erase_if(groups_, [group](const Place& place) { return place.first == group; });
}

RaftTransport* GroupLinks::find(raft::GroupId group) const {
  auto it = std::ranges::lower_bound(groups_, group, {}, &Place::first);
  return it != groups_.end() && it->first == group ? it->second : nullptr;
}

net::Stream* GroupLinks::stream_to(const NodeId& node, const std::string& address) {
  if (auto it = streams_.find(node); it != streams_.end()) return it->second;
  net::Connection* connection = endpoint_->find(node);
  if (connection == nullptr) {
    if (!address.empty()) (void)endpoint_->connect(node, address);
    return nullptr;
  }
  auto stream = connection->open_stream(kRaft);
  if (!stream) return nullptr;
  (*stream)->on_close([this, node](const Error&) {
    streams_.erase(node);
    for (auto& [id, group] : groups_) group->unreachable(node);
  });
  streams_.emplace(node, *stream);
  return *stream;
}

bool GroupLinks::send(const NodeId& node, const std::string& address, Bytes frame) {
  net::Stream* stream = stream_to(node, address);
  if (stream != nullptr && ASPEN_BUGGIFY("node-raft-stream-reset")) stream->reset(Code::CANCELLED);
  return stream != nullptr && stream->send(std::move(frame)).has_value();
}

bool GroupLinks::may_take_part(net::Stream& stream) {
  if (endpoint_ == nullptr) {
    stream.reset(Code::SHUTDOWN);
  } else if (!stream.connection().membership().scope.empty()) {
    // A replica holds all keys.
    stream.reset(Code::PERMISSION_DENIED, "a grant for some keys does not allow to hold replicas");
  } else {
    return true;
  }
  return false;
}

void GroupLinks::accept_raft(net::Stream& stream) {
  if (!may_take_part(stream)) return;
  stream.on_frame([this, &stream](Bytes frame) {
    auto message = raft::decode_group_message(frame);
    if (!message) return stream.reset(Code::PROTOCOL, message.error().message);
    RaftTransport* group = find(ASPEN_MUTANT("node-group-messages-mixed-up") ? kStoreGroup : message->group);
    if (group == nullptr) return;
    auto taken = group->receive(stream.connection().peer(), std::move(message->message));
    if (!taken) stream.reset(taken.error().code, taken.error().message);
  });
}

void GroupLinks::accept_snapshot(net::Stream& stream) {
  if (!may_take_part(stream)) return;
  if (region_.state() != rt::Region::State::open) return stream.reset(Code::SHUTDOWN);
  auto inbox = FrameInbox::of(region_, stream);
  region_
      .spawn(
          "snapshot offer", [this, inbox](rt::Cx& cx) { return hand_over(cx, inbox); },
          region_.executor().now() + limits::kSnapshotTransferTimeout)
      .then([inbox](rt::Outcome<> outcome) {
        Result<> handed_over = std::move(outcome).result();
        if (!handed_over) RaftTransport::answer(*inbox, std::move(handed_over));
      });
}

rt::Task<Result<>> GroupLinks::hand_over(rt::Cx& cx, std::shared_ptr<FrameInbox> inbox) {
  ASPEN_CO_TRY(auto first, co_await inbox->next(cx));
  if (!first || inbox->stream() == nullptr) {
    co_return fail(Code::CONNECTION_LOST, "the snapshot stream ended before its offer");
  }
  ASPEN_CO_TRY(raft::GroupMessage offer, raft::decode_group_message(*first));
  RaftTransport* group = find(offer.group);
  if (group == nullptr) {
    co_return fail(Code::NOT_FOUND, "this node has no part in group {}", offer.group);
  }
  NodeId sender = inbox->stream()->connection().peer();
  co_return group->receive_snapshot(std::move(inbox), sender, std::move(offer.message));
}

}  // namespace aspen::node

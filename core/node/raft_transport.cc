#include "core/node/raft_transport.h"

#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/node/protocol.h"
#include "core/rt/oneshot.h"

namespace aspen::node {
namespace {

constexpr size_t kStrangersMax = 4 * limits::kMembersMax;
constexpr size_t kSnapshotBufferedBytesMax = 8 * limits::kSnapshotChunkBytes;

}  // namespace

void RaftTransport::attach(raft::Driver* driver) {
  if (driver_ != nullptr) links_.remove(group_);
  driver_ = driver;
  if (driver_ != nullptr) links_.add(group_, *this);
}

void RaftTransport::connect_members() {
  net::Endpoint* endpoint = links_.endpoint();
  if (endpoint == nullptr || driver_ == nullptr) return;
  for (const raft::Member& member : driver_->core().config().members) {
    if (member.peer != driver_->core().self() && !member.address.empty()) {
      (void)endpoint->connect(member.node, member.address);
    }
  }
}

std::optional<RaftTransport::Target> RaftTransport::find(raft::PeerId peer) const {
  if (const raft::Member* member = driver_->core().config().find(peer))
    return Target{member->node, member->address};
  for (const auto& [node, stranger] : strangers_) {
    if (stranger == peer) return Target{node, ""};
  }
  return std::nullopt;
}

void RaftTransport::send(const raft::Message& message) {
  if (on_send) on_send(message);
  if (links_.endpoint() == nullptr || driver_ == nullptr || ASPEN_BUGGIFY("node-raft-message-lost")) return;
  auto target = find(message.to);
  if (!target) return;
  bool sent = links_.send(target->node, target->address, raft::encode(group_, message));
  if (!sent) driver_->unreachable(message.to);
}

void RaftTransport::unreachable(const NodeId& node) {
  const raft::Member* member = driver_->core().config().find(node);
  if (member != nullptr) driver_->unreachable(member->peer);
}

Result<> RaftTransport::check_sender(const NodeId& node, raft::PeerId peer) {
  if (const raft::Member* member = driver_->core().config().find(peer)) {
    if (member->node == node) return {};
    return fail(Code::PROTOCOL, "peer {:x} is not {} but another node", peer, node.short_string());
  }
  auto it = strangers_.find(node);
  if (it == strangers_.end()) {
    if (strangers_.size() >= kStrangersMax) {
      net::Endpoint* endpoint = links_.endpoint();
      std::erase_if(strangers_,
                    [endpoint](const auto& item) { return endpoint->find(item.first) == nullptr; });
    }
    if (strangers_.size() >= kStrangersMax) {
      return fail(Code::OVERLOADED, "{} nodes that are no members are connected", strangers_.size());
    }
    it = strangers_.try_emplace(node).first;
  }
  it->second = peer;
  return {};
}

Result<> RaftTransport::receive(const NodeId& sender, raft::Message message) {
  ASPEN_CHECK(check_sender(sender, message.from));
  // One for another peer is for what this node was before it lost its log.
  if (message.to == driver_->core().self()) driver_->step(std::move(message));
  return {};
}

void RaftTransport::send_snapshot(raft::Message offer, std::shared_ptr<raft::SnapshotSource> source) {
  auto target = find(offer.to);
  if (!target || links_.endpoint() == nullptr || region_.state() != rt::Region::State::open) {
    return driver_->snapshot_sent(offer, std::move(source),
                                  fail(Code::CONNECTION_LOST, "the follower cannot be reached"));
  }
  region_
      .spawn(
          "snapshot transfer",
          [this, node = target->node, offer, source](rt::Cx& cx) {
            return transfer(cx, node, offer, source);
          },
          region_.executor().now() + limits::kSnapshotTransferTimeout)
      .then([this, offer, source](rt::Outcome<> outcome) {
        Result<> result = std::move(outcome).result();
        if (!result) log(LogLevel::info, "a snapshot was not delivered: {}", result.error().to_string());
        if (driver_ != nullptr) driver_->snapshot_sent(offer, source, result);
      });
}

rt::Task<Result<>> RaftTransport::transfer(rt::Cx& cx, NodeId node, raft::Message offer,
                                           std::shared_ptr<raft::SnapshotSource> source) {
  net::Endpoint* endpoint = links_.endpoint();
  net::Connection* connection = endpoint != nullptr ? endpoint->find(node) : nullptr;
  if (connection == nullptr)
    co_return fail(Code::CONNECTION_LOST, "{} is not connected", node.short_string());
  ASPEN_CO_TRY(net::Stream * stream, connection->open_stream(kSnapshot));
  // Shared with the stream's callbacks, which may outlast this frame.
  struct Answer {
    rt::Oneshot<Result<uint64_t>> begin;
    rt::Oneshot<Result<>> verdict;
    bool open = true;
    void decided(const Result<>& result) {
      begin.set(result ? Result<uint64_t>(fail(Code::PROTOCOL, "it was accepted before it was sent"))
                       : std::unexpected(result.error()));
      verdict.set(result);
    }
  };
  auto answer = std::make_shared<Answer>();
  stream->on_frame([answer](Bytes frame) {
    auto read = decode_snapshot_answer(frame);
    if (!read) return answer->decided(std::unexpected(read.error()));
    if (auto* verdict = std::get_if<SnapshotVerdict>(&*read)) return answer->decided(verdict->verdict);
    answer->begin.set(std::get<SnapshotBegin>(*read).chunk);
  });
  stream->on_close([answer](const Error& why) {
    answer->open = false;
    answer->decided(fail(Code::CONNECTION_LOST, "{}", why.message));
  });
  size_t chunks_max = ASPEN_BUGGIFY("node-snapshot-cut-short") ? 1 : SIZE_MAX;
  size_t buffered_max = ASPEN_BUGGIFY("node-snapshot-buffer-small") ? 0 : kSnapshotBufferedBytesMax;
  Result<> sent = stream->send(raft::encode(group_, offer));
  if (sent) {
    auto heard = co_await answer->begin.recv(cx);
    Result<uint64_t> begin = heard ? *heard : std::unexpected(heard.error());
    sent = begin ? co_await go_to(cx, source, *begin) : Result<>(std::unexpected(begin.error()));
  }
  for (size_t chunks = 0; sent && answer->open && !answer->verdict.has_value(); ++chunks) {
    if (chunks == chunks_max) sent = fail(Code::CANCELLED, "cut short after {} chunks", chunks);
    if (!sent) break;
    auto chunk = co_await background_.run(cx, [source] { return source->next(); });
    if (!chunk) sent = std::unexpected(chunk.error());
    bool damaged = !chunk && (chunk.error().code == Code::IO || chunk.error().code == Code::CORRUPT);
    if (damaged && driver_ != nullptr) driver_->storage_failed(chunk.error());
    if (!sent || chunk->empty() || !answer->open) break;
    sent = stream->send(std::move(*chunk));
    while (sent && answer->open && stream->buffered() > buffered_max) {
      sent = co_await cx.sleep(kMillisecond);
    }
  }
  if (!sent) {
    if (answer->open) stream->reset(sent.error().code, sent.error().message);
    co_return sent;
  }
  if (answer->open) stream->finish();
  ASPEN_CO_TRY(Result<> verdict, co_await answer->verdict.recv(cx));
  co_return verdict;
}

rt::Task<Result<>> RaftTransport::go_to(rt::Cx& cx, std::shared_ptr<raft::SnapshotSource> source,
                                        uint64_t chunk) {
  ASPEN_CO_TRY(uint64_t at, co_await background_.run(cx, [source, chunk] { return source->seek(chunk); }));
  for (; at < chunk; ++at) {
    ASPEN_CO_TRY(Bytes skipped, co_await background_.run(cx, [source] { return source->next(); }));
    if (skipped.empty()) co_return fail(Code::PROTOCOL, "chunk {} of a snapshot of {} is wanted", chunk, at);
  }
  co_return Result<>();
}

void RaftTransport::answer(FrameInbox& inbox, Result<> verdict) {
  inbox.stop();
  if (inbox.stream() == nullptr) return;
  (void)inbox.stream()->send(encode(SnapshotVerdict{std::move(verdict)}));
  inbox.stream()->finish();
}

Result<> RaftTransport::receive_snapshot(std::shared_ptr<FrameInbox> inbox, const NodeId& sender,
                                         raft::Message offer) {
  if (region_.state() != rt::Region::State::open) return fail(Code::SHUTDOWN, "the group is closing");
  region_
      .spawn(
          "snapshot receiver",
          [this, inbox, sender, offer = std::move(offer)](rt::Cx& cx) {
            return take(cx, inbox, sender, offer);
          },
          region_.executor().now() + limits::kSnapshotTransferTimeout)
      .then([inbox](rt::Outcome<> outcome) { answer(*inbox, std::move(outcome).result()); });
  return {};
}

rt::Task<Result<>> RaftTransport::take(rt::Cx& cx, std::shared_ptr<FrameInbox> inbox, NodeId sender,
                                       raft::Message offer) {
  if (offer.kind != raft::MessageKind::snapshot || !offer.snapshot || offer.to != driver_->core().self()) {
    co_return fail(Code::PROTOCOL, "a snapshot stream begins with an offer for its receiver");
  }
  ASPEN_CO_CHECK(check_sender(sender, offer.from));
  auto incoming = driver_->receive_snapshot(offer);
  if (!incoming) co_return std::unexpected(incoming.error());
  log(LogLevel::info, "receiving a snapshot at index {} from {}, from chunk {} on", offer.snapshot->index,
      sender.short_string(), incoming->chunks);
  Result<> received = co_await take_chunks(cx, *inbox, *incoming);
  if (!received) {
    driver_->abandon_snapshot(offer, *std::move(incoming));
    // CORRUPT is what the sender sent; IO is our store, which takes no more writes.
    bool broken = received.error().code == Code::IO && !ASPEN_MUTANT("node-broken-store-goes-on");
    if (broken) driver_->storage_failed(received.error());
    co_return received;
  }
  auto installed = std::make_shared<rt::Oneshot<Result<>>>();
  driver_->install_snapshot(std::move(offer), std::move(incoming->sink),
                            [installed](Result<> result) { installed->set(std::move(result)); });
  rt::Cx::Mask mask(cx);
  ASPEN_CO_TRY(Result<> result, co_await installed->recv(cx));
  co_return result;
}

rt::Task<Result<>> RaftTransport::take_chunks(rt::Cx& cx, FrameInbox& inbox,
                                              raft::IncomingSnapshot& incoming) {
  // If the stream has closed, the inbox says so.
  if (inbox.stream() != nullptr) ASPEN_CO_CHECK(inbox.stream()->send(encode(SnapshotBegin{incoming.chunks})));
  for (;;) {
    ASPEN_CO_TRY(auto chunk, co_await inbox.next(cx));
    if (!chunk) break;
    auto bytes = std::make_shared<Bytes>(std::move(*chunk));
    auto sink = std::exchange(incoming.sink, nullptr);  // until it has all of the chunk
    ASPEN_CO_CHECK(co_await background_.run(cx, [sink, bytes] { return sink->write(*bytes); }));
    incoming.sink = std::move(sink);
    ++incoming.chunks;
  }
  if (!inbox.complete()) co_return fail(Code::CONNECTION_LOST, "the snapshot stream broke");
  co_return Result<>();
}

}  // namespace aspen::node

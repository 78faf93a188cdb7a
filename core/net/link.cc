#include "core/net/link.h"

#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/net/quic.h"

namespace aspen::net {

Link::Link(const LinkContext& context, bool dialed, const Address& remote)
    : context_(context),
      dialed_(dialed),
      remote_(remote),
      created_at_(context.executor.env().now()),
      timer_(context.executor, [this] {
        timer_at_ = kNever;
        handle_timer(context_.executor.env().now());
      }) {}

Link::~Link() {
  if (quic_ != nullptr) ngtcp2_conn_del(quic_);
}

Result<std::unique_ptr<Link>> Link::dial(const LinkContext& context, const Address& remote,
                                         const NodeId& peer) {
  std::unique_ptr<Link> link(new Link(context, true, remote));
  ASPEN_CHECK(link->start(&peer, nullptr, std::nullopt));
  link->mark_dirty();
  return link;
}

Result<std::unique_ptr<Link>> Link::accept(const LinkContext& context, const Address& remote,
                                           const ngtcp2_pkt_hd& initial,
                                           const std::optional<ngtcp2_cid>& original) {
  std::unique_ptr<Link> link(new Link(context, false, remote));
  ASPEN_CHECK(link->start(nullptr, &initial, original));
  return link;
}

Address Link::remote() const {
  if (closed() || quic_ == nullptr) return remote_;
  return Address(ngtcp2_conn_get_path(quic_)->remote.addr);
}

DurationNs Link::round_trip() const {
  if (closed()) return 0;
  ngtcp2_conn_stat stat;
  ngtcp2_conn_get_conn_stat(quic_, &stat);
  return static_cast<DurationNs>(stat.smoothed_rtt);
}

// Packets and time.

void Link::receive(const Address& from, BytesView packet, TimeNs now) {
  if (closed()) return;
  ngtcp2_path path = make_path(context_.local, from);
  ngtcp2_pkt_info info{};
  after_call(ngtcp2_conn_read_pkt(quic_, &path, &info, byte_data(packet), packet.size(), to_ngtcp2(now)));
  if (!closed()) mark_dirty();
}

void Link::reset_by_peer() {
  end(Error(Code::CONNECTION_LOST,
            fmt::format("node {} at {} has restarted and forgotten this connection",
                        tls_->peer() ? tls_->peer()->short_string() : "?", remote().to_string())),
      {});
}

TimeNs Link::next_timer() const {
  ngtcp2_tstamp expiry = ngtcp2_conn_get_expiry(quic_);
  TimeNs at = expiry >= static_cast<ngtcp2_tstamp>(kNever) ? kNever : static_cast<TimeNs>(expiry);
  if (phase_ < LinkPhase::established) at = std::min(at, created_at_ + context_.handshake_timeout);
  return at;
}

// Most packets move the next expiry further away; a timer that fires early costs less than moving it with
// every packet.
void Link::arm_timer(TimeNs now) {
  TimeNs at = std::max(next_timer(), now);
  if (timer_.armed() && timer_at_ <= at) return;
  timer_at_ = at;
  timer_.arm(at);
}

void Link::handle_timer(TimeNs now) {
  if (closed()) return;
  if (next_timer() > now) return arm_timer(now);
  if (phase_ < LinkPhase::established && now >= created_at_ + context_.handshake_timeout) {
    std::string what = fmt::format("{} at {} did not answer within {} ms",
                                   phase_ == LinkPhase::secured ? "the node" : "nobody", remote().to_string(),
                                   context_.handshake_timeout / kMillisecond);
    return close(Error(Code::UNAVAILABLE, std::move(what)), to_wire(Code::UNAVAILABLE),
                 "the handshake took too long");
  }
  after_call(ngtcp2_conn_handle_expiry(quic_, to_ngtcp2(now)));
  if (!closed()) mark_dirty();
}

void Link::end(Error why, Bytes packet) {
  if (closed()) return;
  remote_ = remote();
  timer_.disarm();
  phase_ = LinkPhase::closed;
  why_ = why;
  for (auto& [serial, stream] : streams_) {
    stream->id = -1;
    if (!stream->control) stream->end(why);
  }
  for (const ResetToken& token : peer_reset_tokens_) context_.owner.remove_reset_token(token);
  context_.owner.link_closed(*this, std::move(packet));
  mark_ready();
}

void Link::discard_received() {
  for (auto& [serial, stream] : streams_) stream->discard_received();
  datagrams_in_.clear();
}

void Link::set_peer_reset_token(const ResetToken& token) {
  if (std::ranges::find(peer_reset_tokens_, token) != peer_reset_tokens_.end()) return;
  peer_reset_tokens_.push_back(token);
  context_.owner.add_reset_token(token, *this);
}

// The hello.

void Link::send_hello(Bytes frame, bool finish) {
  if (closed()) return;
  if (hello_ == nullptr) {
    StreamState& stream = add_stream(false, limits::kHelloBytesMax);
    stream.control = true;
    // The first stream is always allowed: an acceptor that does not allow it can only wait for the timeout.
    if (ngtcp2_conn_open_bidi_stream(quic_, &stream.id, &stream) != 0) stream.id = -1;
    hello_ = &stream;
  }
  hello_->out.append_frame(std::move(frame));
  hello_->finish_wanted = finish;
  want_to_send(*hello_);
}

void Link::finish_hello() {
  if (closed() || hello_ == nullptr) return;
  hello_->finish_wanted = true;
  want_to_send(*hello_);
}

void Link::establish() {
  if (closed()) return;
  phase_ = LinkPhase::established;
  was_established_ = true;
  mark_ready();
  mark_dirty();
}

// Streams.

StreamState& Link::add_stream(bool from_peer, size_t frame_bytes_max) {
  uint64_t serial = next_serial_++;
  auto& slot = streams_[serial];
  slot = std::make_unique<StreamState>(*this, serial, from_peer, frame_bytes_max);
  return *slot;
}

Result<Stream*> Link::open_stream(uint64_t subprotocol, uint32_t version) {
  if (closed()) return aspen::fail(Code::CONNECTION_LOST, "the connection is closed");
  if (own_streams_ >= limits::kStreamsPerPeerMax) {
    return aspen::fail(Code::OVERLOADED, "{} streams to this peer are open", limits::kStreamsPerPeerMax);
  }
  StreamState& stream = add_stream(false, limits::kFrameBytesMax);
  ++own_streams_;
  stream.subprotocol_id = subprotocol;
  stream.subprotocol_version = version;
  uint8_t prefix[kVarintBytesMax];
  stream.out.append_raw(as_bytes(prefix, encode_varint(subprotocol, prefix)));
  unopened_.push_back(&stream);
  may_open_ = true;
  mark_dirty();
  return &stream;
}

void Link::open_pending_streams() {
  if (!may_open_) return;
  size_t opened = 0;
  for (; opened < unopened_.size(); ++opened) {
    StreamState& stream = *unopened_[opened];
    if (ngtcp2_conn_open_bidi_stream(quic_, &stream.id, &stream) != 0) {
      stream.id = -1;
      break;
    }
    want_to_send(stream);
  }
  unopened_.erase(unopened_.begin(), unopened_.begin() + static_cast<ptrdiff_t>(opened));
  may_open_ = false;
}

Result<> Link::send(StreamState& stream, Bytes frame) {
  if (frame.size() > limits::kFrameBytesMax) {
    return aspen::fail(Code::LIMIT_EXCEEDED, "frame is {} bytes; at most {}", frame.size(),
                       limits::kFrameBytesMax);
  }
  if (stream.ended() || stream.finish_wanted) {
    return std::unexpected(Error(Code::CONNECTION_LOST, Applied::NO, "the stream takes no more frames"));
  }
  bool refuse = ASPEN_BUGGIFY("net-send-overloaded");
  if (refuse || stream.out.buffered() + frame.size() > limits::kStreamSendBufferBytesMax) {
    stream.send_refused = true;
    if (refuse) stream_ready(stream);  // no acknowledgement may come to tell of the room
    return aspen::fail(Code::OVERLOADED, "the stream has {} bytes waiting; at most {}", stream.out.buffered(),
                       limits::kStreamSendBufferBytesMax);
  }
  stream.out.append_frame(std::move(frame));
  want_to_send(stream);
  return {};
}

void Link::finish(StreamState& stream) {
  if (stream.ended() || stream.finish_wanted) return;
  stream.finish_wanted = true;
  want_to_send(stream);
}

void Link::reset_stream(StreamState& stream, const Error& why) {
  if (stream.ended()) return;
  stream.discard_received();
  if (!closed()) {
    if (stream.id >= 0) {
      ngtcp2_conn_set_stream_user_data(quic_, stream.id, nullptr);
      ngtcp2_conn_shutdown_stream(quic_, stream.id, to_wire(why.code));
    }
    mark_dirty();
  }
  std::erase(unopened_, &stream);
  stream.end(why);
}

void Link::credit(StreamState& stream, size_t bytes) {
  if (closed()) return;
  if (stream.id >= 0) ngtcp2_conn_extend_max_stream_offset(quic_, stream.id, bytes);
  mark_dirty();
}

void Link::stream_ready(StreamState& stream) {
  rt::ListNode<StreamReadyTag>& node = stream;
  if (!node.linked()) ready_streams_.push_back(stream);
  mark_ready();
}

void Link::remove_done_streams() {
  for (StreamState* stream : done_) {
    if (!stream->from_peer && !stream->control) --own_streams_;
    // A stream that QUIC has not forgotten yet gives its place back when it does.
    if (stream->from_peer && stream->quic_closed && !stream->control && !closed()) {
      ngtcp2_conn_extend_max_streams_bidi(quic_, 1);
      mark_dirty();
    }
    assembling_bytes_ -= stream->reader.pending_bytes();
    if (favoured_ == stream) favoured_ = nullptr;
    std::erase(unopened_, stream);
    // A stream that was reset goes before QUIC has forgotten it, which may still repeat what was lost of it.
    if (stream->id >= 0 && stream->out.buffered() > 0)
      unforgotten_.emplace(stream->id, std::move(stream->out));
    streams_.erase(stream->serial);
  }
  done_.clear();
  release_budget();
}

// Delivery.

void Link::deliver() {
  if (!closed()) deliver_hello();
  if (stopped()) return;
  if (was_established_) {
    deliver_datagrams();
    if (stopped()) return;
    deliver_streams();
    if (stopped()) return;
    remove_done_streams();
  }
  if (closed() && !ended_told_) {
    ended_told_ = true;
    context_.owner.link_ended(*this);
  }
}

void Link::deliver_hello() {
  if (hello_ == nullptr) return;
  size_t credited = 0;
  while (!closed()) {
    std::optional<Bytes> frame = hello_->next_frame(credited);
    if (!frame) break;
    if (hello_received_) {
      return close(Error(Code::PROTOCOL, "the peer sent a second hello"), to_wire(Code::PROTOCOL),
                   "a second hello");
    }
    hello_received_ = true;
    context_.owner.link_hello(*this, *std::move(frame));
    if (stopped()) return;
  }
  if (closed()) return;
  if (hello_->fault || hello_->ended() || (hello_->finished && !hello_received_)) {
    Error why = hello_->fault ? *hello_->fault : Error(Code::PROTOCOL, "the peer's hello did not come");
    return close(why, to_wire(why.code), why.message);
  }
  if (hello_->finished && hello_received_ && !confirmed_told_) {
    confirmed_told_ = true;
    context_.owner.link_confirmed(*this);
  }
}

void Link::deliver_datagrams() {
  for (const Bytes& bytes : std::exchange(datagrams_in_, {})) {
    BytesView datagram = bytes;
    VarintReader prefix;
    Result<std::optional<uint64_t>> subprotocol = prefix.read(datagram);
    if (!subprotocol || !*subprotocol) continue;  // noise from the peer is its own loss
    context_.owner.link_datagram(*this, **subprotocol, datagram);
    if (stopped()) return;
  }
}

void Link::deliver_streams() {
  // What becomes ready meanwhile waits for the next turn.
  rt::List<StreamState, StreamReadyTag> batch;
  while (StreamState* stream = ready_streams_.pop_front()) batch.push_back(*stream);
  while (StreamState* stream = batch.pop_front()) {
    if (stream->control) {
      if (stream->quic_closed && !stream->done) stream->done = true;
      continue;
    }
    if (stream->identified && !stream->introduced && !stream->ended()) {
      stream->introduced = true;
      context_.owner.link_stream(*this, *stream);
      if (stopped()) return;
    }
    stream->deliver();
    if (stopped()) return;
    if (stream->done) done_.push_back(stream);
  }
}

}  // namespace aspen::net

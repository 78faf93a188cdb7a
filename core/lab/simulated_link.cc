#include "core/lab/simulated_link.h"

#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/lab/simulated_connection.h"
#include "core/lab/simulated_endpoint.h"
#include "core/net/close_code.h"
#include "core/net/link.h"

namespace aspen::lab {
namespace {

constexpr size_t kPacketBudget = 16u << 10;  // bytes of streams
constexpr size_t kHeaderBytes = 40;
constexpr size_t kHandshakeBytes = 1200;
constexpr DurationNs kInitialRto = 90 * kMillisecond;
constexpr DurationNs kRtoMin = 2 * kMillisecond;

}  // namespace

SimulatedLink::SimulatedLink(SimulatedEndpoint& owner, bool dialed, uint64_t key, uint32_t remote,
                             const NodeId& peer)
    : owner_(owner),
      dialed_(dialed),
      key_(key),
      peer_key_(key ^ 1),
      remote_(remote),
      peer_(peer),
      created_at_(owner.executor().now()),
      idle_timeout_(owner.options().idle_timeout),
      idle_since_(created_at_),
      active_at_(created_at_),
      timer_(owner.executor(), [this] { timer_fired(); }) {}

const std::string& SimulatedLink::remote_address() const {
  return owner_.network().address_of(remote_);
}

bool SimulatedLink::stopped() const {
  return owner_.stopped();
}

void SimulatedLink::contained(const std::function<void()>& call) {
  owner_.executor().contained(call);
}

void SimulatedLink::mark_ready() {
  owner_.link_ready(*this);
}

void SimulatedLink::mark_dirty() {
  owner_.link_dirty(*this);
}

// Packets out.

std::unique_ptr<Packet> SimulatedLink::make(PacketKind kind, bool reliable) {
  auto packet = std::make_unique<Packet>();
  packet->kind = kind;
  packet->reliable = reliable;
  packet->from_key = key_;
  packet->to_key = peer_key_;
  packet->to = remote_;
  packet->size = kHeaderBytes;
  return packet;
}

void SimulatedLink::send(std::unique_ptr<Packet> packet) {
  packet->rto = round_trip_ == 0 ? kInitialRto : std::max(kRtoMin, round_trip_ + 4 * variance_);
  active_at_ = owner_.executor().now();
  if (packet->number != 0 && idle_restarts_on_send_) {
    idle_restarts_on_send_ = false;
    idle_since_ = active_at_;
  }
  owner_.send(std::move(packet));
}

void SimulatedLink::start(const Packet* initial) {
  if (initial != nullptr) idle_timeout_ = std::min(idle_timeout_, initial->handshake->idle_timeout);
  // The dialer repeats its own: whoever heard it may have died before answering.
  auto packet = make(dialed_ ? PacketKind::initial : PacketKind::accepted, !dialed_);
  packet->size = kHandshakeBytes;
  packet->handshake = std::make_shared<Handshake>();
  packet->handshake->node = owner_.id();
  packet->handshake->wanted = peer_;
  packet->handshake->idle_timeout = owner_.options().idle_timeout;
  send(std::move(packet));
  if (dialed_) {
    repeat_at_ = active_at_ + (kInitialRto << initials_);
    initials_ = std::min(initials_ + 1, 4u);
  }
  arm_timer();
}

void SimulatedLink::send_hello() {
  auto packet = make(PacketKind::hello, true);
  packet->size = kHandshakeBytes;
  packet->handshake = std::make_shared<Handshake>();
  packet->handshake->hello = owner_.own_hello();
  send(std::move(packet));
}

void SimulatedLink::send_confirm() {
  send(make(PacketKind::confirm, true));
}

void SimulatedLink::establish() {
  if (closed()) return;
  phase_ = LinkPhase::established;
  was_established_ = true;
  arm_timer();
  mark_ready();
  mark_dirty();
}

void SimulatedLink::flush() {
  if (closed()) return;
  if (dialed_ && initials_ == 0) start(nullptr);
  send_datagrams();
  while (!closed()) {
    auto packet = make(PacketKind::data, true);
    packet->acks = std::exchange(acks_out_, {});
    packet->items = std::exchange(items_out_, {});
    size_t budget = ASPEN_BUGGIFY("lab-net-small-packets") ? 64 : kPacketBudget;
    while (budget > 0) {
      SimulatedStream* stream = sending_.pop_front();
      if (stream == nullptr) break;
      if (stream->wants_to_send()) stream->take(packet->items, budget);
      // A stream that fills packet after packet must not keep the others from theirs.
      if (stream->wants_to_send()) sending_.push_back(*stream);
    }
    if (packet->items.empty() && packet->acks.empty() && !ping_) break;
    packet->size += packet->acks.size() * 2;
    if (!packet->items.empty() || ping_) {
      packet->number = next_number_++;
      Sent& sent = sent_.emplace_back();
      for (const Item& item : packet->items) {
        packet->size += item.cost + 3;
        if (item.cost == 0 && item.kind != Item::Kind::fin) continue;
        sent.parts.push_back({item.stream, item.cost, item.kind == Item::Kind::fin});
      }
    }
    ping_ = false;
    send(std::move(packet));
  }
  if (!closed()) arm_timer();
}

void SimulatedLink::send_datagrams() {
  for (auto& [subprotocol, bytes] : std::exchange(datagrams_out_, {})) {
    auto packet = make(PacketKind::datagram, false);
    packet->size += bytes.size();
    packet->subprotocol = subprotocol;
    packet->bytes = std::move(bytes);
    send(std::move(packet));
  }
}

// Packets in.

void SimulatedLink::receive(Packet& packet) {
  if (closed()) return;
  idle_since_ = active_at_ = owner_.executor().now();
  idle_restarts_on_send_ = true;
  DurationNs way = owner_.network().events().now() - packet.attempt_at;
  switch (packet.kind) {
    case PacketKind::initial:
    case PacketKind::raw:
      return;  // repeated; or not for an endpoint
    case PacketKind::accepted:
    case PacketKind::hello:
    case PacketKind::confirm:
      measure(2 * way);
      handshakes_.emplace_back(packet.kind, packet.handshake);
      return mark_ready();
    case PacketKind::close:
      return peer_closed(*packet.notice);
    case PacketKind::reset:
      if (packet.handshake->node != peer_ || phase_ == LinkPhase::handshaking) return;
      return end(Error(Code::CONNECTION_LOST,
                       fmt::format("node {} at {} has restarted and forgotten this connection",
                                   peer_.short_string(), remote_address())),
                 nullptr);
    case PacketKind::datagram:
      // Datagrams may be lost: the ones that come too early or too many are.
      if (!admitted_ || datagrams_in_.size() >= limits::kDatagramsQueuedMax) return;
      datagrams_in_.emplace_back(packet.subprotocol, std::move(packet.bytes));
      return mark_ready();
    case PacketKind::data:
      if (packet.number != 0) {
        acks_out_.push_back({packet.number, way});
        mark_dirty();
      }
      receive_acks(packet.acks, way);
      return receive_items(packet.items);
  }
}

void SimulatedLink::receive_acks(const std::vector<Ack>& acks, DurationNs way) {
  for (const Ack& ack : acks) {
    measure(ack.way + way);
    uint64_t first = next_number_ - sent_.size();
    if (ack.number < first || ack.number >= next_number_) continue;
    Sent& sent = sent_[ack.number - first];
    sent.acknowledged = true;
    for (const Sent::Part& part : std::exchange(sent.parts, {})) {
      auto found = streams_.find(part.stream);
      if (found != streams_.end()) found->second->acknowledged(part.cost, part.fin);
    }
  }
  while (!sent_.empty() && sent_.front().acknowledged) sent_.pop_front();
}

void SimulatedLink::measure(DurationNs sample) {
  sample = std::max<DurationNs>(sample, 1);
  if (round_trip_ == 0) {
    round_trip_ = sample;
    variance_ = sample / 2;
    return;
  }
  DurationNs off = std::max(sample, round_trip_) - std::min(sample, round_trip_);
  variance_ += (off - variance_) / 4;
  round_trip_ += (sample - round_trip_) / 8;
}

void SimulatedLink::receive_items(std::vector<Item>& items) {
  for (Item& item : items) {
    auto found = streams_.find(item.stream);
    bool own = (item.stream & 1) == (dialed_ ? 0u : 1u);
    if (item.kind == Item::Kind::credit) {
      if (found == streams_.end()) continue;
      found->second->credited(item.value);
      want_to_send(*found->second);
      continue;
    }
    SimulatedStream* stream = found != streams_.end() ? found->second.get() : nullptr;
    if (stream == nullptr && !own) stream = incoming_stream(item.stream);
    if (stream != nullptr) stream->receive(std::move(item));
  }
}

// The number of a stream is 2n for the dialer's nth and 2n+1 for the acceptor's.
SimulatedStream* SimulatedLink::incoming_stream(uint64_t id) {
  if (id / 2 < incoming_floor_ || incoming_gone_.contains(id / 2)) return nullptr;
  auto& slot = streams_[id];
  slot = std::make_unique<SimulatedStream>(*this, id, true);
  return slot.get();
}

void SimulatedLink::forget_incoming(uint64_t id) {
  incoming_gone_.insert(id / 2);
  while (incoming_gone_.erase(incoming_floor_) != 0) ++incoming_floor_;
}

void SimulatedLink::peer_closed(const CloseNotice& notice) {
  if (notice.transport) return end(net::from_transport(notice.code, notice.reason), nullptr);
  if (notice.code == net::kWireDuplicate) {
    gave_way_ = true;
    return end(Error(Code::CONNECTION_LOST, "gave way to another connection to the peer"), nullptr);
  }
  const char* what = phase_ == LinkPhase::established ? "the peer closed the connection" : "the peer refused";
  end(net::from_wire(notice.code, notice.reason, what), nullptr);
}

// Ends.

void SimulatedLink::close(Error why, uint64_t code, std::string_view reason) {
  end(std::move(why), std::make_shared<CloseNotice>(code, false, net::printable_reason(reason)));
}

void SimulatedLink::end(Error why, std::shared_ptr<CloseNotice> notice) {
  if (closed()) return;
  timer_.disarm();
  phase_ = LinkPhase::closed;
  why_ = why;
  for (auto& [id, stream] : streams_) stream->end(why);
  if (notice) {
    auto packet = make(PacketKind::close, false);
    packet->notice = notice;
    send(std::move(packet));
  }
  owner_.link_closed(*this, std::move(notice));
  mark_ready();
}

void SimulatedLink::discard_received() {
  for (auto& [id, stream] : streams_) stream->discard_received();
  datagrams_in_.clear();
}

// Time.

TimeNs SimulatedLink::next_timer() const {
  TimeNs give_up = created_at_ + owner_.options().handshake_timeout;
  if (phase_ == LinkPhase::handshaking && dialed_) return std::min(give_up, repeat_at_);
  if (phase_ != LinkPhase::established) return give_up;
  return std::min(idle_since_ + idle_timeout_, active_at_ + owner_.options().keep_alive);
}

void SimulatedLink::arm_timer() {
  TimeNs at = next_timer();
  if (timer_.armed() && timer_at_ <= at) return;
  timer_at_ = at;
  timer_.arm(at);
}

void SimulatedLink::timer_fired() {
  timer_at_ = kNever;
  TimeNs now = owner_.executor().now();
  if (closed()) return;
  if (phase_ != LinkPhase::established) {
    if (now < next_timer()) return arm_timer();
    if (now < created_at_ + owner_.options().handshake_timeout) return start(nullptr);
    std::string what = fmt::format("{} at {} did not answer within {} ms",
                                   phase_ == LinkPhase::secured ? "the node" : "nobody", remote_address(),
                                   owner_.options().handshake_timeout / kMillisecond);
    return close(Error(Code::UNAVAILABLE, std::move(what)), net::to_wire(Code::UNAVAILABLE),
                 "the handshake took too long");
  }
  if (now >= idle_since_ + idle_timeout_ && !ASPEN_MUTANT("lab-net-silence-unnoticed")) {
    return end(Error(Code::CONNECTION_LOST,
                     fmt::format("node {} at {} fell silent", peer_.short_string(), remote_address())),
               nullptr);
  }
  if (now >= active_at_ + owner_.options().keep_alive) {
    ping_ = true;
    active_at_ = now;
    mark_dirty();
  }
  arm_timer();
}

// Streams and datagrams.

Result<net::Stream*> SimulatedLink::open_stream(uint64_t subprotocol, uint32_t version) {
  if (closed()) return fail(Code::CONNECTION_LOST, "the connection is closed");
  if (own_streams_ >= limits::kStreamsPerPeerMax) {
    return fail(Code::OVERLOADED, "{} streams to this peer are open", limits::kStreamsPerPeerMax);
  }
  uint64_t id = next_stream_++ * 2 + (dialed_ ? 0 : 1);
  auto& slot = streams_[id];
  slot = std::make_unique<SimulatedStream>(*this, id, false);
  ++own_streams_;
  slot->open(subprotocol, version);
  return slot.get();
}

Result<> SimulatedLink::send_datagram(uint64_t subprotocol, BytesView datagram) {
  if (datagram.size() > net::Link::datagram_bytes_max(subprotocol)) {
    return fail(Code::LIMIT_EXCEEDED, "datagram is {} bytes; at most {}", datagram.size(),
                net::Link::datagram_bytes_max(subprotocol));
  }
  if (datagrams_out_.size() >= limits::kDatagramsQueuedMax) {
    return fail(Code::OVERLOADED, "{} datagrams wait to be sent", limits::kDatagramsQueuedMax);
  }
  if (ASPEN_BUGGIFY("lab-net-datagram-dropped")) return {};
  datagrams_out_.emplace_back(subprotocol, datagram);
  mark_dirty();
  return {};
}

void SimulatedLink::want_to_send(SimulatedStream& stream) {
  if (closed()) return;
  rt::ListNode<StreamSendTag>& node = stream;
  if (stream.wants_to_send() && !node.linked()) sending_.push_back(stream);
  mark_dirty();
}

void SimulatedLink::send_item(Item item) {
  if (closed()) return;
  items_out_.push_back(std::move(item));
  mark_dirty();
}

void SimulatedLink::credit(SimulatedStream& stream, size_t bytes) {
  send_item({.kind = Item::Kind::credit, .stream = stream.id(), .value = bytes});
}

void SimulatedLink::stream_ready(SimulatedStream& stream) {
  rt::ListNode<StreamReadyTag>& node = stream;
  if (!node.linked()) ready_streams_.push_back(stream);
  mark_ready();
}

// Delivery.

void SimulatedLink::deliver() {
  if (!closed()) deliver_handshake();
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
    owner_.link_ended(*this);
  }
}

void SimulatedLink::deliver_handshake() {
  for (auto& [kind, handshake] : std::exchange(handshakes_, {})) {
    if (closed()) return;
    if (kind == PacketKind::accepted && dialed_ && phase_ == LinkPhase::handshaking) {
      deliver_accepted(*handshake);
    } else if (kind == PacketKind::hello && !hello_received_ && (!dialed_ || phase_ == LinkPhase::secured)) {
      hello_received_ = true;
      if (!dialed_) phase_ = LinkPhase::secured;
      owner_.link_hello(*this, handshake->hello);
    } else if (kind == PacketKind::confirm && !dialed_ && admitted_ && phase_ == LinkPhase::secured) {
      owner_.link_confirmed(*this);
    }
    if (stopped()) return;
  }
}

void SimulatedLink::deliver_accepted(const Handshake& from) {
  idle_timeout_ = std::min(idle_timeout_, from.idle_timeout);
  std::string refusal;
  if (from.node != peer_) {
    refusal = fmt::format("asked for node {} and reached node {}", peer_.to_string(), from.node.to_string());
  } else {
    phase_ = LinkPhase::secured;
    return send_hello();
  }
  constexpr uint64_t kAlertBadCertificate = 0x100 + 42;
  end(Error(Code::WRONG_PEER, refusal),
      std::make_shared<CloseNotice>(kAlertBadCertificate, true, net::printable_reason(refusal)));
}

void SimulatedLink::deliver_datagrams() {
  for (auto& [subprotocol, bytes] : std::exchange(datagrams_in_, {})) {
    owner_.link_datagram(*this, subprotocol, bytes);
    if (stopped()) return;
  }
}

void SimulatedLink::deliver_streams() {
  // What becomes ready meanwhile waits for the next turn.
  rt::List<SimulatedStream, StreamReadyTag> batch;
  batch.append(ready_streams_);
  while (SimulatedStream* stream = batch.pop_front()) {
    if (stream->identified() && !stream->introduced() && !stream->ended()) {
      stream->introduce();
      owner_.link_stream(*this, *stream);
      if (stopped()) return;
    }
    stream->deliver();
    if (stopped()) return;
    if (stream->done()) done_.push_back(stream);
  }
}

void SimulatedLink::remove_done_streams() {
  for (SimulatedStream* stream : done_) {
    if (stream->incoming()) {
      forget_incoming(stream->id());
    } else {
      --own_streams_;
    }
    streams_.erase(stream->id());
  }
  done_.clear();
}

}  // namespace aspen::lab

#include "core/net/endpoint_impl.h"

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/net/quic.h"

namespace aspen::net {

EndpointImpl::EndpointImpl(rt::Executor& executor, rt::Loop* loop, EndpointOptions options,
                           std::unique_ptr<TlsCredentials> tls, std::unique_ptr<DatagramSocket> socket)
    : executor_(executor),
      loop_(loop),
      options_(std::move(options)),
      tls_(std::move(tls)),
      socket_(std::move(socket)),
      stateless_(*options_.key, executor.env()),
      context_{executor_,
               *this,
               *tls_,
               stateless_,
               socket_->local_address(),
               options_.idle_timeout,
               options_.keep_alive,
               options_.handshake_timeout} {}

EndpointImpl::~EndpointImpl() = default;

Result<> check(const EndpointOptions& options) {
  if (options.key == nullptr) return fail(Code::INVALID_ARGUMENT, "an endpoint needs a key");
  if (options.subprotocols.size() > limits::kSubprotocolsMax) {
    return fail(Code::LIMIT_EXCEEDED, "{} subprotocols; at most {}", options.subprotocols.size(),
                limits::kSubprotocolsMax);
  }
  std::set<uint64_t> ids;
  for (const Subprotocol& s : options.subprotocols) {
    if (!ids.insert(s.id).second) return fail(Code::INVALID_ARGUMENT, "subprotocol {} is given twice", s.id);
    if (s.version_min > s.version_max) {
      return fail(Code::INVALID_ARGUMENT, "subprotocol {} has versions {} to {}", s.id, s.version_min,
                  s.version_max);
    }
  }
  if (options.idle_timeout <= 0 || options.keep_alive <= 0 || options.handshake_timeout <= 0) {
    return fail(Code::INVALID_ARGUMENT, "an endpoint's timeouts must be positive");
  }
  return {};
}

void EndpointImpl::start() {
  auto readable = [this] {
    TimeNs now = executor_.env().now();
    socket_->receive([this, now](const Address& from, BytesView packet) { receive(from, packet, now); });
  };
  auto writable = [this] { executor_.at_turn_end(flush_); };
  socket_->set_callbacks(readable, writable);
}

void EndpointImpl::stop() {
  stopped_ = true;
  for (auto& [age, link] : links_) {
    link->close(Error(Code::SHUTDOWN, "the endpoint is closed"), to_wire(Code::SHUTDOWN),
                "the node is closing");
  }
  socket_->flush();
}

// Routing.

void EndpointImpl::add_cid(BytesView cid, Link& link) {
  cids_.insert_or_assign(Bytes(cid), &link);
}

void EndpointImpl::remove_cid(BytesView cid) {
  if (auto found = cids_.find(cid); found != cids_.end()) cids_.erase(found);
}

void EndpointImpl::send(const uint8_t* packet, size_t size, const Address& to) {
  if (size == 0) return;
  std::memcpy(socket_->reserve(), packet, size);
  socket_->commit(size, to);
  executor_.at_turn_end(flush_);
}

void EndpointImpl::receive(const Address& from, BytesView packet, TimeNs now) {
  if (stopped_ || ASPEN_BUGGIFY("net-packet-ignored")) return;
  ngtcp2_version_cid header;
  int status = ngtcp2_pkt_decode_version_cid(&header, byte_data(packet), packet.size(), kCidBytes);
  if (status == NGTCP2_ERR_VERSION_NEGOTIATION) {
    if (packet.size() < NGTCP2_MAX_UDP_PAYLOAD_SIZE) return;
    uint8_t answer[kPacketBytesMax];
    return send(answer, stateless_.negotiate_version(header, answer, sizeof answer), from);
  }
  if (status != 0) return;  // not QUIC
  if (auto found = cids_.find(as_bytes(header.dcid, header.dcidlen)); found != cids_.end()) {
    found->second->receive(from, packet, now);
    return;
  }
  receive_unknown(from, packet, header, now);
}

// A packet that belongs to no connection: a late one, one for a connection this node had before it
// restarted, a peer's notice that it restarted itself, or a new connection.
void EndpointImpl::receive_unknown(const Address& from, BytesView packet, const ngtcp2_version_cid& header,
                                   TimeNs now) {
  BytesView cid = as_bytes(header.dcid, header.dcidlen);
  BytesView answer;
  if (closed_links_.find(cid, now, answer)) return send(byte_data(answer), answer.size(), from);
  if (header.version == 0) {
    if (std::optional<ResetToken> token = reset_token_in(packet)) {
      if (auto found = tokens_.find(*token); found != tokens_.end()) return found->second->reset_by_peer();
    }
    uint8_t reset[kPacketBytesMax];
    return send(reset, stateless_.reset(packet, cid, reset, sizeof reset), from);
  }
  ngtcp2_pkt_hd initial;
  if (closing_ || ngtcp2_accept(&initial, byte_data(packet), packet.size()) != 0) return;
  accept(from, packet, initial, now);
}

void EndpointImpl::accept(const Address& from, BytesView packet, const ngtcp2_pkt_hd& initial, TimeNs now) {
  std::optional<ngtcp2_cid> original;
  if (initial.token.len > 0) original = stateless_.verify_retry(initial, from);
  // Half-open connections are cheap to ask for with a forged address; when they are many, the address has
  // to be proven first, and when they are too many newcomers wait.
  if (half_open_ >= options_.handshakes_max) return;
  uint8_t answer[kPacketBytesMax];
  bool prove = half_open_ >= options_.handshakes_max / 2 || ASPEN_BUGGIFY("net-prove-address");
  if (!original && prove) {
    return send(answer, stateless_.retry(initial, from, answer, sizeof answer), from);
  }
  if (links_.size() >= options_.connections_max) {
    ngtcp2_ssize size =
        ngtcp2_crypto_write_connection_close(answer, sizeof answer, initial.version, &initial.scid,
                                             &initial.dcid, NGTCP2_CONNECTION_REFUSED, nullptr, 0);
    return send(answer, size > 0 ? static_cast<size_t>(size) : 0, from);
  }
  Result<std::unique_ptr<Link>> made = Link::accept(context_, from, initial, original);
  if (!made) {
    log(LogLevel::error, "net: {}", made.error().to_string());
    return;
  }
  Link& link = adopt(*std::move(made));
  link.counted = true;
  ++half_open_;
  link.receive(from, packet, now);
}

Link& EndpointImpl::adopt(std::unique_ptr<Link> link) {
  link->age = next_link_++;
  return *(links_[link->age] = std::move(link));
}

void EndpointImpl::no_longer_half_open(Link& link) {
  if (!link.counted) return;
  link.counted = false;
  --half_open_;
}

// Turns.

void EndpointImpl::link_dirty(Link& link) {
  rt::ListNode<LinkDirtyTag>& node = link;
  if (!node.linked()) dirty_.push_back(link);
  if (!socket_->blocked()) executor_.at_turn_end(flush_);
}

void EndpointImpl::link_ready(Link& link) {
  rt::ListNode<LinkReadyTag>& node = link;
  if (!node.linked()) ready_.push_back(link);
  if (!stopped_) executor_.schedule(deliver_);
}

void EndpointImpl::flush() {
  if (socket_->blocked()) return;  // `writable` calls again
  TimeNs now = executor_.env().now();
  rt::List<Link, LinkDirtyTag> batch;
  while (Link* link = dirty_.pop_front()) batch.push_back(*link);
  while (Link* link = batch.pop_front()) {
    if (ASPEN_BUGGIFY("net-flush-later") || link->flush(*socket_, now)) link_dirty(*link);
  }
  socket_->flush();
}

void EndpointImpl::deliver() {
  if (stopped_) return;
  rt::List<Link, LinkReadyTag> batch;
  while (Link* link = ready_.pop_front()) batch.push_back(*link);
  while (Link* link = batch.pop_front()) {
    if (ASPEN_BUGGIFY("net-deliver-later")) {
      link_ready(*link);
      continue;
    }
    link->deliver();
    if (stopped_) return;
  }
  tell_ends();
  if (stopped_) return;
  reap();
  if (!closing_ || !links_.empty() || !peers_.empty() || !ended_.empty()) return;
  for (auto& done : std::exchange(close_done_, {})) {
    executor_.contained(done);
    if (stopped_) return;
  }
}

void EndpointImpl::reap() {
  for (uint64_t age : std::exchange(dead_links_, {})) links_.erase(age);
}

void EndpointImpl::link_closed(Link& link, Bytes packet) {
  no_longer_half_open(link);
  Address remote = link.remote();
  std::vector<Bytes> cids = link.cids();
  for (const Bytes& cid : cids) remove_cid(cid);
  send(byte_data(packet), packet.size(), remote);
  closed_links_.add(std::move(cids), std::move(packet), executor_.env().now());
  ConnectionState* state = link.connection;
  if (state == nullptr || state->link != &link) return;
  if (link.gave_way() && state->current_phase == ConnectionPhase::connecting && !stopped_) {
    // The peer prefers its own dial, which is about to arrive.
    link.connection = nullptr;
    state->link = nullptr;
    state->wait.arm(link.created_at() + options_.handshake_timeout);
    return;
  }
  end_state(*state, link.why());
}

void EndpointImpl::link_ended(Link& link) {
  dead_links_.push_back(link.age);
  ConnectionState* state = std::exchange(link.connection, nullptr);
  if (state != nullptr) state->link = nullptr;
  bool told = link.dialed() || link.gave_way() || (state != nullptr && state->announced);
  if (told || !options_.on_refused) return;
  executor_.contained([&] { options_.on_refused(link.remote().to_string(), link.why()); });
}

}  // namespace aspen::net

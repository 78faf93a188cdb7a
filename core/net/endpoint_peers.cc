// The part of EndpointImpl that knows peers: dialing, the hello, which of two connections stays, and the
// subprotocols.
#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/net/endpoint_impl.h"

namespace aspen::net {

// Dialing.

ConnectionState& EndpointImpl::add_peer(const NodeId& peer) {
  auto& slot = peers_[peer];
  slot = std::make_unique<ConnectionState>(*this, peer, executor_);
  return *slot;
}

Result<Connection*> EndpointImpl::connect(const NodeId& peer, const std::string& address) {
  if (closing_ || stopped_) return fail(Code::SHUTDOWN, "the endpoint is closing");
  if (peer == tls_->id()) return fail(Code::INVALID_ARGUMENT, "a node does not connect to itself");
  if (auto known = peers_.find(peer); known != peers_.end()) {
    known->second->announced = true;
    return known->second.get();
  }
  if (peers_.size() >= options_.connections_max) {
    return fail(Code::OVERLOADED, "{} peers are connected; at most {}", peers_.size(),
                options_.connections_max);
  }
  ASPEN_CHECK(split_host_port(address));
  Result<Address> numeric = Address::parse(address);
  if (!numeric && loop_ == nullptr) return forward_error(std::move(numeric));
  if (numeric && !socket_->reaches(*numeric)) {
    return fail(Code::INVALID_ARGUMENT, "address {} cannot be reached from {}", address,
                context_.local.to_string());
  }
  if (numeric && numeric->port() == 0) {
    return fail(Code::INVALID_ARGUMENT, "address {} has no port to connect to", address);
  }
  ConnectionState& state = add_peer(peer);
  state.address = address;
  state.announced = true;
  state.was_dialed = true;
  if (numeric) {
    dial(state, *numeric);
  } else if (Result<> asked = resolve(state, address); !asked) {
    peers_.erase(peer);
    return forward_error(std::move(asked));
  }
  return &state;
}

void EndpointImpl::dial(ConnectionState& state, const Address& address) {
  Result<std::unique_ptr<Link>> link = Link::dial(context_, address, state.peer_id);
  if (!link) return end_state(state, link.error());
  attach(state, adopt(*std::move(link)));
}

Result<> EndpointImpl::resolve(ConnectionState& state, const std::string& address) {
  if (!resolver_) resolver_ = std::make_unique<rt::BlockingPool>(*loop_, 1);
  state.wait.arm(executor_.env().now() + options_.handshake_timeout);
  auto answer = std::make_shared<Result<Address>>();
  auto ask = [answer, address] { *answer = Address::resolve(address); };
  // The state may be gone by then, or have been connected by the peer's own dial.
  auto done = [answer, peer = state.peer_id, weak = weak_from_this()] {
    std::shared_ptr<EndpointImpl> self = weak.lock();
    if (!self || self->stopped_) return;
    auto found = self->peers_.find(peer);
    if (found == self->peers_.end() || found->second->link != nullptr) return;
    ConnectionState& state = *found->second;
    if (!*answer) return self->end_state(state, answer->error());
    state.wait.disarm();
    self->dial(state, **answer);
  };
  return resolver_->submit(ask, done);
}

void EndpointImpl::dial_timed_out(ConnectionState& state) {
  end_state(state, Error(Code::UNAVAILABLE, fmt::format("no connection to node {} at {} within {} ms",
                                                        state.peer_id.short_string(), state.address,
                                                        options_.handshake_timeout / kMillisecond)));
}

// Which link carries a connection.

void EndpointImpl::attach(ConnectionState& state, Link& link) {
  state.wait.disarm();
  if (Link* old = std::exchange(state.link, &link); old != nullptr) {
    old->connection = nullptr;
    old->close(Error(Code::CANCELLED, "gave way to another connection to the peer"), kWireDuplicate, {});
  }
  link.connection = &state;
}

// The state that an accepted link, whose hello is good, shall carry; null when the link was closed in favour
// of another.
//
// Two nodes that dial each other at once must not each drop the other's connection. The one with the smaller
// id decides, when the larger one's hello arrives: if its own dial has got through TLS, it refuses the
// incoming one, and its own hello is on its way; if not, it takes the incoming one and drops its own, whose
// hello it then never sends. The larger one takes whatever comes.
//
// A peer that dials although this node thinks it is connected has lost that connection: it restarted, or
// closed it and the notice was lost. The new one replaces the old one.
ConnectionState* EndpointImpl::claim(Link& link) {
  const NodeId& peer = *link.peer();
  auto known = peers_.find(peer);
  if (known == peers_.end()) {
    ConnectionState& state = add_peer(peer);
    attach(state, link);
    return &state;
  }
  ConnectionState& state = *known->second;
  bool smaller = tls_->id() < peer;
  bool own_dial = state.link != nullptr && state.link->dialed();
  bool wins = state.current_phase == ConnectionPhase::connected
                  ? link.created_at() <= state.connected_at
                  : own_dial && state.link->phase() == LinkPhase::secured;
  if (smaller && own_dial && wins) {
    link.close(Error(Code::CANCELLED, "gave way to this node's own dial"), kWireDuplicate, {});
    return nullptr;
  }
  if (state.current_phase == ConnectionPhase::connecting) {
    attach(state, link);
    return &state;
  }
  state.link->close(
      Error(Code::CONNECTION_LOST, fmt::format("node {} has connected anew", peer.short_string())),
      kWireDuplicate, {});
  ConnectionState& fresh = add_peer(peer);
  attach(fresh, link);
  return &fresh;
}

// The hello.

Hello EndpointImpl::own_hello(const Link& link) const {
  Hello hello;
  hello.network = options_.network;
  hello.membership = options_.membership;
  for (const Subprotocol& s : options_.subprotocols) {
    hello.subprotocols.push_back({s.id, s.version_min, s.version_max});
  }
  std::ranges::sort(hello.subprotocols, {}, &SubprotocolVersions::id);
  hello.reset_token = link.own_reset_token();
  return hello;
}

void EndpointImpl::refuse(Link& link, const Error& why) {
  log(LogLevel::info, "net: refused {}: {}", link.remote().to_string(), why.to_string());
  link.close(why, to_wire(why.code), why.message);
}

void EndpointImpl::link_secured(Link& link) {
  if (link.dialed()) link.send_hello(encode_hello(own_hello(link)), false);
}

void EndpointImpl::link_hello(Link& link, Bytes frame) {
  Result<Hello> hello = decode_hello(frame);
  if (!hello) return refuse(link, hello.error());
  Hello ours = own_hello(link);
  Result<Acceptance> acceptance = accept_hello(ours, *hello, *link.peer(), executor_.env().wall_now());
  if (!acceptance) return refuse(link, acceptance.error());
  ConnectionState* state = link.dialed() ? link.connection : claim(link);
  if (state == nullptr) return;
  state->acceptance = *std::move(acceptance);
  link.set_peer_reset_token(hello->reset_token);
  link.admit();
  if (link.dialed()) {
    link.finish_hello();
    connected(*state);
  } else {
    link.send_hello(encode_hello(ours), true);
  }
}

void EndpointImpl::link_confirmed(Link& link) {
  if (!link.dialed() && link.connection != nullptr) connected(*link.connection);
}

void EndpointImpl::connected(ConnectionState& state) {
  Link& link = *state.link;
  link.establish();
  no_longer_half_open(link);
  state.current_phase = ConnectionPhase::connected;
  state.connected_at = executor_.env().now();
  state.was_dialed = link.dialed();
  state.announced = true;
  state.address = link.remote().to_string();
  log(LogLevel::debug, "net: connected to node {} at {}", state.peer_id.short_string(), state.address);
  if (options_.on_connected) executor_.contained([&] { options_.on_connected(state); });
}

// Subprotocols.

const Subprotocol* EndpointImpl::subprotocol(uint64_t id) const {
  auto found = std::ranges::find(options_.subprotocols, id, &Subprotocol::id);
  return found == options_.subprotocols.end() ? nullptr : &*found;
}

void EndpointImpl::link_stream(Link& link, StreamState& stream) {
  const Subprotocol* target = subprotocol(stream.subprotocol());
  std::optional<uint32_t> version = link.connection->version(stream.subprotocol());
  if (target == nullptr || !target->on_stream || !version) {
    return link.reset_stream(stream, Error(Code::UNSUPPORTED, fmt::format("subprotocol {} is not served here",
                                                                          stream.subprotocol())));
  }
  crypto::Roles missing = target->required_roles & ~link.connection->acceptance.membership.roles;
  if (missing != 0) {
    return link.reset_stream(
        stream, Error(Code::PERMISSION_DENIED, fmt::format("subprotocol {} needs roles {:#x} that the peer "
                                                           "does not have",
                                                           stream.subprotocol(), missing)));
  }
  stream.subprotocol_version = *version;
  executor_.contained([&] { target->on_stream(stream); });
}

void EndpointImpl::link_datagram(Link& link, uint64_t id, BytesView datagram) {
  const Subprotocol* target = subprotocol(id);
  if (link.connection == nullptr || target == nullptr || !target->on_datagram) return;
  if ((target->required_roles & ~link.connection->acceptance.membership.roles) != 0) return;
  executor_.contained([&] { target->on_datagram(*link.connection, datagram); });
}

// Ends.

Connection* EndpointImpl::find(const NodeId& peer) {
  auto found = peers_.find(peer);
  if (found == peers_.end() || found->second->current_phase != ConnectionPhase::connected) return nullptr;
  return found->second.get();
}

std::vector<Connection*> EndpointImpl::connections() {
  std::vector<Connection*> out;
  for (auto& [id, state] : peers_) {
    if (state->current_phase == ConnectionPhase::connected) out.push_back(state.get());
  }
  return out;
}

void EndpointImpl::end_state(ConnectionState& state, Error why) {
  state.current_phase = ConnectionPhase::closed;
  state.why = std::move(why);
  state.wait.disarm();
  auto own = peers_.find(state.peer_id);
  ended_.push_back(std::move(own->second));
  peers_.erase(own);
  if (!stopped_) executor_.schedule(deliver_);
}

// Tells the ends whose links have delivered everything else.
void EndpointImpl::tell_ends() {
  if (!ended_.empty() && ASPEN_BUGGIFY("net-ends-later")) return executor_.schedule(deliver_);
  for (size_t i = 0; i < ended_.size();) {
    if (ended_[i]->link != nullptr) {
      ++i;
      continue;
    }
    std::unique_ptr<ConnectionState> state = std::move(ended_[i]);
    ended_.erase(ended_.begin() + static_cast<ptrdiff_t>(i));
    if (!state->announced || !options_.on_disconnected) continue;
    executor_.contained([&] { options_.on_disconnected(*state, *state->why); });
    if (stopped_) return;
  }
}

void EndpointImpl::close_connection(ConnectionState& state, Code code, std::string_view reason) {
  if (state.current_phase == ConnectionPhase::closed) return;
  Error why(code, fmt::format("closed here: {}", reason));
  if (state.link == nullptr) return end_state(state, std::move(why));
  state.link->discard_received();
  state.link->close(std::move(why), to_wire(code), reason);
}

void EndpointImpl::close(Code code, std::string_view reason, std::function<void()> done) {
  if (done) close_done_.push_back(std::move(done));
  if (!closing_) {
    closing_ = true;
    while (!peers_.empty()) close_connection(*peers_.begin()->second, code, reason);
    for (auto& [age, link] : links_) link->close(Error(code, std::string(reason)), to_wire(code), reason);
    socket_->flush();
  }
  executor_.schedule(deliver_);
}

}  // namespace aspen::net

// The part of SimulatedEndpoint that knows peers; the same rules as core/net/endpoint_peers.cc.
#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/lab/simulated_endpoint.h"
#include "core/net/close_code.h"

namespace aspen::lab {

using net::ConnectionPhase;
using net::kWireDuplicate;

// Dialing.

SimulatedConnection& SimulatedEndpoint::add_peer(const NodeId& peer) {
  auto& slot = peers_[peer];
  slot = std::make_unique<SimulatedConnection>(*this, peer, executor_);
  return *slot;
}

Result<net::Connection*> SimulatedEndpoint::connect(const NodeId& peer, const std::string& address) {
  if (closing_ || stopped_) return fail(Code::SHUTDOWN, "the endpoint is closing");
  if (peer == id()) return fail(Code::INVALID_ARGUMENT, "a node does not connect to itself");
  if (auto known = peers_.find(peer); known != peers_.end()) {
    known->second->announced = true;
    return known->second.get();
  }
  if (peers_.size() >= options_.connections_max) {
    return fail(Code::OVERLOADED, "{} peers are connected; at most {}", peers_.size(),
                options_.connections_max);
  }
  ASPEN_TRY(auto host_port, net::split_host_port(address));
  if (host_port.second == "0") {
    return fail(Code::INVALID_ARGUMENT, "address {} has no port to connect to", address);
  }
  SimulatedConnection& connection = add_peer(peer);
  connection.address = address;
  connection.announced = true;
  connection.was_dialed = true;
  uint64_t key = network_.new_key() * 2;
  auto& slot = links_[key];
  slot = std::make_unique<SimulatedLink>(*this, true, key, network_.port_of(address), peer);
  attach(connection, *slot);
  // The packet leaves when the turn ends, as all others.
  link_dirty(*slot);
  return &connection;
}

void SimulatedEndpoint::dial_timed_out(SimulatedConnection& connection) {
  end_connection(connection,
                 Error(Code::UNAVAILABLE, fmt::format("no connection to node {} at {} within {} ms",
                                                      connection.peer_id.short_string(), connection.address,
                                                      options_.handshake_timeout / kMillisecond)));
}

// Which link carries a connection.

void SimulatedEndpoint::attach(SimulatedConnection& connection, SimulatedLink& link) {
  connection.wait.disarm();
  if (SimulatedLink* old = std::exchange(connection.link, &link); old != nullptr) {
    old->connection = nullptr;
    old->close(Error(Code::CANCELLED, "gave way to another connection to the peer"), kWireDuplicate, {});
  }
  link.connection = &connection;
}

// See net::EndpointImpl::claim.
SimulatedConnection* SimulatedEndpoint::claim(SimulatedLink& link) {
  const NodeId& peer = link.peer();
  auto known = peers_.find(peer);
  if (known == peers_.end()) {
    SimulatedConnection& fresh = add_peer(peer);
    attach(fresh, link);
    return &fresh;
  }
  SimulatedConnection& connection = *known->second;
  bool smaller = id() < peer;
  bool own_dial = connection.link != nullptr && connection.link->dialed();
  bool wins = connection.current_phase == ConnectionPhase::connected
                  ? link.created_at() <= connection.connected_at
                  : own_dial && connection.link->phase() == LinkPhase::secured;
  if (smaller && own_dial && wins && !ASPEN_MUTANT("lab-net-both-dials-win")) {
    link.close(Error(Code::CANCELLED, "gave way to this node's own dial"), kWireDuplicate, {});
    return nullptr;
  }
  if (connection.current_phase == ConnectionPhase::connecting) {
    attach(connection, link);
    return &connection;
  }
  connection.link->close(
      Error(Code::CONNECTION_LOST, fmt::format("node {} has connected anew", peer.short_string())),
      kWireDuplicate, {});
  SimulatedConnection& fresh = add_peer(peer);
  attach(fresh, link);
  return &fresh;
}

// The hello.

net::Hello SimulatedEndpoint::own_hello() const {
  net::Hello hello;
  hello.network = options_.network;
  hello.membership = options_.membership;
  for (const net::Subprotocol& s : options_.subprotocols) {
    hello.subprotocols.push_back({s.id, s.version_min, s.version_max});
  }
  std::ranges::sort(hello.subprotocols, {}, &net::SubprotocolVersions::id);
  return hello;
}

void SimulatedEndpoint::refuse(SimulatedLink& link, const Error& why) {
  log(LogLevel::info, "net: refused {}: {}", link.remote_address(), why.to_string());
  link.close(why, net::to_wire(why.code), why.message);
}

void SimulatedEndpoint::link_hello(SimulatedLink& link, const net::Hello& hello) {
  Result<net::Acceptance> acceptance =
      net::accept_hello(own_hello(), hello, link.peer(), executor_.env().wall_now());
  if (!acceptance && ASPEN_MUTANT("lab-net-hello-unchecked")) acceptance.emplace();
  if (!acceptance) return refuse(link, acceptance.error());
  SimulatedConnection* connection = link.dialed() ? link.connection : claim(link);
  if (connection == nullptr) return;
  connection->acceptance = *std::move(acceptance);
  link.admit();
  if (link.dialed()) {
    link.send_confirm();
    connected(*connection);
  } else {
    link.send_hello();
  }
}

void SimulatedEndpoint::link_confirmed(SimulatedLink& link) {
  if (link.connection != nullptr) connected(*link.connection);
}

void SimulatedEndpoint::connected(SimulatedConnection& connection) {
  SimulatedLink& link = *connection.link;
  link.establish();
  no_longer_half_open(link);
  connection.current_phase = ConnectionPhase::connected;
  connection.connected_at = executor_.env().now();
  connection.was_dialed = link.dialed();
  connection.announced = true;
  connection.address = link.remote_address();
  log(LogLevel::debug, "net: connected to node {} at {}", connection.peer_id.short_string(),
      connection.address);
  if (options_.on_connected) executor_.contained([&] { options_.on_connected(connection); });
}

// Subprotocols.

const net::Subprotocol* SimulatedEndpoint::subprotocol(uint64_t id) const {
  auto found = std::ranges::find(options_.subprotocols, id, &net::Subprotocol::id);
  return found == options_.subprotocols.end() ? nullptr : &*found;
}

void SimulatedEndpoint::link_stream(SimulatedLink& link, SimulatedStream& stream) {
  const net::Subprotocol* target = subprotocol(stream.subprotocol());
  std::optional<uint32_t> version = link.connection->version(stream.subprotocol());
  if (target == nullptr || !target->on_stream || !version) {
    return stream.reset(Code::UNSUPPORTED,
                        fmt::format("subprotocol {} is not served here", stream.subprotocol()));
  }
  crypto::Roles missing = target->required_roles & ~link.connection->acceptance.membership.roles;
  if (missing != 0) {
    return stream.reset(Code::PERMISSION_DENIED,
                        fmt::format("subprotocol {} needs roles {:#x} that the peer does not have",
                                    stream.subprotocol(), missing));
  }
  stream.set_version(*version);
  executor_.contained([&] { target->on_stream(stream); });
}

void SimulatedEndpoint::link_datagram(SimulatedLink& link, uint64_t id, BytesView datagram) {
  const net::Subprotocol* target = subprotocol(id);
  if (link.connection == nullptr || target == nullptr || !target->on_datagram) return;
  if ((target->required_roles & ~link.connection->acceptance.membership.roles) != 0) return;
  executor_.contained([&] { target->on_datagram(*link.connection, datagram); });
}

// Ends.

net::Connection* SimulatedEndpoint::find(const NodeId& peer) {
  auto found = peers_.find(peer);
  if (found == peers_.end() || found->second->current_phase != ConnectionPhase::connected) return nullptr;
  return found->second.get();
}

std::vector<net::Connection*> SimulatedEndpoint::connections() {
  std::vector<net::Connection*> out;
  for (auto& [id, connection] : peers_) {
    if (connection->current_phase == ConnectionPhase::connected) out.push_back(connection.get());
  }
  return out;
}

void SimulatedEndpoint::end_connection(SimulatedConnection& connection, Error why) {
  connection.current_phase = ConnectionPhase::closed;
  connection.why = std::move(why);
  connection.wait.disarm();
  auto own = peers_.find(connection.peer_id);
  ended_.push_back(std::move(own->second));
  peers_.erase(own);
  if (!stopped_) executor_.schedule(deliver_);
}

// Tells the ends whose links have delivered everything else.
void SimulatedEndpoint::tell_ends() {
  if (!ended_.empty() && ASPEN_BUGGIFY("lab-net-ends-later")) return executor_.schedule(deliver_);
  for (size_t i = 0; i < ended_.size();) {
    if (ended_[i]->link != nullptr) {
      ++i;
      continue;
    }
    std::unique_ptr<SimulatedConnection> connection = std::move(ended_[i]);
    ended_.erase(ended_.begin() + static_cast<ptrdiff_t>(i));
    if (!connection->announced || !options_.on_disconnected) continue;
    executor_.contained([&] { options_.on_disconnected(*connection, *connection->why); });
    if (stopped_) return;
  }
}

void SimulatedEndpoint::close_connection(SimulatedConnection& connection, Code code,
                                         std::string_view reason) {
  if (connection.current_phase == ConnectionPhase::closed) return;
  Error why(code, fmt::format("closed here: {}", reason));
  if (connection.link == nullptr) return end_connection(connection, std::move(why));
  connection.link->discard_received();
  connection.link->close(std::move(why), net::to_wire(code), reason);
}

void SimulatedEndpoint::close(Code code, std::string_view reason, std::function<void()> done) {
  if (done) close_done_.push_back(std::move(done));
  if (!closing_) {
    closing_ = true;
    while (!peers_.empty()) close_connection(*peers_.begin()->second, code, reason);
    while (!links_.empty()) {
      links_.begin()->second->close(Error(code, std::string(reason)), net::to_wire(code), reason);
    }
  }
  executor_.schedule(deliver_);
}

}  // namespace aspen::lab

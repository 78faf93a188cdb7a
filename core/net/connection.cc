#include "core/net/connection.h"

#include "core/net/connection_state.h"
#include "core/net/endpoint_impl.h"

namespace aspen::net {

ConnectionState::ConnectionState(EndpointImpl& endpoint, const NodeId& peer, rt::Executor& executor)
    : endpoint(endpoint),
      peer(peer),
      wait(executor, [this] { this->endpoint.dial_timed_out(*this); }),
      face(this) {}

Connection::Connection(ConnectionState* state) : state_(state) {}
Connection::~Connection() = default;

Endpoint& Connection::endpoint() {
  return *state_->endpoint.face;
}

const NodeId& Connection::peer() const {
  return state_->peer;
}

ConnectionPhase Connection::phase() const {
  return state_->phase;
}

bool Connection::dialed() const {
  return state_->dialed;
}

const crypto::Membership& Connection::membership() const {
  return state_->acceptance.membership;
}

std::string Connection::remote_address() const {
  if (state_->phase == ConnectionPhase::connecting || state_->link == nullptr) return state_->address;
  return state_->link->remote().to_string();
}

DurationNs Connection::round_trip() const {
  return connected() ? state_->link->round_trip() : 0;
}

std::optional<uint32_t> Connection::version(uint64_t subprotocol) const {
  auto found = state_->acceptance.versions.find(subprotocol);
  if (found == state_->acceptance.versions.end()) return std::nullopt;
  return found->second;
}

namespace {

Result<uint32_t> usable_version(const Connection& connection, uint64_t subprotocol) {
  if (!connection.connected()) {
    return std::unexpected(Error(Code::CONNECTION_LOST, Applied::NO,
                                 fmt::format("not connected to node {}", connection.peer().short_string())));
  }
  std::optional<uint32_t> version = connection.version(subprotocol);
  if (!version) {
    return fail(Code::UNSUPPORTED, "subprotocol {} has no version common to this node and node {}",
                subprotocol, connection.peer().short_string());
  }
  return *version;
}

}  // namespace

Result<Stream*> Connection::open_stream(uint64_t subprotocol) {
  ASPEN_TRY(uint32_t version, usable_version(*this, subprotocol));
  return state_->link->open_stream(subprotocol, version);
}

Result<> Connection::send_datagram(uint64_t subprotocol, BytesView datagram) {
  ASPEN_CHECK(usable_version(*this, subprotocol));
  return state_->link->send_datagram(subprotocol, datagram);
}

size_t Connection::datagram_bytes_max(uint64_t subprotocol) const {
  return Link::datagram_bytes_max(subprotocol);
}

void Connection::close(Code code, std::string_view reason) {
  state_->endpoint.close_connection(*state_, code, reason);
}

}  // namespace aspen::net

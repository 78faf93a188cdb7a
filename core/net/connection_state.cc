#include "core/net/connection_state.h"

#include "core/net/endpoint_impl.h"

namespace aspen::net {

ConnectionState::ConnectionState(EndpointImpl& endpoint, const NodeId& peer, rt::Executor& executor)
    : owner(endpoint), peer_id(peer), wait(executor, [this] { owner.dial_timed_out(*this); }) {}

Endpoint& ConnectionState::endpoint() {
  return *owner.face;
}

std::string ConnectionState::remote_address() const {
  if (current_phase == ConnectionPhase::connecting || link == nullptr) return address;
  return link->remote().to_string();
}

std::optional<uint32_t> ConnectionState::version(uint64_t subprotocol) const {
  auto found = acceptance.versions.find(subprotocol);
  if (found == acceptance.versions.end()) return std::nullopt;
  return found->second;
}

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

Result<Stream*> ConnectionState::open_stream(uint64_t subprotocol) {
  ASPEN_TRY(uint32_t version, usable_version(*this, subprotocol));
  return link->open_stream(subprotocol, version);
}

Result<> ConnectionState::send_datagram(uint64_t subprotocol, BytesView datagram) {
  ASPEN_CHECK(usable_version(*this, subprotocol));
  return link->send_datagram(subprotocol, datagram);
}

size_t ConnectionState::datagram_bytes_max(uint64_t subprotocol) const {
  return Link::datagram_bytes_max(subprotocol);
}

void ConnectionState::close(Code code, std::string_view reason) {
  owner.close_connection(*this, code, reason);
}

}  // namespace aspen::net

#include "core/lab/simulated_connection.h"

#include "core/lab/simulated_endpoint.h"
#include "core/lab/simulated_link.h"
#include "core/net/link.h"

namespace aspen::lab {

SimulatedConnection::SimulatedConnection(SimulatedEndpoint& endpoint, const NodeId& peer,
                                         rt::Executor& executor)
    : owner(endpoint), peer_id(peer), wait(executor, [this] { owner.dial_timed_out(*this); }) {}

net::Endpoint& SimulatedConnection::endpoint() {
  return *owner.face;
}

std::string SimulatedConnection::remote_address() const {
  return address;
}

DurationNs SimulatedConnection::round_trip() const {
  return connected() ? link->round_trip() : 0;
}

std::optional<uint32_t> SimulatedConnection::version(uint64_t subprotocol) const {
  auto found = acceptance.versions.find(subprotocol);
  if (found == acceptance.versions.end()) return std::nullopt;
  return found->second;
}

Result<net::Stream*> SimulatedConnection::open_stream(uint64_t subprotocol) {
  ASPEN_TRY(uint32_t version, usable_version(*this, subprotocol));
  return link->open_stream(subprotocol, version);
}

Result<> SimulatedConnection::send_datagram(uint64_t subprotocol, BytesView datagram) {
  ASPEN_CHECK(usable_version(*this, subprotocol));
  return link->send_datagram(subprotocol, datagram);
}

size_t SimulatedConnection::datagram_bytes_max(uint64_t subprotocol) const {
  return net::Link::datagram_bytes_max(subprotocol);
}

void SimulatedConnection::close(Code code, std::string_view reason) {
  owner.close_connection(*this, code, reason);
}

}  // namespace aspen::lab

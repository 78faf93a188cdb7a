// A Connection of the simulated network: one peer, and the link that carries it or will. The counterpart of
// net::ConnectionState.
#pragma once

#include <optional>
#include <string>

#include "core/net/connection.h"
#include "core/net/hello.h"
#include "core/rt/executor.h"

namespace aspen::lab {

class SimulatedEndpoint;
class SimulatedLink;

struct SimulatedConnection final : net::Connection {
  SimulatedConnection(SimulatedEndpoint& endpoint, const NodeId& peer, rt::Executor& executor);

  net::Endpoint& endpoint() override;
  const NodeId& peer() const override { return peer_id; }
  net::ConnectionPhase phase() const override { return current_phase; }
  bool dialed() const override { return was_dialed; }
  const crypto::Membership& membership() const override { return acceptance.membership; }
  std::string remote_address() const override;
  DurationNs round_trip() const override;
  std::optional<uint32_t> version(uint64_t subprotocol) const override;
  Result<net::Stream*> open_stream(uint64_t subprotocol) override;
  Result<> send_datagram(uint64_t subprotocol, BytesView datagram) override;
  size_t datagram_bytes_max(uint64_t subprotocol) const override;
  void close(Code code, std::string_view reason) override;

  SimulatedEndpoint& owner;
  const NodeId peer_id;
  std::string address;  // asked for, then the peer's
  net::ConnectionPhase current_phase = net::ConnectionPhase::connecting;
  bool announced = false;  // the user knows of it: its end must be told
  SimulatedLink* link = nullptr;
  bool was_dialed = false;
  TimeNs connected_at = 0;
  net::Acceptance acceptance;
  std::optional<Error> why;
  rt::Timer wait;  // gives up when the other side's dial, to which this one gave way, never comes
};

}  // namespace aspen::lab

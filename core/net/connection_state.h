// A Connection over QUIC: one peer, and the link that carries it or will.
//
// While connecting, the link may change: two nodes that dial each other at once settle on one of the two
// links (see EndpointImpl::claim), and for a moment there may be none.
#pragma once

#include <optional>
#include <string>

#include "core/net/connection.h"
#include "core/net/hello.h"
#include "core/net/link.h"

namespace aspen::net {

class EndpointImpl;

struct ConnectionState final : Connection {
  ConnectionState(EndpointImpl& endpoint, const NodeId& peer, rt::Executor& executor);

  // Connection.
  Endpoint& endpoint() override;
  const NodeId& peer() const override { return peer_id; }
  ConnectionPhase phase() const override { return current_phase; }
  bool dialed() const override { return was_dialed; }
  const crypto::Membership& membership() const override { return acceptance.membership; }
  std::string remote_address() const override;
  DurationNs round_trip() const override { return connected() ? link->round_trip() : 0; }
  std::optional<uint32_t> version(uint64_t subprotocol) const override;
  Result<Stream*> open_stream(uint64_t subprotocol) override;
  Result<> send_datagram(uint64_t subprotocol, BytesView datagram) override;
  size_t datagram_bytes_max(uint64_t subprotocol) const override;
  void close(Code code, std::string_view reason) override;

  EndpointImpl& owner;
  const NodeId peer_id;
  std::string address;  // asked for
  ConnectionPhase current_phase = ConnectionPhase::connecting;
  // The user knows of it: its end must be told.
  bool announced = false;
  Link* link = nullptr;
  bool was_dialed = false;  // the link it was connected by
  TimeNs connected_at = 0;
  Acceptance acceptance;
  std::optional<Error> why;
  // Gives up a dial that has no link: the name did not resolve, or the other side's dial never came.
  rt::Timer wait;
};

}  // namespace aspen::net

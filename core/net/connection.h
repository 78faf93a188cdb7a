// The connection to one peer whose key and membership have been verified.
//
// There is at most one per peer, whoever dialed. It multiplexes streams and unreliable datagrams of any
// number of subprotocols. connect() hands one out before it is established, so that a second caller finds
// the first one's dial; streams and datagrams are possible from on_connected on.
//
// Invariants: state moves only forward: connecting, connected, closed. Exactly one on_disconnected ends it,
// after the on_close of each of its streams.
// Lifetime: owned by the Endpoint; valid until on_disconnected has returned.
// Thread safety: none; the engine thread only. No callback runs inside a call.
#pragma once

#include <optional>
#include <string>

#include "core/base/time.h"
#include "core/crypto/grant.h"
#include "core/net/stream.h"

namespace aspen::net {

class Endpoint;

enum class ConnectionPhase : uint8_t { connecting, connected, closed };

class Connection {
 public:
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  virtual Endpoint& endpoint() = 0;
  virtual const NodeId& peer() const = 0;
  virtual ConnectionPhase phase() const = 0;
  bool connected() const { return phase() == ConnectionPhase::connected; }
  // True when this side dialed it.
  virtual bool dialed() const = 0;
  // What the peer's chain amounts to. Meaningful once connected.
  virtual const crypto::Membership& membership() const = 0;
  // "host:port" of the peer; the address asked for until connected.
  virtual std::string remote_address() const = 0;
  // Smoothed; 0 until connected.
  virtual DurationNs round_trip() const = 0;
  // The version both ends speak, or none when the peer does not offer the subprotocol.
  virtual std::optional<uint32_t> version(uint64_t subprotocol) const = 0;

  // Errors: UNSUPPORTED (not registered here, or not offered by the peer in a common version),
  // CONNECTION_LOST (not connected), OVERLOADED (limits::kStreamsPerPeerMax are open).
  virtual Result<Stream*> open_stream(uint64_t subprotocol) = 0;
  // May be lost, reordered or duplicated, never corrupted. Errors: as open_stream; LIMIT_EXCEEDED over
  // datagram_bytes_max(subprotocol); OVERLOADED (limits::kDatagramsQueuedMax wait).
  virtual Result<> send_datagram(uint64_t subprotocol, BytesView datagram) = 0;
  virtual size_t datagram_bytes_max(uint64_t subprotocol) const = 0;

  // Tells the peer why and ends the connection. Frames not yet acknowledged may be lost.
  virtual void close(Code code, std::string_view reason) = 0;

  // For the owner of the endpoint; not touched here.
  void* user_data = nullptr;

 protected:
  Connection() = default;
  ~Connection() = default;
};

// For implementations: the version to speak, or why neither stream nor datagram can be sent. Errors:
// CONNECTION_LOST, UNSUPPORTED.
Result<uint32_t> usable_version(const Connection& connection, uint64_t subprotocol);

}  // namespace aspen::net

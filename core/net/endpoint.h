// A node's door to the network: one UDP socket that listens and dials, one connection per peer.
//
// Peers are keys. Every connection is QUIC (RFC 9000, ALPN "aspen/1") with TLS 1.3 and mutual Ed25519 raw
// public keys (RFC 7250); the dialer refuses a peer whose key is not the one it asked for. The first stream
// carries a hello both ways: versions, the network id, the membership chain (verified on both sides) and the
// subprotocols with their version ranges. Only then is the connection handed out.
//
//   EndpointOptions options;
//   options.key = &key; options.network = network; options.membership = chain;
//   options.listen = "127.0.0.1:0";
//   options.subprotocols = {{.id = kEcho, .on_stream = [](Stream& s) {
//     s.on_frame([&s](Bytes frame) { (void)s.send(std::move(frame)); });
//   }}};
//   ASPEN_TRY(auto endpoint, Endpoint::open(loop, std::move(options)));
//   ASPEN_TRY(Connection* peer, endpoint->connect(peer_id, "10.0.0.7:4000"));
//
// A refused connection tells both ends the same cause: on_disconnected gets NOT_A_MEMBER, GRANT_EXPIRED,
// WRONG_PEER, UNSUPPORTED or PROTOCOL with a message; the other end gets the
// same code, its message saying that the peer refused. A peer that cannot be reached is UNAVAILABLE.
//
// Two nodes that dial each other at once end with one connection. A peer that restarted (also after SIGKILL,
// on the same port) is noticed by the first packet sent to it: its stateless resets outlive it, because their
// key derives from the node key; and its own dial replaces the connection it has forgotten.
//
// Thread safety: none; belongs to the loop's thread. Callbacks run from the loop, never inside a call, and
// may call anything, including destroying this endpoint.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/crypto/grant.h"
#include "core/crypto/key.h"
#include "core/net/connection.h"

namespace aspen::rt {
class Executor;
class Loop;
}  // namespace aspen::rt

namespace aspen::net {

class DatagramSocket;

// A protocol of streams and datagrams over the connection. Ids come from one registry (docs/wire.md).
struct Subprotocol {
  uint64_t id = 0;
  uint32_t version_min = 1;
  uint32_t version_max = 1;
  crypto::Roles required_roles = 0;  // a peer without all of them has its streams reset PERMISSION_DENIED
  // A stream the peer opened. Set its callbacks here. Null: this side only opens streams.
  std::function<void(Stream&)> on_stream;
  std::function<void(Connection&, BytesView datagram)> on_datagram;
};

struct EndpointOptions {
  const crypto::KeyPair* key = nullptr;  // outlives the endpoint
  NetworkId network;
  crypto::GrantChain membership;  // leads from the network's root to `key`
  std::string listen;             // "host:port", port 0: any; empty: dial only
  std::vector<Subprotocol> subprotocols;

  // Both sides' membership was accepted. For every connection, dialed or accepted.
  std::function<void(Connection&)> on_connected;
  // The connection ended, or a dial failed (then on_connected never ran).
  std::function<void(Connection&, const Error& why)> on_disconnected;
  // An incoming connection was refused before it became one. For logs and tests.
  std::function<void(const std::string& remote_address, const Error& why)> on_refused;

  DurationNs idle_timeout = limits::kIdleTimeout;  // silence after which a peer is taken for gone
  DurationNs keep_alive = limits::kKeepAlive;      // a sign of life is sent after this much silence
  DurationNs handshake_timeout = limits::kHandshakeTimeout;
  size_t connections_max = limits::kConnectionsMax;
  size_t handshakes_max = limits::kHandshakesMax;
};

// What every implementation refuses in options. Errors: INVALID_ARGUMENT, LIMIT_EXCEEDED.
Result<> check(const EndpointOptions& options);

// open() makes one that speaks QUIC; the lab has another, over its simulated network.
class Endpoint {
 public:
  // A name in `listen` is resolved, blocking. Errors: INVALID_ARGUMENT (address, options), IN_USE naming the
  // address, IO.
  static Result<std::unique_ptr<Endpoint>> open(rt::Loop& loop, EndpointOptions options);
  // Over a given socket instead of a UDP one: the lab's network, or a test's. Names are not resolved.
  static Result<std::unique_ptr<Endpoint>> open(rt::Executor& executor, EndpointOptions options,
                                                std::unique_ptr<DatagramSocket> socket);
  // Immediate: peers are told SHUTDOWN, no callback runs any more. All pointers handed out die.
  virtual ~Endpoint() = default;
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // "host:port" as bound, with the real port.
  virtual std::string local_address() const = 0;

  // The connection to `peer`, connected or pending; dials `address` when there is none. Exactly one of
  // on_connected and on_disconnected follows for a new dial. A name is resolved on another thread; one that
  // does not resolve ends the dial with INVALID_ARGUMENT.
  // Errors: INVALID_ARGUMENT (address not "host:port", or our own id), OVERLOADED, SHUTDOWN.
  virtual Result<Connection*> connect(const NodeId& peer, const std::string& address) = 0;
  // The connection to `peer` if it is connected, else null.
  virtual Connection* find(const NodeId& peer) = 0;
  virtual std::vector<Connection*> connections() = 0;  // the connected ones, by id

  // A renewed chain, shown from the next connection on.
  virtual void set_membership(crypto::GrantChain chain) = 0;

  // Refuses new connections, tells every peer `code` and `reason`, ends all streams and connections with
  // their callbacks and then calls `done`. Idempotent: later calls complete with the first.
  virtual void close(Code code, std::string_view reason, std::function<void()> done) = 0;

 protected:
  Endpoint() = default;
};

}  // namespace aspen::net

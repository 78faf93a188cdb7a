// What the endpoint's tests share: keys, memberships, an endpoint that records what happens to it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/net/datagram_socket.h"
#include "core/net/endpoint.h"
#include "core/rt/loop.h"

namespace aspen::net {

inline constexpr uint64_t kEcho = 7;
inline constexpr uint64_t kSink = 8;

inline crypto::KeyPair key_of(uint8_t byte) {
  crypto::initialize();
  crypto::Seed seed;
  seed.fill(byte);
  return crypto::KeyPair::from_seed(seed);
}

inline const crypto::KeyPair& root_key() {
  static crypto::KeyPair root = key_of(0xaa);
  return root;
}

// A chain of one link from the root.
inline crypto::GrantChain admit_node(const NodeId& node, crypto::Roles roles = crypto::kRolesAll,
                                     WallNs not_after = 0, const crypto::KeyPair& root = root_key()) {
  crypto::Grant grant{
      .kind = crypto::GrantKind::node, .subject = node, .roles = roles, .not_after = not_after};
  return {*crypto::issue(root.id(), {}, root, grant)};
}

// One endpoint that echoes frames and datagrams of kEcho, collects frames of kSink and keeps a record.
struct TestNode {
  explicit TestNode(uint8_t seed) : key(key_of(seed)) {
    options.network = root_key().id();
    options.membership = admit_node(key.id());
    options.listen = "127.0.0.1:0";
    options.subprotocols.push_back(
        {.id = kEcho,
         .on_stream =
             [this](Stream& stream) {
               ++streams;
               stream.on_frame([&stream](Bytes frame) { EXPECT_TRUE(stream.send(std::move(frame))); });
               stream.on_close([this](const Error& why) { stream_ends.push_back(why); });
             },
         .on_datagram =
             [this](Connection& connection, BytesView datagram) {
               ++datagrams;
               EXPECT_TRUE(connection.send_datagram(kSink, datagram));
             }});
    options.subprotocols.push_back(
        {.id = kSink,
         .on_stream =
             [this](Stream& stream) {
               sink = &stream;
               stream.on_frame([this](Bytes frame) { sunk.push_back(std::move(frame)); });
               stream.on_close([this](const Error& why) {
                 sink = nullptr;
                 stream_ends.push_back(why);
               });
             },
         .on_datagram = [this](Connection&, BytesView datagram) { sunk.emplace_back(datagram); }});
    options.on_connected = [this](Connection& connection) {
      connected.push_back(connection.peer());
      if (then_connected) then_connected(connection);
    };
    options.on_disconnected = [this](Connection& connection, const Error& why) {
      disconnected.push_back({connection.peer(), why});
      if (then_disconnected) then_disconnected(connection, why);
    };
    options.on_refused = [this](const std::string&, const Error& why) { refused.push_back(why); };
  }

  void open(rt::Loop& loop) {
    options.key = &key;
    auto opened = Endpoint::open(loop, options);
    ASSERT_TRUE(opened) << opened.error().to_string();
    endpoint = *std::move(opened);
    address = endpoint->local_address();
  }
  void open(rt::Executor& executor, std::unique_ptr<DatagramSocket> socket) {
    options.key = &key;
    auto opened = Endpoint::open(executor, options, std::move(socket));
    ASSERT_TRUE(opened) << opened.error().to_string();
    endpoint = *std::move(opened);
    address = endpoint->local_address();
  }
  NodeId id() const { return key.id(); }
  Connection* connect(const TestNode& other) {
    auto connection = endpoint->connect(other.id(), other.address);
    EXPECT_TRUE(connection) << connection.error().to_string();
    return connection ? *connection : nullptr;
  }
  bool sees(const TestNode& other) { return endpoint->find(other.id()) != nullptr; }

  crypto::KeyPair key;
  EndpointOptions options;
  std::unique_ptr<Endpoint> endpoint;
  std::string address;
  std::vector<NodeId> connected;
  std::vector<std::pair<NodeId, Error>> disconnected;
  std::vector<Error> refused;
  std::function<void(Connection&)> then_connected;
  std::function<void(Connection&, const Error&)> then_disconnected;
  int streams = 0;
  int datagrams = 0;
  Stream* sink = nullptr;
  std::vector<Bytes> sunk;
  std::vector<Error> stream_ends;
};

// Runs a real loop until `done`; false after `limit`.
inline bool run_until(rt::Loop& loop, const std::function<bool()>& done, DurationNs limit = 5 * kSecond) {
  TimeNs end = loop.executor().env().now() + limit;
  bool reached = false;
  std::unique_ptr<rt::Timer> timer;
  auto look = [&] {
    TimeNs now = loop.executor().env().now();
    reached = done();
    if (reached || now >= end) return loop.stop();
    timer->arm(now + 200 * kMicrosecond);
  };
  timer = std::make_unique<rt::Timer>(loop.executor(), look);
  timer->arm(loop.executor().env().now());
  loop.run();
  return reached;
}

// A client's stream of kEcho that collects what comes back.
struct EchoClient {
  explicit EchoClient(Connection& connection, uint64_t subprotocol = kEcho) {
    auto opened = connection.open_stream(subprotocol);
    EXPECT_TRUE(opened) << opened.error().to_string();
    if (!opened) return;
    stream = *opened;
    stream->on_frame([this](Bytes frame) { frames.push_back(std::move(frame)); });
    stream->on_close([this](const Error& why) {
      stream = nullptr;
      end = why;
    });
  }
  Stream* stream = nullptr;
  std::vector<Bytes> frames;
  std::optional<Error> end;
};

}  // namespace aspen::net

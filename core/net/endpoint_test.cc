#include "core/net/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/net/test_node.h"

namespace aspen::net {
namespace {

using testing::HasSubstr;

Bytes pattern(size_t size, uint32_t salt = 1) {
  Bytes out(size, '\0');
  uint32_t x = salt;
  for (char& c : out) c = static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  return out;
}

class EndpointTest : public testing::Test {
 protected:
  void open() {
    a.open(loop);
    b.open(loop);
  }
  Connection* connect() {
    Connection* connection = a.connect(b);
    EXPECT_TRUE(run_until(loop, [&] { return a.sees(b) && b.sees(a); }));
    return connection;
  }

  rt::Loop loop;
  TestNode a{1}, b{2};
};

TEST_F(EndpointTest, ConnectsAndVerifiesBothWays) {
  a.options.membership = admit_node(a.id(), crypto::kRoleClient);
  open();
  Connection* connection = a.connect(b);
  EXPECT_EQ(connection->phase(), ConnectionPhase::connecting);
  EXPECT_EQ(connection->open_stream(kEcho).error().code, Code::CONNECTION_LOST);
  EXPECT_EQ(a.connect(b), connection);
  ASSERT_TRUE(run_until(loop, [&] { return a.sees(b) && b.sees(a); }));
  EXPECT_EQ(a.connected, std::vector{b.id()});
  EXPECT_EQ(b.connected, std::vector{a.id()});
  EXPECT_TRUE(connection->dialed());
  EXPECT_EQ(connection->membership().roles, crypto::kRolesAll);
  EXPECT_EQ(connection->remote_address(), b.address);
  EXPECT_GT(connection->round_trip(), 0);
  EXPECT_EQ(connection->version(kEcho), 1u);
  EXPECT_EQ(connection->version(99), std::nullopt);
  EXPECT_EQ(&connection->endpoint(), a.endpoint.get());
  Connection* back = b.endpoint->find(a.id());
  EXPECT_FALSE(back->dialed());
  EXPECT_EQ(back->membership().roles, crypto::kRoleClient);
  EXPECT_EQ(back->remote_address(), a.address);
  EXPECT_EQ(a.endpoint->connections().size(), 1u);
}

TEST_F(EndpointTest, NegotiatesTheHighestCommonVersion) {
  a.options.subprotocols[0].version_max = 5;
  b.options.subprotocols[0].version_min = 2;
  b.options.subprotocols[0].version_max = 3;
  b.options.subprotocols[1].version_min = b.options.subprotocols[1].version_max = 2;
  open();
  Connection* connection = connect();
  EXPECT_EQ(connection->version(kEcho), 3u);
  EXPECT_EQ(connection->version(kSink), std::nullopt);
  EXPECT_EQ(connection->open_stream(kSink).error().code, Code::UNSUPPORTED);
  EchoClient echo(*connection);
  EXPECT_EQ(echo.stream->version(), 3u);
  EXPECT_EQ(echo.stream->subprotocol(), kEcho);
  EXPECT_FALSE(echo.stream->incoming());
  EXPECT_EQ(&echo.stream->connection(), connection);
}

TEST_F(EndpointTest, EchoesFramesOfAllSizes) {
  open();
  EchoClient echo(*connect());
  std::vector<Bytes> sent;
  for (size_t size : {0, 1, 15, 16, 100, 127, 128, 1200, 4095, 4096, 4097, 70'000, 1 << 20}) {
    sent.push_back(pattern(size, static_cast<uint32_t>(size)));
    ASSERT_TRUE(echo.stream->send(sent.back()));
  }
  ASSERT_TRUE(run_until(loop, [&] { return echo.frames.size() == sent.size(); }));
  EXPECT_EQ(echo.frames, sent);
  EXPECT_TRUE(run_until(loop, [&] { return echo.stream->buffered() == 0; }));
}

TEST_F(EndpointTest, CarriesTheLargestFrameAndRefusesALargerOne) {
  open();
  EchoClient echo(*connect());
  Result<> refused = echo.stream->send(Bytes(limits::kFrameBytesMax + 1, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::LIMIT_EXCEEDED);
  EXPECT_THAT(refused.error().message, HasSubstr("16777217 bytes; at most 16777216"));
  Bytes largest = pattern(limits::kFrameBytesMax);
  ASSERT_TRUE(echo.stream->send(largest));
  ASSERT_TRUE(run_until(loop, [&] { return !echo.frames.empty(); }, 20 * kSecond));
  EXPECT_TRUE(echo.frames[0] == largest);
}

TEST_F(EndpointTest, RefusesToBufferWithoutBoundAndTellsWhenThereIsRoom) {
  open();
  EchoClient client(*connect(), kSink);
  Bytes chunk(1 << 20, 'c');
  size_t accepted = 0;
  Result<> sent;
  while ((sent = client.stream->send(chunk))) ++accepted;
  EXPECT_EQ(sent.error().code, Code::OVERLOADED);
  EXPECT_LE(client.stream->buffered(), limits::kStreamSendBufferBytesMax);
  EXPECT_EQ(accepted, 31u);
  bool drained = false;
  client.stream->on_drain([&] {
    drained = true;
    EXPECT_LE(client.stream->buffered(), limits::kStreamSendBufferBytesMax / 2);
    EXPECT_TRUE(client.stream->send(chunk));
  });
  ASSERT_TRUE(run_until(loop, [&] { return drained && b.sunk.size() == accepted + 1; }, 20 * kSecond));
}

TEST_F(EndpointTest, APausedReaderStopsItsSender) {
  open();
  EchoClient client(*connect(), kSink);
  ASSERT_TRUE(client.stream->send("first"));
  ASSERT_TRUE(run_until(loop, [&] { return b.sunk.size() == 1; }));
  b.sink->pause();
  Bytes chunk = pattern(64 << 10);
  for (int i = 0; i < 256; ++i) ASSERT_TRUE(client.stream->send(chunk));  // 16 MiB
  run_until(loop, [] { return false; }, 300 * kMillisecond);
  EXPECT_EQ(b.sunk.size(), 1u);
  EXPECT_GT(client.stream->buffered(), 13u << 20);  // a window's worth has left, not more
  // Another stream of the same connection is not held up.
  EchoClient echo(*a.endpoint->find(b.id()));
  ASSERT_TRUE(echo.stream->send("still here"));
  ASSERT_TRUE(run_until(loop, [&] { return echo.frames.size() == 1; }));
  b.sink->resume();
  ASSERT_TRUE(run_until(loop, [&] { return b.sunk.size() == 257; }));
  EXPECT_TRUE(b.sunk.back() == chunk);
}

// More than the connection's window in all, in frames that each fit a packet or two.
TEST_F(EndpointTest, CreditComesBackForWhatWasConsumed) {
  open();
  EchoClient client(*connect(), kSink);
  constexpr size_t kFrames = 20'000;
  size_t sent = 0;
  auto fill = [&] {
    while (sent < kFrames && client.stream->send(Bytes(4 << 10, 'x'))) ++sent;
  };
  client.stream->on_drain(fill);
  fill();
  ASSERT_TRUE(run_until(loop, [&] { return b.sunk.size() == kFrames; }, 30 * kSecond));
}

TEST_F(EndpointTest, CreditComesBackForWhatWasDropped) {
  open();
  Connection* connection = connect();
  for (int round = 0; round < 90; ++round) {
    EchoClient client(*connection, kSink);
    ASSERT_TRUE(client.stream->send("first"));
    ASSERT_TRUE(run_until(loop, [&] { return b.sink != nullptr && !b.sunk.empty(); }));
    b.sink->pause();
    b.sunk.clear();
    for (int i = 0; i < 64; ++i) ASSERT_TRUE(client.stream->send(Bytes(64 << 10, 'x')));
    // A window's worth, near 1 MiB, arrives and waits.
    ASSERT_TRUE(run_until(loop, [&] { return client.stream->buffered() < (3200u << 10); }));
    b.sink->reset(Code::CANCELLED);
    ASSERT_TRUE(run_until(loop, [&] { return client.end.has_value() && b.sink == nullptr; }));
  }
  EchoClient echo(*connection);
  ASSERT_TRUE(echo.stream->send(pattern(1 << 20)));
  ASSERT_TRUE(run_until(loop, [&] { return echo.frames.size() == 1; }));
}

// Twelve frames of 16 MiB: more than may be incomplete at once, so some wait for the others.
TEST_F(EndpointTest, ManyLargeFramesAtOnceArriveOneAfterTheOther) {
  open();
  Connection* connection = connect();
  std::vector<std::unique_ptr<EchoClient>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<EchoClient>(*connection, kSink));
    ASSERT_TRUE(clients.back()->stream->send(Bytes(limits::kFrameBytesMax, 'x')));
  }
  size_t in_flight_max = 0;
  auto done = [&] {
    size_t left = 0;  // bytes that have left and are not a whole frame yet
    for (auto& client : clients) {
      size_t waiting = client->stream->buffered();
      if (waiting > 0) left += limits::kFrameBytesMax - std::min(waiting, limits::kFrameBytesMax);
    }
    in_flight_max = std::max(in_flight_max, left);
    return b.sunk.size() == clients.size();
  };
  ASSERT_TRUE(run_until(loop, done, 30 * kSecond));
  EXPECT_LT(in_flight_max, 9 * limits::kFrameBytesMax + (16u << 20));
  for (auto& client : clients) EXPECT_FALSE(client->end);
}

TEST_F(EndpointTest, ManyStreamsAtOnceAndAgain) {
  open();
  Connection* connection = connect();
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<EchoClient>> clients;
    for (size_t i = 0; i < limits::kStreamsPerPeerMax; ++i) {
      clients.push_back(std::make_unique<EchoClient>(*connection));
      ASSERT_NE(clients.back()->stream, nullptr);
      ASSERT_TRUE(clients.back()->stream->send("stream " + std::to_string(i)));
      clients.back()->stream->finish();
    }
    if (round == 0) EXPECT_EQ(connection->open_stream(kEcho).error().code, Code::OVERLOADED);
    ASSERT_TRUE(run_until(
        loop, [&] { return std::ranges::all_of(clients, [](auto& c) { return c->end.has_value(); }); }));
    for (size_t i = 0; i < clients.size(); ++i) {
      EXPECT_EQ(clients[i]->frames, std::vector{"stream " + std::to_string(i)});
      EXPECT_EQ(clients[i]->end->code, Code::OK);
    }
  }
  EXPECT_EQ(b.streams, 3 * static_cast<int>(limits::kStreamsPerPeerMax));
  ASSERT_TRUE(run_until(loop, [&] { return b.stream_ends.size() == 3 * limits::kStreamsPerPeerMax; }));
}

TEST_F(EndpointTest, DatagramsPass) {
  open();
  Connection* connection = connect();
  size_t max = connection->datagram_bytes_max(kEcho);
  EXPECT_GT(max, 1100u);
  ASSERT_TRUE(connection->send_datagram(kEcho, "ping"));
  ASSERT_TRUE(connection->send_datagram(kEcho, ""));
  ASSERT_TRUE(connection->send_datagram(kEcho, pattern(max)));
  EXPECT_EQ(connection->send_datagram(kEcho, pattern(max + 1)).error().code, Code::LIMIT_EXCEEDED);
  ASSERT_TRUE(run_until(loop, [&] { return a.sunk.size() == 3; }));
  EXPECT_EQ(a.sunk[0], "ping");
  EXPECT_EQ(a.sunk[1], "");
  EXPECT_EQ(a.sunk[2], pattern(max));
  Result<> sent;
  size_t queued = 0;
  while ((sent = connection->send_datagram(kSink, "x"))) ++queued;
  EXPECT_EQ(sent.error().code, Code::OVERLOADED);
  EXPECT_EQ(queued, limits::kDatagramsQueuedMax);
  ASSERT_TRUE(run_until(loop, [&] { return b.sunk.size() > queued / 2; }));
}

TEST_F(EndpointTest, BothSidesMayFinishOrReset) {
  open();
  Connection* connection = connect();
  EchoClient echo(*connection);
  ASSERT_TRUE(echo.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return echo.frames.size() == 1; }));
  echo.stream->finish();
  EXPECT_EQ(echo.stream->send("late").error().code, Code::CONNECTION_LOST);
  ASSERT_TRUE(run_until(loop, [&] { return echo.end && b.stream_ends.size() == 1; }));
  EXPECT_EQ(echo.end->code, Code::OK);
  EXPECT_EQ(b.stream_ends[0].code, Code::OK);

  EchoClient second(*connection, kSink);
  ASSERT_TRUE(second.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return b.sunk.size() == 1; }));
  second.stream->reset(Code::CANCELLED, "enough");
  EXPECT_FALSE(second.end);  // never inside the call
  ASSERT_TRUE(run_until(loop, [&] { return second.end && b.stream_ends.size() == 2; }));
  EXPECT_EQ(second.end->code, Code::CANCELLED);
  EXPECT_EQ(b.stream_ends[1].code, Code::CANCELLED);

  EchoClient third(*connection, kSink);
  ASSERT_TRUE(third.stream->send("y"));
  ASSERT_TRUE(run_until(loop, [&] { return b.sunk.size() == 2; }));
  b.sink->reset(Code::OVERLOADED);
  ASSERT_TRUE(run_until(loop, [&] { return third.end && b.stream_ends.size() == 3; }));
  EXPECT_EQ(third.end->code, Code::OVERLOADED);
}

TEST_F(EndpointTest, HalfCloseLetsTheOtherSideAnswer) {
  bool ended = false;
  b.options.subprotocols[1].on_stream = [&](Stream& stream) {
    stream.on_end([&stream, &ended] {
      ended = true;
      EXPECT_TRUE(stream.send("answer after the end"));
      stream.finish();
    });
  };
  open();
  EchoClient client(*connect(), kSink);
  ASSERT_TRUE(client.stream->send("question"));
  client.stream->finish();
  ASSERT_TRUE(run_until(loop, [&] { return client.end.has_value(); }));
  EXPECT_TRUE(ended);
  EXPECT_EQ(client.frames, std::vector<Bytes>{"answer after the end"});
  EXPECT_EQ(client.end->code, Code::OK);
}

TEST_F(EndpointTest, TheAcceptorMayOpenStreamsAtOnce) {
  std::unique_ptr<EchoClient> echo;
  b.then_connected = [&](Connection& connection) {
    echo = std::make_unique<EchoClient>(connection);
    ASSERT_TRUE(echo->stream->send("from the acceptor"));
  };
  std::unique_ptr<EchoClient> other;
  a.then_connected = [&](Connection& connection) {
    other = std::make_unique<EchoClient>(connection);
    ASSERT_TRUE(other->stream->send("from the dialer"));
  };
  open();
  connect();
  ASSERT_TRUE(run_until(loop, [&] { return echo->frames.size() == 1 && other->frames.size() == 1; }));
}

TEST_F(EndpointTest, AMissingRoleResetsTheStreamOnly) {
  a.options.membership = admit_node(a.id(), crypto::kRoleClient);
  b.options.subprotocols[0].required_roles = crypto::kRoleMember;
  open();
  Connection* connection = connect();
  EchoClient denied(*connection);
  ASSERT_TRUE(denied.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return denied.end.has_value(); }));
  EXPECT_EQ(denied.end->code, Code::PERMISSION_DENIED);
  EXPECT_EQ(b.streams, 0);
  ASSERT_TRUE(connection->send_datagram(kEcho, "x"));
  EchoClient allowed(*connection, kSink);
  ASSERT_TRUE(allowed.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return b.sunk.size() == 1; }));
  EXPECT_EQ(b.datagrams, 0);
}

TEST_F(EndpointTest, AnUnservedSubprotocolIsNotFatal) {
  b.options.subprotocols[0].on_stream = nullptr;
  open();
  Connection* connection = connect();
  EchoClient refused(*connection);
  ASSERT_TRUE(refused.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return refused.end.has_value(); }));
  EXPECT_EQ(refused.end->code, Code::UNSUPPORTED);
  EXPECT_TRUE(connection->connected());
  // Nor does it use up the streams a peer may have.
  for (size_t i = 0; i < 2 * limits::kStreamsPerPeerMax; ++i) {
    EchoClient again(*connection);
    ASSERT_TRUE(again.stream->send("x"));
    ASSERT_TRUE(run_until(loop, [&] { return again.end.has_value(); })) << i;
  }
  EchoClient sink(*connection, kSink);
  ASSERT_TRUE(sink.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return b.sunk.size() == 1; }));
}

TEST_F(EndpointTest, OnlyDialsWithoutAListenAddress) {
  a.options.listen = "";
  open();
  EchoClient echo(*connect());
  ASSERT_TRUE(echo.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return echo.frames.size() == 1; }));
}

TEST_F(EndpointTest, SpeaksIpv6) {
  b.options.listen = "[::1]:0";
  a.options.listen = "";
  a.open(loop);
  b.options.key = &b.key;
  auto opened = Endpoint::open(loop, b.options);
  if (!opened) GTEST_SKIP() << "no IPv6 here: " << opened.error().to_string();
  b.endpoint = *std::move(opened);
  b.address = b.endpoint->local_address();
  EXPECT_THAT(b.address, testing::StartsWith("[::1]:"));
  EchoClient echo(*connect());
  ASSERT_TRUE(echo.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return echo.frames.size() == 1; }));
}

TEST_F(EndpointTest, ResolvesNames) {
  a.options.listen = "localhost:0";
  open();
  std::string port = b.address.substr(b.address.rfind(':'));
  ASSERT_TRUE(a.endpoint->connect(b.id(), "localhost" + port));
  // "localhost" may be ::1 first, which b does not listen on.
  run_until(loop, [&] { return a.sees(b) || !a.disconnected.empty(); });
  NodeId other = key_of(9).id();
  ASSERT_TRUE(a.endpoint->connect(other, "no-such-host.invalid:4000"));
  ASSERT_TRUE(
      run_until(loop, [&] { return !a.disconnected.empty() && a.disconnected.back().first == other; }));
  EXPECT_EQ(a.disconnected.back().second.code, Code::INVALID_ARGUMENT);
  EXPECT_THAT(a.disconnected.back().second.message, HasSubstr("cannot resolve"));
}

TEST_F(EndpointTest, RefusesBadAddresses) {
  a.open(loop);
  b.options.listen = a.address;
  b.options.key = &b.key;
  auto opened = Endpoint::open(loop, b.options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::IN_USE);
  EXPECT_THAT(opened.error().message, HasSubstr(a.address));
  for (const char* bad : {"nonsense", ":1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:x", "::1:80",
                          "no host:1", "256.1.1.1.1:1", "192.0.2.1:4000"}) {
    b.options.listen = bad;
    auto refused = Endpoint::open(loop, b.options);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Code::INVALID_ARGUMENT) << refused.error().to_string();
  }
  for (const char* bad : {"nonsense", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "[::1]:4000"}) {
    auto refused = a.endpoint->connect(b.id(), bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Code::INVALID_ARGUMENT) << refused.error().to_string();
  }
  auto refused = a.endpoint->connect(a.id(), "127.0.0.1:1");
  EXPECT_EQ(refused.error().code, Code::INVALID_ARGUMENT);
  EXPECT_TRUE(a.endpoint->connections().empty());
}

TEST_F(EndpointTest, RefusesBadOptions) {
  EXPECT_EQ(Endpoint::open(loop, a.options).error().code, Code::INVALID_ARGUMENT);  // no key
  a.options.key = &a.key;
  a.options.subprotocols.push_back(a.options.subprotocols[0]);
  EXPECT_EQ(Endpoint::open(loop, a.options).error().code, Code::INVALID_ARGUMENT);
  a.options.subprotocols.resize(1);
  a.options.subprotocols[0].version_min = 9;
  EXPECT_EQ(Endpoint::open(loop, a.options).error().code, Code::INVALID_ARGUMENT);
  a.options.subprotocols.clear();
  for (uint64_t i = 0; i <= limits::kSubprotocolsMax; ++i) a.options.subprotocols.push_back({.id = i});
  EXPECT_EQ(Endpoint::open(loop, a.options).error().code, Code::LIMIT_EXCEEDED);
}

}  // namespace
}  // namespace aspen::net

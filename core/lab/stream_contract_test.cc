// What net::Stream and datagrams promise, as both implementations keep it over the same network.
#include <algorithm>

#include "core/lab/network_test_world.h"

namespace aspen::lab::network_test {
namespace {

using net::Connection;
using net::EchoClient;
using net::kEcho;
using net::kSink;

using StreamContract = ContractTest;

INSTANTIATE_TEST_SUITE_P(Transports, StreamContract, testing::Values(Transport::quic, Transport::simulated),
                         [](const auto& info) {
                           return info.param == Transport::quic ? "quic" : "simulated";
                         });

TEST_P(StreamContract, AMissingRoleResetsTheStreamOnly) {
  a->node.options.membership = net::admit_node(a->node.id(), crypto::kRoleClient);
  b->node.options.subprotocols[0].required_roles = crypto::kRoleMember;
  Connection* connection = connect();
  auto denied = client(*connection);
  send(*denied, "x");
  ASSERT_TRUE(world.until([&] { return denied->end.has_value(); }));
  EXPECT_EQ(denied->end->code, Code::PERMISSION_DENIED);
  EXPECT_EQ(b->node.streams, 0);
  auto allowed = client(*connection, kSink);
  send(*allowed, "x");
  ASSERT_TRUE(world.until([&] { return b->node.sunk.size() == 1; }));
}

TEST_P(StreamContract, EchoesFramesOfAllSizesInOrder) {
  auto echo = client(*connect());
  std::vector<Bytes> sent;
  for (size_t size : {0, 1, 15, 127, 128, 1200, 16'383, 16'384, 16'385, 70'000, 1 << 20, (1 << 20) + 1, 0}) {
    sent.push_back(pattern(size, static_cast<uint32_t>(size)));
    send(*echo, sent.back());
  }
  ASSERT_TRUE(world.until([&] { return echo->frames.size() == sent.size(); }));
  EXPECT_TRUE(echo->frames == sent);
  ASSERT_TRUE(world.until([&] { return echo->stream->buffered() == 0; }, kSecond));
  EXPECT_GT(a->node.endpoint->find(b->node.id())->round_trip(), 0);
}

TEST_P(StreamContract, CarriesTheLargestFrameAndRefusesALargerOne) {
  auto echo = client(*connect());
  Result<> refused = echo->stream->send(Bytes(limits::kFrameBytesMax + 1, 'x'));
  EXPECT_EQ(refused.error().code, Code::LIMIT_EXCEEDED);
  Bytes largest = pattern(limits::kFrameBytesMax);
  send(*echo, largest);
  ASSERT_TRUE(world.until([&] { return !echo->frames.empty(); }));
  EXPECT_TRUE(echo->frames[0] == largest);
}

TEST_P(StreamContract, RefusesToBufferWithoutBoundAndTellsWhenThereIsRoom) {
  auto sink = client(*connect(), kSink);
  Bytes chunk(1 << 20, 'c');
  size_t accepted = 0;
  bool drained = false;
  a->host.deliver([&] {
    Result<> sent;
    while ((sent = sink->stream->send(chunk))) ++accepted;
    EXPECT_EQ(sent.error().code, Code::OVERLOADED);
    sink->stream->on_drain([&] {
      drained = true;
      EXPECT_LE(sink->stream->buffered(), limits::kStreamSendBufferBytesMax / 2);
      EXPECT_TRUE(sink->stream->send(chunk));
    });
  });
  EXPECT_EQ(accepted, 31u);
  ASSERT_TRUE(world.until([&] { return drained && b->node.sunk.size() == accepted + 1; }));
}

TEST_P(StreamContract, APausedReaderStopsItsSenderOnly) {
  Connection* connection = connect();
  auto sink = client(*connection, kSink);
  send(*sink, "first");
  ASSERT_TRUE(world.until([&] { return b->node.sunk.size() == 1; }));
  b->host.deliver([&] { b->node.sink->pause(); });
  Bytes chunk = pattern(64 << 10);
  a->host.deliver([&] {
    for (int i = 0; i < 256; ++i) ASSERT_TRUE(sink->stream->send(chunk));
  });
  world.pass(2 * kSecond);
  EXPECT_EQ(b->node.sunk.size(), 1u);
  EXPECT_GT(sink->stream->buffered(), 13u << 20);
  EXPECT_LT(sink->stream->buffered(), 16u << 20);
  auto echo = client(*connection);
  send(*echo, "still here");
  ASSERT_TRUE(world.until([&] { return echo->frames.size() == 1; }, kSecond));
  b->host.deliver([&] { b->node.sink->resume(); });
  ASSERT_TRUE(world.until([&] { return b->node.sunk.size() == 257; }));
  EXPECT_TRUE(b->node.sunk.back() == chunk);
}

TEST_P(StreamContract, BothSidesMayFinishOrReset) {
  Connection* connection = connect();
  auto echo = client(*connection);
  send(*echo, "x");
  ASSERT_TRUE(world.until([&] { return echo->frames.size() == 1; }));
  a->host.deliver([&] {
    echo->stream->finish();
    EXPECT_EQ(echo->stream->send("late").error().code, Code::CONNECTION_LOST);
  });
  ASSERT_TRUE(world.until([&] { return echo->end && b->node.stream_ends.size() == 1; }, kSecond));
  EXPECT_EQ(echo->end->code, Code::OK);
  EXPECT_EQ(b->node.stream_ends[0].code, Code::OK);

  auto second = client(*connection, kSink);
  send(*second, "x");
  ASSERT_TRUE(world.until([&] { return b->node.sunk.size() == 1; }));
  a->host.deliver([&] {
    second->stream->reset(Code::CANCELLED, "enough");
    EXPECT_FALSE(second->end);  // never inside the call
  });
  ASSERT_TRUE(world.until([&] { return second->end && b->node.stream_ends.size() == 2; }, kSecond));
  EXPECT_EQ(second->end->code, Code::CANCELLED);
  EXPECT_EQ(b->node.stream_ends[1].code, Code::CANCELLED);

  auto third = client(*connection, kSink);
  send(*third, "y");
  ASSERT_TRUE(world.until([&] { return b->node.sunk.size() == 2; }));
  b->host.deliver([&] { b->node.sink->reset(Code::OVERLOADED); });
  ASSERT_TRUE(world.until([&] { return third->end && b->node.stream_ends.size() == 3; }, kSecond));
  EXPECT_EQ(third->end->code, Code::OVERLOADED);
}

TEST_P(StreamContract, HalfCloseLetsTheOtherSideAnswer) {
  b->node.options.subprotocols[1].on_stream = [&](net::Stream& stream) {
    stream.on_end([&stream] {
      EXPECT_TRUE(stream.send("answer after the end"));
      stream.finish();
    });
  };
  auto asks = client(*connect(), kSink);
  a->host.deliver([&] {
    EXPECT_TRUE(asks->stream->send("question"));
    asks->stream->finish();
  });
  ASSERT_TRUE(world.until([&] { return asks->end.has_value(); }, kSecond));
  EXPECT_EQ(asks->frames, std::vector<Bytes>{"answer after the end"});
  EXPECT_EQ(asks->end->code, Code::OK);
}

TEST_P(StreamContract, ManyStreamsAtOnceAndAgain) {
  Connection* connection = connect();
  for (int round = 0; round < 2; ++round) {
    std::vector<std::unique_ptr<EchoClient>> clients;
    a->host.deliver([&] {
      for (size_t i = 0; i < limits::kStreamsPerPeerMax; ++i) {
        clients.push_back(std::make_unique<EchoClient>(*connection));
        ASSERT_TRUE(clients.back()->stream->send("stream " + std::to_string(i)));
        clients.back()->stream->finish();
      }
      EXPECT_EQ(connection->open_stream(kEcho).error().code, Code::OVERLOADED);
    });
    ASSERT_TRUE(world.until(
        [&] { return std::ranges::all_of(clients, [](auto& c) { return c->end.has_value(); }); }));
    for (size_t i = 0; i < clients.size(); ++i) {
      EXPECT_EQ(clients[i]->frames, std::vector{"stream " + std::to_string(i)});
      EXPECT_EQ(clients[i]->end->code, Code::OK);
    }
    ASSERT_TRUE(world.until([&] { return b->node.stream_ends.size() == (round + 1) * clients.size(); }));
  }
}

TEST_P(StreamContract, DatagramsPass) {
  Connection* connection = connect();
  size_t max = connection->datagram_bytes_max(kEcho);
  a->host.deliver([&] {
    ASSERT_TRUE(connection->send_datagram(kEcho, "ping"));
    ASSERT_TRUE(connection->send_datagram(kEcho, pattern(max)));
    EXPECT_EQ(connection->send_datagram(kEcho, pattern(max + 1)).error().code, Code::LIMIT_EXCEEDED);
    Result<> sent;
    size_t queued = 2;
    while ((sent = connection->send_datagram(kSink, "x"))) ++queued;
    EXPECT_EQ(sent.error().code, Code::OVERLOADED);
    EXPECT_EQ(queued, limits::kDatagramsQueuedMax);
  });
  ASSERT_TRUE(world.until([&] { return a->node.sunk.size() == 2; }));
  EXPECT_EQ(a->node.sunk[0], "ping");
  EXPECT_EQ(a->node.sunk[1], pattern(max));
}

}  // namespace
}  // namespace aspen::lab::network_test

// The contract of net::Endpoint, Connection and Stream, as both implementations keep it over the same
// network.
#include "core/lab/network.h"

#include <algorithm>

#include "core/lab/network_test_world.h"

namespace aspen::lab {
namespace {

using net::Connection;
using net::EchoClient;
using net::kEcho;
using net::kSink;
using testing::HasSubstr;

Bytes pattern(size_t size, uint32_t salt = 1) {
  Bytes out(size, '\0');
  uint32_t x = salt;
  for (char& c : out) c = static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  return out;
}

class ContractTest : public testing::TestWithParam<Transport> {
 protected:
  void open() {
    world.open(*a, 1);
    world.open(*b, 2);
  }
  Connection* dial(Machine& from, Machine& to) {
    Connection* connection = nullptr;
    from.host.deliver([&] { connection = from.node.connect(to.node); });
    return connection;
  }
  bool joined() { return a->node.sees(b->node) && b->node.sees(a->node); }
  Connection* connect() {
    open();
    Connection* connection = dial(*a, *b);
    EXPECT_TRUE(world.until([&] { return joined(); }));
    return connection;
  }
  std::unique_ptr<EchoClient> client(Connection& connection, uint64_t subprotocol = kEcho) {
    std::unique_ptr<EchoClient> out;
    a->host.deliver([&] { out = std::make_unique<EchoClient>(connection, subprotocol); });
    return out;
  }
  void send(EchoClient& from, Bytes frame) {
    a->host.deliver([&] { EXPECT_TRUE(from.stream->send(std::move(frame))); });
  }
  void expect_refused(Code code, const std::string& text, bool by_dialer) {
    open();
    ASSERT_NE(dial(*a, *b), nullptr);
    ASSERT_TRUE(world.until([&] { return !a->node.disconnected.empty() && !b->node.refused.empty(); }));
    const Error& at_dialer = a->node.disconnected[0].second;
    const Error& at_acceptor = b->node.refused[0];
    EXPECT_EQ(at_dialer.code, code) << at_dialer.to_string();
    EXPECT_EQ(at_acceptor.code, code) << at_acceptor.to_string();
    EXPECT_THAT(at_dialer.message, HasSubstr(text));
    EXPECT_THAT(at_acceptor.message, HasSubstr(text));
    EXPECT_THAT((by_dialer ? at_acceptor : at_dialer).message, HasSubstr("the peer refused"));
    EXPECT_TRUE(a->node.connected.empty() && b->node.connected.empty());
  }

  World world{GetParam()};
  std::unique_ptr<Machine> a = world.machine(1), b = world.machine(2);
};

INSTANTIATE_TEST_SUITE_P(Transports, ContractTest, testing::Values(Transport::quic, Transport::simulated),
                         [](const auto& info) {
                           return info.param == Transport::quic ? "quic" : "simulated";
                         });

TEST_P(ContractTest, ConnectsAndVerifiesBothWays) {
  a->node.options.membership = net::admit_node(a->node.id(), crypto::kRoleClient);
  open();
  Connection* connection = dial(*a, *b);
  EXPECT_EQ(connection->phase(), net::ConnectionPhase::connecting);
  EXPECT_EQ(connection->open_stream(kEcho).error().code, Code::CONNECTION_LOST);
  EXPECT_EQ(dial(*a, *b), connection);
  ASSERT_TRUE(world.until([&] { return joined(); }));
  EXPECT_EQ(a->node.connected, std::vector{b->node.id()});
  EXPECT_EQ(b->node.connected, std::vector{a->node.id()});
  EXPECT_TRUE(connection->dialed());
  EXPECT_EQ(connection->remote_address(), b->node.address);
  EXPECT_EQ(connection->version(kEcho), 1u);
  EXPECT_EQ(connection->version(99), std::nullopt);
  EXPECT_EQ(&connection->endpoint(), a->node.endpoint.get());
  Connection* back = b->node.endpoint->find(a->node.id());
  EXPECT_FALSE(back->dialed());
  EXPECT_EQ(back->membership().roles, crypto::kRoleClient);
  EXPECT_EQ(back->remote_address(), a->node.address);
  EXPECT_EQ(a->node.endpoint->connections().size(), 1u);
}

TEST_P(ContractTest, NegotiatesTheHighestCommonVersion) {
  a->node.options.subprotocols[0].version_max = 5;
  b->node.options.subprotocols[0].version_min = 2;
  b->node.options.subprotocols[0].version_max = 3;
  b->node.options.subprotocols[1].version_min = b->node.options.subprotocols[1].version_max = 2;
  Connection* connection = connect();
  EXPECT_EQ(connection->version(kEcho), 3u);
  EXPECT_EQ(connection->open_stream(kSink).error().code, Code::UNSUPPORTED);
  auto echo = client(*connection);
  EXPECT_EQ(echo->stream->version(), 3u);
}

TEST_P(ContractTest, RefusesAWrongPeer) {
  open();
  NodeId wanted = net::key_of(3).id();
  a->host.deliver([&] { ASSERT_TRUE(a->node.endpoint->connect(wanted, b->node.address)); });
  ASSERT_TRUE(world.until([&] { return !a->node.disconnected.empty() && !b->node.refused.empty(); }));
  EXPECT_EQ(a->node.disconnected[0].second.code, Code::WRONG_PEER);
  EXPECT_EQ(b->node.refused[0].code, Code::WRONG_PEER) << b->node.refused[0].to_string();
  EXPECT_THAT(b->node.refused[0].message, HasSubstr("asked for node"));
}

TEST_P(ContractTest, RefusesADialerWithoutMembership) {
  a->node.options.membership.clear();
  expect_refused(Code::NOT_A_MEMBER, "the membership chain is empty", false);
}

TEST_P(ContractTest, RefusesAnAcceptorWithoutMembership) {
  b->node.options.membership.clear();
  expect_refused(Code::NOT_A_MEMBER, "the membership chain is empty", true);
}

TEST_P(ContractTest, RefusesAnExpiredGrant) {
  a->node.options.membership = net::admit_node(a->node.id(), crypto::kRolesAll, 1);
  expect_refused(Code::GRANT_EXPIRED, "expired", false);
}

TEST_P(ContractTest, RefusesAWidenedGrant) {
  a->node.options.membership[0].roles |= 8;
  expect_refused(Code::NOT_A_MEMBER, "not signed by the root key", false);
}

TEST_P(ContractTest, RefusesMoreConnectionsThanAllowed) {
  b->node.options.connections_max = 1;
  connect();
  auto c = world.machine(3);
  world.open(*c, 3);
  dial(*c, *b);
  ASSERT_TRUE(world.until([&] { return !c->node.disconnected.empty(); }));
  EXPECT_EQ(c->node.disconnected[0].second.code, Code::OVERLOADED);
  EXPECT_TRUE(joined());
}

TEST_P(ContractTest, AMissingRoleResetsTheStreamOnly) {
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

TEST_P(ContractTest, ADialThatNobodyAnswersEndsInTime) {
  a->node.options.handshake_timeout = 300 * kMillisecond;
  world.open(*a, 1);
  a->host.deliver([&] { ASSERT_TRUE(a->node.endpoint->connect(b->node.id(), "10.0.0.9:4000")); });
  world.pass(299 * kMillisecond);
  EXPECT_TRUE(a->node.disconnected.empty());
  world.pass(10 * kMillisecond);
  ASSERT_EQ(a->node.disconnected.size(), 1u);
  EXPECT_EQ(a->node.disconnected[0].second.code, Code::UNAVAILABLE);
  EXPECT_THAT(a->node.disconnected[0].second.message, HasSubstr("10.0.0.9:4000"));
}

TEST_P(ContractTest, ADialReachesANodeThatStartsMeanwhile) {
  world.open(*a, 1);
  a->host.deliver([&] { ASSERT_TRUE(a->node.endpoint->connect(b->node.id(), "10.0.0.2:4000")); });
  world.pass(200 * kMillisecond);
  world.open(*b, 2);
  ASSERT_TRUE(world.until([&] { return joined(); }, kSecond));
}

TEST_P(ContractTest, RefusesBadAddressesAndOptions) {
  open();
  Machine& m = *a;
  for (const char* bad : {"nonsense", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999"}) {
    auto refused = m.node.endpoint->connect(b->node.id(), bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Code::INVALID_ARGUMENT);
  }
  EXPECT_EQ(m.node.endpoint->connect(m.node.id(), "127.0.0.1:1").error().code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(world.open(m.host, "10.0.0.2:4000", m.node.options).error().code, Code::IN_USE);
  m.node.options.subprotocols.push_back(m.node.options.subprotocols[0]);
  EXPECT_EQ(world.open(m.host, "10.0.0.7:1", m.node.options).error().code, Code::INVALID_ARGUMENT);
}

TEST_P(ContractTest, EchoesFramesOfAllSizesInOrder) {
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

TEST_P(ContractTest, CarriesTheLargestFrameAndRefusesALargerOne) {
  auto echo = client(*connect());
  Result<> refused = echo->stream->send(Bytes(limits::kFrameBytesMax + 1, 'x'));
  EXPECT_EQ(refused.error().code, Code::LIMIT_EXCEEDED);
  Bytes largest = pattern(limits::kFrameBytesMax);
  send(*echo, largest);
  ASSERT_TRUE(world.until([&] { return !echo->frames.empty(); }));
  EXPECT_TRUE(echo->frames[0] == largest);
}

TEST_P(ContractTest, RefusesToBufferWithoutBoundAndTellsWhenThereIsRoom) {
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

TEST_P(ContractTest, APausedReaderStopsItsSenderOnly) {
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

TEST_P(ContractTest, BothSidesMayFinishOrReset) {
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

TEST_P(ContractTest, HalfCloseLetsTheOtherSideAnswer) {
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

TEST_P(ContractTest, ManyStreamsAtOnceAndAgain) {
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

TEST_P(ContractTest, DatagramsPass) {
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

TEST_P(ContractTest, AnIdleConnectionLivesOn) {
  connect();
  world.pass(60 * kSecond);
  EXPECT_TRUE(joined());
  EXPECT_TRUE(a->node.disconnected.empty() && b->node.disconnected.empty());
}

TEST_P(ContractTest, APartitionIsNoticedBySilenceOnly) {
  auto echo = client(*connect());
  TimeNs begin = world.events.now();
  world.network.partition({"n1"}, {"n2"});
  world.pass(limits::kIdleTimeout - limits::kKeepAlive - kSecond);
  EXPECT_TRUE(joined());
  ASSERT_TRUE(world.until([&] { return !a->node.disconnected.empty() && !b->node.disconnected.empty(); }));
  EXPECT_LT(world.events.now() - begin, limits::kIdleTimeout + limits::kKeepAlive + kSecond);
  for (Machine* m : {a.get(), b.get()}) {
    EXPECT_EQ(m->node.disconnected[0].second.code, Code::CONNECTION_LOST);
    EXPECT_THAT(m->node.disconnected[0].second.message, HasSubstr("fell silent"));
  }
  EXPECT_EQ(echo->end->code, Code::CONNECTION_LOST);
}

TEST_P(ContractTest, AShortPartitionOnlyDelays) {
  auto echo = client(*connect());
  send(*echo, "before");
  ASSERT_TRUE(world.until([&] { return echo->frames.size() == 1; }));
  world.network.partition({"n1"}, {"n2"});
  for (int i = 0; i < 20; ++i) {
    send(*echo, "frame " + std::to_string(i));
    world.pass(150 * kMillisecond);
  }
  EXPECT_EQ(echo->frames.size(), 1u);
  world.network.heal();
  ASSERT_TRUE(world.until([&] { return echo->frames.size() == 21; }, 6 * kSecond));
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(echo->frames[i + 1], "frame " + std::to_string(i));
  EXPECT_TRUE(a->node.disconnected.empty());
}

TEST_P(ContractTest, AOneWayPartitionEndsTheConnectionAtBothEnds) {
  auto echo = client(*connect());
  world.network.cut("n1", "n2");
  send(*echo, "x");
  ASSERT_TRUE(world.until([&] { return !b->node.disconnected.empty(); }, 15 * kSecond));
  EXPECT_EQ(b->node.disconnected[0].second.code, Code::CONNECTION_LOST);
  ASSERT_TRUE(world.until([&] { return !a->node.disconnected.empty(); }, 15 * kSecond));
  EXPECT_EQ(a->node.disconnected[0].second.code, Code::CONNECTION_LOST);
  EXPECT_TRUE(b->node.sunk.empty());
  EXPECT_EQ(b->node.streams, 0);
}

TEST_P(ContractTest, SimultaneousDialsBecomeOneConnection) {
  for (int round = 0; round < 40; ++round) {
    World other(GetParam(), static_cast<uint64_t>(100 + round));
    other.network.faults = {
        .latency = kMillisecond, .jitter = round % 4 * kMillisecond, .loss = round % 3 * 0.05, .repeat = 0.1};
    auto x = other.machine(1), y = other.machine(2);
    other.open(*x, 1);
    other.open(*y, 2);
    dial(*x, *y);
    other.pass(round % 10 * 600 * kMicrosecond);
    dial(*y, *x);
    auto both = [&] { return x->node.sees(y->node) && y->node.sees(x->node); };
    ASSERT_TRUE(other.until(both)) << round;
    other.pass(20 * kSecond);
    ASSERT_TRUE(both()) << round;
    EXPECT_EQ(x->node.connected.size(), 1u) << round;
    EXPECT_EQ(y->node.connected.size(), 1u) << round;
    EXPECT_NE(x->node.endpoint->find(y->node.id())->dialed(), y->node.endpoint->find(x->node.id())->dialed());
  }
}

TEST_P(ContractTest, ARestartIsNoticedByTheFirstPacketSentToIt) {
  auto echo = client(*connect());
  send(*echo, "x");
  ASSERT_TRUE(world.until([&] { return echo->frames.size() == 1; }));
  world.pass(100 * kMillisecond);  // acknowledgements are packets too
  b->host.kill();
  auto again = world.machine(2);
  world.open(*again, 2);
  b->node.endpoint.reset();
  world.pass(kSecond);
  TimeNs begin = world.events.now();
  EXPECT_TRUE(a->node.disconnected.empty());
  send(*echo, "into the void");
  ASSERT_TRUE(world.until([&] { return !a->node.disconnected.empty(); }));
  EXPECT_LT(world.events.now() - begin, 100 * kMillisecond);
  EXPECT_EQ(a->node.disconnected[0].second.code, Code::CONNECTION_LOST);
  EXPECT_THAT(a->node.disconnected[0].second.message, HasSubstr("has restarted"));
  EXPECT_EQ(echo->end->code, Code::CONNECTION_LOST);
  dial(*a, *again);
  ASSERT_TRUE(world.until([&] { return a->node.sees(again->node) && again->node.sees(a->node); }));
}

TEST_P(ContractTest, TheDialOfARestartedPeerReplacesTheConnection) {
  connect();
  b->host.kill();
  auto again = world.machine(2);
  world.open(*again, 2);
  dial(*again, *a);
  ASSERT_TRUE(
      world.until([&] { return again->node.sees(a->node) && a->node.connected.size() == 2; }, kSecond));
  ASSERT_EQ(a->node.disconnected.size(), 1u);
  EXPECT_EQ(a->node.disconnected[0].second.code, Code::CONNECTION_LOST);
}

TEST_P(ContractTest, ADeadPeerIsNoticedBySilence) {
  connect();
  b->host.kill();
  b->node.endpoint.reset();
  world.pass(limits::kIdleTimeout - limits::kKeepAlive - kSecond);
  EXPECT_TRUE(a->node.disconnected.empty());
  ASSERT_TRUE(world.until([&] { return !a->node.disconnected.empty(); }, 10 * kSecond));
  EXPECT_EQ(a->node.disconnected[0].second.code, Code::CONNECTION_LOST);
}

TEST_P(ContractTest, AGhostClosesPromptlyAndUnheard) {
  auto echo = client(*connect());
  bool done = false;
  a->host.kill();
  uint64_t sent = world.network.counters().sent;
  a->node.endpoint->close(Code::SHUTDOWN, "gone", [&] { done = true; });
  EXPECT_TRUE(a->host.finish([&] { return done; }));
  EXPECT_EQ(echo->end->code, Code::SHUTDOWN);
  EXPECT_EQ(a->node.disconnected.size(), 1u);
  EXPECT_EQ(world.network.counters().sent, sent);
  world.pass(kSecond);
  EXPECT_TRUE(b->node.disconnected.empty());
}

TEST_P(ContractTest, APausedHostAnswersWhenItRunsAgain) {
  auto echo = client(*connect());
  send(*echo, "x");
  ASSERT_TRUE(world.until([&] { return echo->frames.size() == 1; }));
  b->host.pause();
  send(*echo, "y");
  world.pass(4 * kSecond);
  EXPECT_EQ(echo->frames.size(), 1u);
  b->host.resume();
  ASSERT_TRUE(world.until([&] { return echo->frames.size() == 2; }, kSecond));
  EXPECT_TRUE(joined());
}

TEST_P(ContractTest, CloseTellsThePeerWhy) {
  Connection* connection = connect();
  auto echo = client(*connection);
  send(*echo, "x");
  ASSERT_TRUE(world.until([&] { return echo->frames.size() == 1; }));
  a->host.deliver([&] {
    connection->close(Code::PERMISSION_DENIED, "not you\n any more");
    EXPECT_EQ(connection->phase(), net::ConnectionPhase::closed);
    EXPECT_TRUE(a->node.disconnected.empty());  // never inside the call
    EXPECT_FALSE(a->node.sees(b->node));
    EXPECT_FALSE(connection->open_stream(kEcho));
  });
  ASSERT_TRUE(
      world.until([&] { return !a->node.disconnected.empty() && !b->node.disconnected.empty(); }, kSecond));
  EXPECT_EQ(echo->end->code, Code::PERMISSION_DENIED);
  EXPECT_EQ(b->node.stream_ends.at(0).code, Code::PERMISSION_DENIED);
  EXPECT_EQ(a->node.disconnected[0].second.code, Code::PERMISSION_DENIED);
  EXPECT_EQ(b->node.disconnected[0].second.code, Code::PERMISSION_DENIED);
  EXPECT_THAT(b->node.disconnected[0].second.message,
              HasSubstr("the peer closed the connection: not you? any more"));
}

TEST_P(ContractTest, ALostCloseIsToldAgain) {
  Connection* connection = connect();
  auto other = [&] { return b->node.endpoint->find(a->node.id()); };
  world.pass(100 * kMillisecond);
  world.network.cut("n1", "n2");
  a->host.deliver([&] { connection->close(Code::PERMISSION_DENIED, "gone"); });
  world.pass(100 * kMillisecond);
  world.network.heal();
  ASSERT_NE(other(), nullptr);
  std::unique_ptr<EchoClient> echo;
  b->host.deliver([&] {
    echo = std::make_unique<EchoClient>(*other());
    ASSERT_TRUE(echo->stream->send("x"));
  });
  ASSERT_TRUE(world.until([&] { return !b->node.disconnected.empty(); }, kSecond));
  EXPECT_EQ(b->node.disconnected[0].second.code, Code::PERMISSION_DENIED);
}

TEST_P(ContractTest, EndpointCloseEndsEverythingAndCompletes) {
  auto c = world.machine(3);
  world.open(*c, 3);
  auto echo = client(*connect());
  dial(*c, *a);
  ASSERT_TRUE(world.until([&] { return a->node.sees(c->node); }));
  int done = 0;
  a->host.deliver([&] {
    ASSERT_TRUE(a->node.endpoint->connect(net::key_of(9).id(), "10.0.0.9:1"));  // still dialing
    a->node.endpoint->close(Code::SHUTDOWN, "going home", [&] { ++done; });
    a->node.endpoint->close(Code::INTERNAL, "again", [&] { ++done; });
    EXPECT_EQ(done, 0);
    EXPECT_EQ(a->node.endpoint->connect(b->node.id(), b->node.address).error().code, Code::SHUTDOWN);
  });
  ASSERT_TRUE(world.until([&] { return done == 2; }, kSecond));
  EXPECT_EQ(a->node.disconnected.size(), 3u);
  EXPECT_EQ(echo->end->code, Code::SHUTDOWN);
  ASSERT_TRUE(world.until([&] { return !b->node.disconnected.empty() && !c->node.disconnected.empty(); }));
  EXPECT_EQ(b->node.disconnected[0].second.code, Code::SHUTDOWN);
  EXPECT_THAT(c->node.disconnected[0].second.message, HasSubstr("going home"));
}

TEST_P(ContractTest, ADestroyedEndpointTellsItsPeers) {
  connect();
  a->host.deliver([&] { a->node.endpoint.reset(); });
  ASSERT_TRUE(world.until([&] { return !b->node.disconnected.empty(); }, kSecond));
  EXPECT_EQ(b->node.disconnected[0].second.code, Code::SHUTDOWN);
  EXPECT_TRUE(a->node.disconnected.empty());
}

TEST_P(ContractTest, CallbacksMayDestroyTheirEndpoint) {
  auto run = [&](const char* name, auto plan) {
    SCOPED_TRACE(name);
    World other(GetParam());
    auto x = other.machine(1), y = other.machine(2);
    bool destroyed = false;
    auto destroy = [&] {
      x->node.endpoint.reset();
      destroyed = true;
    };
    plan(*x, *y, destroy);
    other.open(*x, 1);
    other.open(*y, 2);
    dial(*x, *y);
    EXPECT_TRUE(other.until([&] { return destroyed; }));
    other.pass(5 * kMillisecond);
  };
  run("on_connected", [](Machine& x, Machine&, auto destroy) {
    x.node.then_connected = [destroy](Connection&) { destroy(); };
  });
  run("on_disconnected", [](Machine& x, Machine& y, auto destroy) {
    x.node.then_disconnected = [destroy](Connection&, const Error&) { destroy(); };
    y.node.then_connected = [](Connection& c) { c.close(Code::SHUTDOWN, ""); };
  });
  run("on_stream", [](Machine& x, Machine& y, auto destroy) {
    x.node.options.subprotocols[0].on_stream = [destroy](net::Stream&) { destroy(); };
    y.node.then_connected = [](Connection& c) { (void)(*c.open_stream(kEcho))->send("x"); };
  });
  run("on_frame", [](Machine& x, Machine& y, auto destroy) {
    x.node.options.subprotocols[0].on_stream = [destroy](net::Stream& s) {
      s.on_frame([destroy](Bytes) { destroy(); });
    };
    y.node.then_connected = [](Connection& c) {
      net::Stream* s = *c.open_stream(kEcho);
      (void)s->send("x");
      (void)s->send("y");
    };
  });
  run("stream on_close", [](Machine& x, Machine& y, auto destroy) {
    x.node.then_connected = [destroy](Connection& c) {
      net::Stream* s = *c.open_stream(kEcho);
      (void)s->send("x");
      s->on_close([destroy](const Error&) { destroy(); });
    };
    y.node.options.subprotocols[0].on_stream = [](net::Stream& s) { s.reset(Code::CANCELLED); };
  });
  run("close's done", [](Machine& x, Machine&, auto destroy) {
    x.node.then_connected = [&x, destroy](Connection&) {
      x.node.endpoint->close(Code::SHUTDOWN, "", destroy);
    };
  });
}

}  // namespace
}  // namespace aspen::lab

// How connections begin and end, as both implementations do it over the same network.
#include <algorithm>

#include "core/lab/network_test_world.h"

namespace aspen::lab::network_test {
namespace {

using net::Connection;
using net::EchoClient;
using net::kEcho;
using net::kSink;
using testing::HasSubstr;

using EndpointContract = ContractTest;

INSTANTIATE_TEST_SUITE_P(Transports, EndpointContract, testing::Values(Transport::quic, Transport::simulated),
                         [](const auto& info) {
                           return info.param == Transport::quic ? "quic" : "simulated";
                         });

TEST_P(EndpointContract, ConnectsAndVerifiesBothWays) {
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

TEST_P(EndpointContract, NegotiatesTheHighestCommonVersion) {
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

TEST_P(EndpointContract, RefusesAWrongPeer) {
  open();
  NodeId wanted = net::key_of(3).id();
  a->host.deliver([&] { ASSERT_TRUE(a->node.endpoint->connect(wanted, b->node.address)); });
  ASSERT_TRUE(world.until([&] { return !a->node.disconnected.empty() && !b->node.refused.empty(); }));
  EXPECT_EQ(a->node.disconnected[0].second.code, Code::WRONG_PEER);
  EXPECT_EQ(b->node.refused[0].code, Code::WRONG_PEER) << b->node.refused[0].to_string();
  EXPECT_THAT(b->node.refused[0].message, HasSubstr("asked for node"));
}

TEST_P(EndpointContract, RefusesADialerWithoutMembership) {
  a->node.options.membership.clear();
  expect_refused(Code::NOT_A_MEMBER, "the membership chain is empty", false);
}

TEST_P(EndpointContract, RefusesAnAcceptorWithoutMembership) {
  b->node.options.membership.clear();
  expect_refused(Code::NOT_A_MEMBER, "the membership chain is empty", true);
}

TEST_P(EndpointContract, RefusesAnExpiredGrant) {
  a->node.options.membership = net::admit_node(a->node.id(), crypto::kRolesAll, 1);
  expect_refused(Code::GRANT_EXPIRED, "expired", false);
}

TEST_P(EndpointContract, RefusesAWidenedGrant) {
  a->node.options.membership[0].roles |= 8;
  expect_refused(Code::NOT_A_MEMBER, "not signed by the root key", false);
}

TEST_P(EndpointContract, RefusesMoreConnectionsThanAllowed) {
  b->node.options.connections_max = 1;
  connect();
  auto c = world.machine(3);
  world.open(*c, 3);
  dial(*c, *b);
  ASSERT_TRUE(world.until([&] { return !c->node.disconnected.empty(); }));
  EXPECT_EQ(c->node.disconnected[0].second.code, Code::OVERLOADED);
  EXPECT_TRUE(joined());
}

TEST_P(EndpointContract, ADialThatNobodyAnswersEndsInTime) {
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

TEST_P(EndpointContract, ADialReachesANodeThatStartsMeanwhile) {
  world.open(*a, 1);
  a->host.deliver([&] { ASSERT_TRUE(a->node.endpoint->connect(b->node.id(), "10.0.0.2:4000")); });
  world.pass(200 * kMillisecond);
  world.open(*b, 2);
  ASSERT_TRUE(world.until([&] { return joined(); }, kSecond));
}

TEST_P(EndpointContract, RefusesBadAddressesAndOptions) {
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

TEST_P(EndpointContract, AnIdleConnectionLivesOn) {
  connect();
  world.pass(60 * kSecond);
  EXPECT_TRUE(joined());
  EXPECT_TRUE(a->node.disconnected.empty() && b->node.disconnected.empty());
}

TEST_P(EndpointContract, APartitionIsNoticedBySilenceOnly) {
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

TEST_P(EndpointContract, AShortPartitionOnlyDelays) {
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

TEST_P(EndpointContract, AOneWayPartitionEndsTheConnectionAtBothEnds) {
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

TEST_P(EndpointContract, SimultaneousDialsBecomeOneConnection) {
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

TEST_P(EndpointContract, ARestartIsNoticedByTheFirstPacketSentToIt) {
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

TEST_P(EndpointContract, TheDialOfARestartedPeerReplacesTheConnection) {
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

TEST_P(EndpointContract, ADeadPeerIsNoticedBySilence) {
  connect();
  b->host.kill();
  b->node.endpoint.reset();
  world.pass(limits::kIdleTimeout - limits::kKeepAlive - kSecond);
  EXPECT_TRUE(a->node.disconnected.empty());
  ASSERT_TRUE(world.until([&] { return !a->node.disconnected.empty(); }, 10 * kSecond));
  EXPECT_EQ(a->node.disconnected[0].second.code, Code::CONNECTION_LOST);
}

TEST_P(EndpointContract, AGhostClosesPromptlyAndUnheard) {
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

TEST_P(EndpointContract, APausedHostAnswersWhenItRunsAgain) {
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

TEST_P(EndpointContract, CloseTellsThePeerWhy) {
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

TEST_P(EndpointContract, ALostCloseIsToldAgain) {
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

TEST_P(EndpointContract, EndpointCloseEndsEverythingAndCompletes) {
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

TEST_P(EndpointContract, ADestroyedEndpointTellsItsPeers) {
  connect();
  a->host.deliver([&] { a->node.endpoint.reset(); });
  ASSERT_TRUE(world.until([&] { return !b->node.disconnected.empty(); }, kSecond));
  EXPECT_EQ(b->node.disconnected[0].second.code, Code::SHUTDOWN);
  EXPECT_TRUE(a->node.disconnected.empty());
}

TEST_P(EndpointContract, CallbacksMayDestroyTheirEndpoint) {
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
}  // namespace aspen::lab::network_test

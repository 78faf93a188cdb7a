// How connections begin together, end, and come back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/net/test_node.h"
#include "core/net/udp_socket.h"

namespace aspen::net {
namespace {

using testing::HasSubstr;

class LifecycleTest : public testing::Test {
 protected:
  Connection* connect() {
    a.open(loop);
    b.open(loop);
    Connection* connection = a.connect(b);
    EXPECT_TRUE(run_until(loop, [&] { return a.sees(b) && b.sees(a); }));
    return connection;
  }
  void expect_echo(TestNode& from, TestNode& to) {
    Connection* connection = from.endpoint->find(to.id());
    ASSERT_NE(connection, nullptr);
    EchoClient echo(*connection);
    ASSERT_NE(echo.stream, nullptr);
    ASSERT_TRUE(echo.stream->send("x"));
    EXPECT_TRUE(run_until(loop, [&] { return echo.frames.size() == 1; }));
    if (echo.stream != nullptr) echo.stream->reset(Code::CANCELLED);
    EXPECT_TRUE(run_until(loop, [&] { return echo.end.has_value(); }));
  }

  rt::Loop loop;
  rt::Loop other;
  TestNode a{1}, b{2};
};

TEST_F(LifecycleTest, CloseTellsThePeerWhy) {
  Connection* connection = connect();
  EchoClient echo(*connection);
  ASSERT_TRUE(echo.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return echo.frames.size() == 1; }));
  connection->close(Code::PERMISSION_DENIED, "not you any more");
  EXPECT_EQ(connection->phase(), ConnectionPhase::closed);
  EXPECT_TRUE(a.disconnected.empty());  // never inside the call
  EXPECT_FALSE(a.sees(b));
  EXPECT_FALSE(connection->open_stream(kEcho));
  ASSERT_TRUE(run_until(loop, [&] { return !a.disconnected.empty() && !b.disconnected.empty(); }));
  EXPECT_EQ(echo.end->code, Code::PERMISSION_DENIED);
  EXPECT_EQ(b.stream_ends.at(0).code, Code::PERMISSION_DENIED);
  EXPECT_EQ(a.disconnected[0].second.code, Code::PERMISSION_DENIED);
  EXPECT_EQ(b.disconnected[0].second.code, Code::PERMISSION_DENIED);
  EXPECT_THAT(b.disconnected[0].second.message,
              HasSubstr("the peer closed the connection: not you any more"));
}

TEST_F(LifecycleTest, AReasonFromThePeerIsMadePrintable) {
  connect()->close(Code::SHUTDOWN, "\x1b[31mred\n" + std::string(5000, 'x'));
  ASSERT_TRUE(run_until(loop, [&] { return !b.disconnected.empty(); }));
  EXPECT_THAT(b.disconnected[0].second.message, HasSubstr("?[31mred?"));
  EXPECT_LT(b.disconnected[0].second.message.size(), 400u);
}

TEST_F(LifecycleTest, EndpointCloseEndsEverythingAndCompletes) {
  TestNode c{3};
  c.open(loop);
  EchoClient echo(*connect());
  ASSERT_TRUE(echo.stream->send("x"));
  c.connect(a);
  ASSERT_TRUE(run_until(loop, [&] { return a.sees(c) && echo.frames.size() == 1; }));
  TestNode nobody{9};
  nobody.address = "127.0.0.1:9";
  a.connect(nobody);  // still dialing
  int done = 0;
  a.endpoint->close(Code::SHUTDOWN, "going home", [&] { ++done; });
  a.endpoint->close(Code::INTERNAL, "again", [&] { ++done; });
  EXPECT_EQ(done, 0);
  EXPECT_EQ(a.endpoint->connect(b.id(), b.address).error().code, Code::SHUTDOWN);
  ASSERT_TRUE(run_until(loop, [&] { return done == 2; }));
  EXPECT_EQ(a.disconnected.size(), 3u);
  EXPECT_EQ(echo.end->code, Code::SHUTDOWN);
  ASSERT_TRUE(run_until(loop, [&] { return !b.disconnected.empty() && !c.disconnected.empty(); }));
  EXPECT_EQ(b.disconnected[0].second.code, Code::SHUTDOWN);
  EXPECT_THAT(c.disconnected[0].second.message, HasSubstr("going home"));
  // Nobody gets in any more.
  c.options.handshake_timeout = 100 * kMillisecond;
  c.open(loop);
  c.connect(a);
  ASSERT_TRUE(run_until(loop, [&] { return c.disconnected.size() == 2; }));
}

TEST_F(LifecycleTest, CloseWithDataInFlight) {
  Connection* connection = connect();
  EchoClient client(*connection, kSink);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client.stream->send(Bytes(1 << 20, 'x')));
  ASSERT_TRUE(run_until(loop, [&] { return b.sunk.size() >= 2; }));
  connection->close(Code::SHUTDOWN, "enough");
  ASSERT_TRUE(run_until(loop, [&] { return client.end && !b.disconnected.empty(); }));
  EXPECT_EQ(b.stream_ends.at(0).code, Code::SHUTDOWN);
  for (const Bytes& frame : b.sunk) EXPECT_EQ(frame.size(), 1u << 20);
  ASSERT_NE(a.connect(b), nullptr);
  ASSERT_TRUE(run_until(loop, [&] { return a.sees(b) && b.sees(a); }));
  expect_echo(a, b);
}

TEST_F(LifecycleTest, SimultaneousDialsBecomeOneConnection) {
  for (int round = 0; round < 20; ++round) {
    TestNode x{static_cast<uint8_t>(20 + 2 * round)}, y{static_cast<uint8_t>(21 + 2 * round)};
    x.open(loop);
    y.open(loop);
    x.connect(y);
    // From both at once to one after the other.
    run_until(loop, [] { return false; }, round % 5 * 300 * kMicrosecond);
    y.connect(x);
    ASSERT_TRUE(run_until(loop, [&] { return x.sees(y) && y.sees(x); })) << round;
    run_until(loop, [] { return false; }, 5 * kMillisecond);
    EXPECT_EQ(x.connected.size(), 1u);
    EXPECT_EQ(y.connected.size(), 1u);
    EXPECT_TRUE(x.disconnected.empty() && y.disconnected.empty()) << round;
    EXPECT_NE(x.endpoint->find(y.id())->dialed(), y.endpoint->find(x.id())->dialed());
    expect_echo(x, y);
    expect_echo(y, x);
  }
}

TEST_F(LifecycleTest, APeerThatVanishesIsNoticed) {
  a.options.idle_timeout = 300 * kMillisecond;
  a.options.keep_alive = 100 * kMillisecond;
  a.open(loop);
  b.open(other);
  a.connect(b);
  // Two loops in one thread: each runs a little in turn.
  for (int i = 0; i < 500 && !a.sees(b); ++i) {
    run_until(loop, [] { return false; }, kMillisecond);
    run_until(other, [] { return false; }, kMillisecond);
  }
  ASSERT_TRUE(a.sees(b));
  // b's loop stands still now, as a process that was stopped would.
  TimeNs begin = loop.executor().env().now();
  ASSERT_TRUE(run_until(loop, [&] { return !a.disconnected.empty(); }, 3 * kSecond));
  EXPECT_LT(loop.executor().env().now() - begin, 2 * kSecond);
  EXPECT_EQ(a.disconnected[0].second.code, Code::CONNECTION_LOST);
  EXPECT_THAT(a.disconnected[0].second.message, HasSubstr("fell silent"));
}

TEST_F(LifecycleTest, KeepAliveHoldsAnIdleConnection) {
  a.options.idle_timeout = b.options.idle_timeout = 500 * kMillisecond;
  a.options.keep_alive = b.options.keep_alive = 100 * kMillisecond;
  connect();
  run_until(loop, [] { return false; }, 1200 * kMillisecond);
  EXPECT_TRUE(a.sees(b) && b.sees(a));
  expect_echo(a, b);
}

// A socket whose node was killed: what it sends is lost, what it receives goes nowhere.
class Killable final : public DatagramSocket {
 public:
  Killable(std::unique_ptr<DatagramSocket> inner)
      : inner_(std::move(inner)), local_(inner_->local_address()) {}
  void kill() { inner_.reset(); }
  Address local_address() const override { return local_; }
  bool reaches(const Address& to) const override { return inner_ && inner_->reaches(to); }
  void set_callbacks(std::function<void()> readable, std::function<void()> writable) override {
    inner_->set_callbacks(std::move(readable), std::move(writable));
  }
  uint8_t* reserve() override { return inner_ ? inner_->reserve() : room_; }
  void commit(size_t size, const Address& to) override {
    if (inner_) inner_->commit(size, to);
  }
  void flush() override {
    if (inner_) inner_->flush();
  }
  bool blocked() const override { return inner_ && inner_->blocked(); }
  void receive(const Receive& packet) override {
    if (inner_) inner_->receive(packet);
  }

 private:
  std::unique_ptr<DatagramSocket> inner_;
  Address local_;
  uint8_t room_[kPacketBytesMax];
};

std::unique_ptr<Killable> killable(rt::Loop& loop, const std::string& listen) {
  auto socket = UdpSocket::open(loop, listen);
  EXPECT_TRUE(socket) << socket.error().to_string();
  return std::make_unique<Killable>(*std::move(socket));
}

// SIGKILL and a restart on the same port with the same key. `a_dialed`: who had dialed the lost connection.
class RestartTest : public LifecycleTest, public testing::WithParamInterface<bool> {
 protected:
  void connect_and_kill() {
    a.open(loop);
    auto socket = killable(loop, "127.0.0.1:0");
    Killable* grip = socket.get();
    b.open(loop.executor(), std::move(socket));
    if (GetParam()) {
      a.connect(b);
    } else {
      b.connect(a);
    }
    ASSERT_TRUE(run_until(loop, [&] { return a.sees(b) && b.sees(a); }));
    stream = std::make_unique<EchoClient>(*a.endpoint->find(b.id()));
    ASSERT_TRUE(stream->stream->send("before"));
    ASSERT_TRUE(run_until(loop, [&] { return stream->frames.size() == 1; }));
    grip->kill();
    b.endpoint.reset();
    again.options.listen = b.address;
    again.open(loop);
    EXPECT_TRUE(a.sees(b));  // a knows nothing of it yet
  }
  std::unique_ptr<EchoClient> stream;
  TestNode again{2};
};

TEST_P(RestartTest, IsNoticedByTheFirstPacketSentToIt) {
  connect_and_kill();
  TimeNs begin = loop.executor().env().now();
  ASSERT_TRUE(stream->stream->send("into the void"));
  a.then_disconnected = [&](Connection&, const Error&) { a.connect(b); };
  ASSERT_TRUE(run_until(loop, [&] { return !a.disconnected.empty() && a.sees(b) && again.sees(a); }));
  EXPECT_LT(loop.executor().env().now() - begin, 900 * kMillisecond);
  EXPECT_EQ(a.disconnected[0].second.code, Code::CONNECTION_LOST);
  EXPECT_THAT(a.disconnected[0].second.message, HasSubstr("has restarted"));
  EXPECT_EQ(stream->end->code, Code::CONNECTION_LOST);
  expect_echo(a, again);
}

TEST_P(RestartTest, ItsOwnDialReplacesTheOldConnection) {
  connect_and_kill();
  TimeNs begin = loop.executor().env().now();
  again.connect(a);
  ASSERT_TRUE(run_until(loop, [&] { return again.sees(a) && a.connected.size() == 2; }));
  EXPECT_LT(loop.executor().env().now() - begin, 900 * kMillisecond);
  ASSERT_EQ(a.disconnected.size(), 1u);
  EXPECT_EQ(a.disconnected[0].second.code, Code::CONNECTION_LOST);
  EXPECT_EQ(stream->end->code, Code::CONNECTION_LOST);
  EXPECT_TRUE(a.sees(b));
  expect_echo(a, again);
  expect_echo(again, a);
}

INSTANTIATE_TEST_SUITE_P(Dialer, RestartTest, testing::Bool());

TEST_F(LifecycleTest, ADialReachesANodeThatStartsMeanwhile) {
  a.open(loop);
  b.open(loop);
  std::string address = b.address;
  b.endpoint.reset();
  ASSERT_TRUE(a.endpoint->connect(b.id(), address));
  run_until(loop, [] { return false; }, 200 * kMillisecond);
  b.options.listen = address;
  b.open(loop);
  TimeNs begin = loop.executor().env().now();
  ASSERT_TRUE(run_until(loop, [&] { return a.sees(b); }));
  EXPECT_LT(loop.executor().env().now() - begin, 900 * kMillisecond);
}

TEST_F(LifecycleTest, CallbacksMayDestroyTheirEndpoint) {
  auto run = [&](const char* name, std::function<void(TestNode&, TestNode&, std::function<void()>)> plan) {
    SCOPED_TRACE(name);
    TestNode x{5}, y{6};
    bool destroyed = false;
    auto destroy = [&] {
      x.endpoint.reset();
      destroyed = true;
    };
    plan(x, y, destroy);
    if (!x.endpoint && !destroyed) x.open(loop);
    if (!y.endpoint) y.open(loop);
    if (x.endpoint) x.connect(y);
    EXPECT_TRUE(run_until(loop, [&] { return destroyed; }));
    run_until(loop, [] { return false; }, 5 * kMillisecond);
  };
  run("on_connected", [&](TestNode& x, TestNode&, auto destroy) {
    x.then_connected = [destroy](Connection&) { destroy(); };
  });
  run("on_disconnected", [&](TestNode& x, TestNode& y, auto destroy) {
    x.then_disconnected = [destroy](Connection&, const Error&) { destroy(); };
    y.then_connected = [](Connection& c) { c.close(Code::SHUTDOWN, ""); };
  });
  run("on_stream", [&](TestNode& x, TestNode& y, auto destroy) {
    x.options.subprotocols[0].on_stream = [destroy](Stream&) { destroy(); };
    y.then_connected = [](Connection& c) { (void)(*c.open_stream(kEcho))->send("x"); };
  });
  run("on_frame", [&](TestNode& x, TestNode& y, auto destroy) {
    x.options.subprotocols[0].on_stream = [destroy](Stream& s) {
      s.on_frame([destroy](Bytes) { destroy(); });
    };
    y.then_connected = [](Connection& c) {
      Stream* s = *c.open_stream(kEcho);
      (void)s->send("x");
      (void)s->send("y");
    };
  });
  run("on_end", [&](TestNode& x, TestNode& y, auto destroy) {
    x.options.subprotocols[0].on_stream = [destroy](Stream& s) { s.on_end(destroy); };
    y.then_connected = [](Connection& c) { (*c.open_stream(kEcho))->finish(); };
  });
  run("stream on_close", [&](TestNode& x, TestNode& y, auto destroy) {
    x.then_connected = [destroy](Connection& c) {
      Stream* s = *c.open_stream(kEcho);
      (void)s->send("x");
      s->on_close([destroy](const Error&) { destroy(); });
    };
    y.options.subprotocols[0].on_stream = [](Stream& s) { s.reset(Code::CANCELLED); };
  });
  run("on_datagram", [&](TestNode& x, TestNode& y, auto destroy) {
    x.options.subprotocols[0].on_datagram = [destroy](Connection&, BytesView) { destroy(); };
    y.then_connected = [](Connection& c) {
      (void)c.send_datagram(kEcho, "x");
      (void)c.send_datagram(kEcho, "y");
    };
  });
  run("close's done", [&](TestNode& x, TestNode&, auto destroy) {
    x.then_connected = [&x, destroy](Connection&) { x.endpoint->close(Code::SHUTDOWN, "", destroy); };
  });
  run("on_refused", [&](TestNode& x, TestNode& y, auto destroy) {
    x.options.on_refused = [destroy](const std::string&, const Error&) { destroy(); };
    y.options.membership.clear();
    x.open(loop);
    y.open(loop);
    y.connect(x);
    x.connect(y);
  });
}

TEST_F(LifecycleTest, CallbacksMayReplaceThemselvesAndCallAnything) {
  Connection* connection = connect();
  EchoClient echo(*connection);
  std::vector<Bytes> first, second;
  echo.stream->on_frame([&](Bytes frame) {
    first.push_back(frame);
    echo.stream->on_frame([&](Bytes later) {
      second.push_back(later);
      echo.stream->reset(Code::CANCELLED);
      EchoClient unused(*connection);
      unused.stream->on_frame(nullptr);
      unused.stream->on_close(nullptr);
      connection->close(Code::SHUTDOWN, "");
      EXPECT_TRUE(a.endpoint->connect(b.id(), b.address));
    });
  });
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(echo.stream->send(std::to_string(i)));
  ASSERT_TRUE(run_until(loop, [&] { return a.connected.size() == 2 && !a.disconnected.empty(); }));
  EXPECT_EQ(first, std::vector<Bytes>{"0"});
  EXPECT_EQ(second, std::vector<Bytes>{"1"});
  EXPECT_EQ(echo.end->code, Code::CANCELLED);
  ASSERT_TRUE(run_until(loop, [&] { return b.connected.size() == 2; }));
  expect_echo(a, b);
}

TEST_F(LifecycleTest, APanicInACallbackIsContained) {
  int panics = 0;
  loop.executor().on_panic = [&](const std::string&) { ++panics; };
  b.options.subprotocols[0].on_stream = [](Stream& stream) {
    stream.on_frame([](Bytes) { throw std::runtime_error("user code"); });
  };
  Connection* connection = connect();
  EchoClient echo(*connection);
  ASSERT_TRUE(echo.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return panics == 1; }));
  EchoClient sink(*connection, kSink);
  ASSERT_TRUE(sink.stream->send("x"));
  ASSERT_TRUE(run_until(loop, [&] { return b.sunk.size() == 1; }));
}

}  // namespace
}  // namespace aspen::net

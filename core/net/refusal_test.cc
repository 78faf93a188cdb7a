// Whom an endpoint refuses, and that both ends learn the same cause.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "core/net/endpoint_impl.h"
#include "core/net/test_node.h"
#include "core/net/udp_socket.h"

namespace aspen::net {
namespace {

using testing::HasSubstr;

class RefusalTest : public testing::Test {
 protected:
  // a dials b; both must report `code`, a message of the refusing side holding `text`.
  void expect_refused(Code code, const std::string& text, bool by_dialer) {
    a.open(loop);
    b.open(loop);
    ASSERT_NE(a.connect(b), nullptr);
    ASSERT_TRUE(run_until(loop, [&] { return !a.disconnected.empty() && !b.refused.empty(); }));
    EXPECT_EQ(a.disconnected[0].first, b.id());
    const Error& at_dialer = a.disconnected[0].second;
    const Error& at_acceptor = b.refused[0];
    EXPECT_EQ(at_dialer.code, code) << at_dialer.to_string();
    EXPECT_EQ(at_acceptor.code, code) << at_acceptor.to_string();
    EXPECT_THAT(at_dialer.message, HasSubstr(text));
    EXPECT_THAT(at_acceptor.message, HasSubstr(text));
    EXPECT_THAT((by_dialer ? at_acceptor : at_dialer).message, HasSubstr("the peer refused"));
    EXPECT_TRUE(a.connected.empty());
    EXPECT_TRUE(b.connected.empty());
    EXPECT_TRUE(b.disconnected.empty());
    EXPECT_FALSE(a.sees(b) || b.sees(a));
  }

  rt::Loop loop;
  TestNode a{1}, b{2};
};

TEST_F(RefusalTest, APeerWithAnotherKey) {
  a.open(loop);
  b.open(loop);
  NodeId wanted = key_of(3).id();
  ASSERT_TRUE(a.endpoint->connect(wanted, b.address));
  ASSERT_TRUE(run_until(loop, [&] { return !a.disconnected.empty() && !b.refused.empty(); }));
  const Error& why = a.disconnected[0].second;
  EXPECT_EQ(why.code, Code::WRONG_PEER);
  EXPECT_THAT(why.message, HasSubstr(wanted.to_string()));
  EXPECT_THAT(why.message, HasSubstr(b.id().to_string()));
  EXPECT_EQ(b.refused[0].code, Code::WRONG_PEER) << b.refused[0].to_string();
  EXPECT_THAT(b.refused[0].message, HasSubstr("asked for node"));
}

TEST_F(RefusalTest, ADialerWithoutMembership) {
  a.options.membership.clear();
  expect_refused(Code::NOT_A_MEMBER, "the membership chain is empty", false);
}

TEST_F(RefusalTest, AnAcceptorWithoutMembership) {
  b.options.membership.clear();
  expect_refused(Code::NOT_A_MEMBER, "the membership chain is empty", true);
}

TEST_F(RefusalTest, AMembershipOfAnotherKey) {
  a.options.membership = admit_node(key_of(9).id());
  expect_refused(Code::NOT_A_MEMBER, "was issued to node " + key_of(9).id().short_string(), false);
}

TEST_F(RefusalTest, AWidenedGrant) {
  a.options.membership[0].roles |= 8;
  expect_refused(Code::NOT_A_MEMBER, "not signed by the root key", false);
}

TEST_F(RefusalTest, AnExpiredGrant) {
  a.options.membership = admit_node(a.id(), crypto::kRolesAll, 1);
  expect_refused(Code::GRANT_EXPIRED, "expired", false);
}

TEST_F(RefusalTest, AnAcceptorsExpiredGrant) {
  b.options.membership = admit_node(b.id(), crypto::kRolesAll, 1);
  expect_refused(Code::GRANT_EXPIRED, "expired", true);
}

TEST_F(RefusalTest, AnotherNetwork) {
  crypto::KeyPair other = key_of(0xbb);
  a.options.network = other.id();
  a.options.membership = admit_node(a.id(), crypto::kRolesAll, 0, other);
  expect_refused(Code::NOT_A_MEMBER, "belongs to network " + other.id().short_string(), false);
}

TEST_F(RefusalTest, ItsOwnKeyAtAnotherAddress) {
  TestNode twin(1);
  a.open(loop);
  twin.open(loop);
  ASSERT_TRUE(a.endpoint->connect(b.id(), twin.address));
  ASSERT_TRUE(run_until(loop, [&] { return !a.disconnected.empty(); }));
  EXPECT_EQ(a.disconnected[0].second.code, Code::WRONG_PEER);
}

TEST_F(RefusalTest, ARenewedMembershipIsUsedForTheNextConnection) {
  a.options.membership.clear();
  a.open(loop);
  b.open(loop);
  a.connect(b);
  ASSERT_TRUE(run_until(loop, [&] { return a.disconnected.size() == 1; }));
  a.endpoint->set_membership(admit_node(a.id()));
  a.connect(b);
  EXPECT_TRUE(run_until(loop, [&] { return a.sees(b) && b.sees(a); }));
}

TEST_F(RefusalTest, NobodyThere) {
  a.options.handshake_timeout = 200 * kMillisecond;
  a.open(loop);
  auto silent = UdpSocket::open(loop, "127.0.0.1:0");
  ASSERT_TRUE(silent);
  std::string address = (*silent)->local_address().to_string();
  ASSERT_TRUE(a.endpoint->connect(b.id(), address));
  ASSERT_TRUE(run_until(loop, [&] { return !a.disconnected.empty(); }, kSecond));
  EXPECT_EQ(a.disconnected[0].second.code, Code::UNAVAILABLE);
  EXPECT_TRUE(a.disconnected[0].second.retryable());
  EXPECT_THAT(a.disconnected[0].second.message, HasSubstr(address));
}

// Opens an endpoint that speaks another ALPN.
std::shared_ptr<EndpointImpl> open_with_alpn(rt::Loop& loop, TestNode& node, std::string_view alpn) {
  node.options.key = &node.key;
  auto tls = TlsCredentials::create(node.key, alpn);
  auto socket = UdpSocket::open(loop, "127.0.0.1:0");
  auto impl = std::make_shared<EndpointImpl>(loop.executor(), &loop, node.options, *std::move(tls),
                                             *std::move(socket));
  impl->start();
  return impl;
}

class AlpnTest : public RefusalTest, public testing::WithParamInterface<const char*> {};

// A client that offers another protocol, and one that offers none at all.
TEST_P(AlpnTest, IsRequired) {
  auto other = open_with_alpn(loop, a, GetParam());
  b.open(loop);
  ASSERT_TRUE(other->connect(b.id(), b.address));
  ASSERT_TRUE(run_until(loop, [&] { return !a.disconnected.empty() && !b.refused.empty(); }));
  EXPECT_EQ(a.disconnected[0].second.code, Code::UNSUPPORTED) << a.disconnected[0].second.to_string();
  EXPECT_EQ(b.refused[0].code, Code::UNSUPPORTED) << b.refused[0].to_string();
  other->stop();
}

INSTANTIATE_TEST_SUITE_P(Alpn, AlpnTest, testing::Values("aspen/999", ""));

TEST_F(RefusalTest, APeerOverTheConnectionLimit) {
  b.options.connections_max = 1;
  TestNode c{3};
  a.open(loop);
  b.open(loop);
  c.open(loop);
  a.connect(b);
  ASSERT_TRUE(run_until(loop, [&] { return b.sees(a); }));
  c.connect(b);
  ASSERT_TRUE(run_until(loop, [&] { return !c.disconnected.empty(); }));
  EXPECT_EQ(c.disconnected[0].second.code, Code::OVERLOADED) << c.disconnected[0].second.to_string();
  EXPECT_EQ(b.endpoint->connect(c.id(), c.address).error().code, Code::OVERLOADED);
  EXPECT_TRUE(b.sees(a));
}

// A plain socket of a stranger.
struct Stranger {
  explicit Stranger(const std::string& to) : target(*Address::parse(to)) {
    fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  }
  ~Stranger() { ::close(fd); }
  void send(BytesView packet) { ::sendto(fd, packet.data(), packet.size(), 0, target.data(), target.size()); }
  size_t received() {
    size_t total = 0;
    char buffer[2048];
    for (ssize_t n; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) total += static_cast<size_t>(n);
    return total;
  }
  int fd;
  Address target;
};

TEST_F(RefusalTest, GarbageIsIgnored) {
  a.open(loop);
  b.open(loop);
  a.connect(b);
  ASSERT_TRUE(run_until(loop, [&] { return a.sees(b); }));
  std::mt19937 random(42);
  Stranger stranger(b.address);
  size_t sent = 0;
  size_t received = 0;
  for (int i = 0; i < 4000; ++i) {
    Bytes packet(1 + random() % 1500, '\0');
    for (char& c : packet) c = static_cast<char>(random());
    // Most random bytes are no QUIC at all; these look like it.
    if (i % 4 == 0) packet[0] = static_cast<char>(0xc0 | (packet[0] & 0x3f));
    if (i % 4 == 1) packet[0] = static_cast<char>(0x40 | (packet[0] & 0x3f));
    if (i % 8 == 0 && packet.size() > 5) packet.replace(1, 4, Bytes("\0\0\0\1", 4));
    sent += packet.size();
    stranger.send(packet);
    if (i % 64 == 0) {
      run_until(loop, [] { return true; });
      received += stranger.received();
    }
  }
  run_until(loop, [] { return false; }, 50 * kMillisecond);
  received += stranger.received();
  EXPECT_LT(received, sent);  // nothing here amplifies
  EXPECT_TRUE(a.sees(b));
  EchoClient echo(*a.endpoint->find(b.id()));
  ASSERT_TRUE(echo.stream->send("alive"));
  EXPECT_TRUE(run_until(loop, [&] { return echo.frames.size() == 1; }));
}

// A real client's first packet, taken down by a socket that nobody answers from.
std::vector<Bytes> record_initials(rt::Loop& loop, size_t count) {
  std::vector<Bytes> packets;
  auto listener = UdpSocket::open(loop, "127.0.0.1:0");
  EXPECT_TRUE(listener);
  UdpSocket& socket = **listener;
  socket.set_callbacks(
      [&] { socket.receive([&](const Address&, BytesView packet) { packets.emplace_back(packet); }); },
      [] {});
  std::vector<std::unique_ptr<TestNode>> dialers;
  for (size_t i = 0; i < count; ++i) {
    auto& dialer = dialers.emplace_back(std::make_unique<TestNode>(static_cast<uint8_t>(10 + i)));
    dialer->options.listen = "";
    dialer->open(loop);
    EXPECT_TRUE(dialer->endpoint->connect(key_of(2).id(), socket.local_address().to_string()));
    EXPECT_TRUE(run_until(loop, [&] { return packets.size() > i; }));
    dialer.reset();
    run_until(loop, [] { return false; }, kMillisecond);
    packets.resize(i + 1);  // without its farewell
  }
  return packets;
}

TEST_F(RefusalTest, AFloodOfHalfOpenHandshakesIsBounded) {
  b.options.handshakes_max = 8;
  b.options.handshake_timeout = kSecond;
  b.open(loop);
  std::vector<Bytes> initials = record_initials(loop, 20);
  Stranger stranger(b.address);
  for (const Bytes& packet : initials) stranger.send(packet);
  run_until(loop, [] { return false; }, 30 * kMillisecond);
  // Four were taken in; the others were asked to prove their address first. An honest dialer does so.
  a.open(loop);
  a.connect(b);
  ASSERT_TRUE(run_until(loop, [&] { return a.sees(b) && b.sees(a); }));
  run_until(loop, [&] { return b.refused.size() >= 4; });
  run_until(loop, [] { return false; }, 100 * kMillisecond);
  EXPECT_EQ(b.refused.size(), 4u);
  for (const Error& why : b.refused) EXPECT_EQ(why.code, Code::UNAVAILABLE) << why.to_string();
  EXPECT_TRUE(a.sees(b));
}

}  // namespace
}  // namespace aspen::net

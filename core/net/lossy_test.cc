// Endpoints over a simulated network that loses, repeats and reorders, on virtual time.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/net/simulated_network.h"
#include "core/net/test_node.h"

namespace aspen::net {
namespace {

struct World {
  explicit World(uint64_t seed) : env(seed), executor(env), network(executor, seed) {
    a.open(executor, network.open("10.0.0.1:1"));
    b.open(executor, network.open("10.0.0.2:1"));
  }
  bool until(const std::function<bool()>& done, DurationNs limit = 60 * kSecond) {
    return run_until(executor, env, done, limit);
  }
  VirtualEnv env;
  rt::Executor executor;
  SimulatedNetwork network;
  TestNode a{1}, b{2};
};

Bytes frame_of(uint64_t seed, size_t stream, size_t index) {
  std::mt19937_64 random(seed * 1000 + stream * 100 + index);
  Bytes out(random() % (index % 10 == 9 ? 60'000 : 600), '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

class LossyTest : public testing::TestWithParam<uint64_t> {};

TEST_P(LossyTest, StreamsStayCorrect) {
  uint64_t seed = GetParam();
  World world(seed);
  world.network.faults = {.loss = 0.05 + 0.02 * static_cast<double>(seed % 8),
                          .repeat = 0.05,
                          .delay_min = 100 * kMicrosecond,
                          .delay_max = 4 * kMillisecond};
  Connection* connection = world.a.connect(world.b);
  ASSERT_TRUE(world.until([&] { return world.a.sees(world.b) && world.b.sees(world.a); }));
  constexpr size_t kStreams = 5;
  constexpr size_t kFrames = 60;
  std::vector<std::unique_ptr<EchoClient>> clients;
  for (size_t s = 0; s < kStreams; ++s) clients.push_back(std::make_unique<EchoClient>(*connection));
  for (size_t f = 0; f < kFrames; ++f) {
    for (size_t s = 0; s < kStreams; ++s) ASSERT_TRUE(clients[s]->stream->send(frame_of(seed, s, f)));
  }
  for (auto& client : clients) client->stream->finish();
  ASSERT_TRUE(
      world.until([&] { return std::ranges::all_of(clients, [](auto& c) { return c->end.has_value(); }); }));
  EXPECT_GT(world.network.lost, 10u);
  for (size_t s = 0; s < kStreams; ++s) {
    EXPECT_EQ(clients[s]->end->code, Code::OK) << clients[s]->end->to_string();
    ASSERT_EQ(clients[s]->frames.size(), kFrames);
    for (size_t f = 0; f < kFrames; ++f) EXPECT_TRUE(clients[s]->frames[f] == frame_of(seed, s, f));
  }
  EXPECT_TRUE(world.a.disconnected.empty() && world.b.disconnected.empty());
}

TEST_P(LossyTest, SimultaneousDialsBecomeOneConnection) {
  uint64_t seed = GetParam();
  World world(seed);
  // Reordering and loss bring the two handshakes into every order.
  world.network.faults = {.loss = 0.02 * static_cast<double>(seed % 5),
                          .delay_min = 50 * kMicrosecond,
                          .delay_max = 20 * kMillisecond};
  world.a.connect(world.b);
  world.until([] { return false; }, static_cast<DurationNs>(seed % 7) * 5 * kMillisecond);
  world.b.connect(world.a);
  ASSERT_TRUE(world.until([&] { return world.a.sees(world.b) && world.b.sees(world.a); }));
  world.until([] { return false; }, 20 * kSecond);
  ASSERT_TRUE(world.a.sees(world.b) && world.b.sees(world.a));
  EXPECT_EQ(world.a.connected.size(), 1u);
  EXPECT_EQ(world.b.connected.size(), 1u);
  EXPECT_TRUE(world.a.disconnected.empty() && world.b.disconnected.empty());
  for (auto [from, to] : {std::pair(&world.a, &world.b), std::pair(&world.b, &world.a)}) {
    EchoClient echo(*from->endpoint->find(to->id()));
    ASSERT_TRUE(echo.stream->send("x"));
    ASSERT_TRUE(world.until([&] { return echo.frames.size() == 1; }));
    echo.stream->reset(Code::CANCELLED);
    ASSERT_TRUE(world.until([&] { return echo.end.has_value(); }));
  }
}

// Bits flipped on the way: every packet is authenticated, so this is loss too.
TEST_P(LossyTest, DamagedPacketsAreLostPackets) {
  uint64_t seed = GetParam();
  std::mt19937_64 random(seed);
  World world(seed);
  world.network.tap = [&](const Address&, const Address&, Bytes& packet) {
    if (random() % 20 != 0) return;
    packet[random() % packet.size()] ^= static_cast<char>(1 << random() % 8);
    if (random() % 4 == 0) packet.resize(1 + random() % packet.size());
  };
  Connection* connection = world.a.connect(world.b);
  ASSERT_TRUE(world.until([&] { return world.a.sees(world.b) && world.b.sees(world.a); }));
  EchoClient echo(*connection);
  for (size_t f = 0; f < 100; ++f) ASSERT_TRUE(echo.stream->send(frame_of(seed, 0, f)));
  ASSERT_TRUE(world.until([&] { return echo.frames.size() == 100; }));
  for (size_t f = 0; f < 100; ++f) EXPECT_TRUE(echo.frames[f] == frame_of(seed, 0, f));
}

// QUIC may repeat the lost bytes of a stream that was reset: they must still be there, which ASan sees.
TEST_P(LossyTest, StreamsAreResetWhileTheirBytesAreLost) {
  uint64_t seed = GetParam();
  World world(seed);
  world.network.faults = {.loss = 0.3, .delay_min = 100 * kMicrosecond, .delay_max = 4 * kMillisecond};
  Connection* connection = world.a.connect(world.b);
  ASSERT_TRUE(world.until([&] { return world.a.sees(world.b) && world.b.sees(world.a); }));
  for (size_t s = 0; s < 60; ++s) {
    EchoClient client(*connection);
    for (size_t f = 0; f < 3; ++f) ASSERT_TRUE(client.stream->send(frame_of(seed, s, f)));
    world.until([] { return false; }, static_cast<DurationNs>(s % 7) * kMillisecond);
    client.stream->reset(Code::CANCELLED);
    ASSERT_TRUE(world.until([&] { return client.end.has_value(); }));
  }
  EchoClient echo(*connection);
  ASSERT_TRUE(echo.stream->send("x"));
  EXPECT_TRUE(world.until([&] { return echo.frames.size() == 1; }));
}

INSTANTIATE_TEST_SUITE_P(Seeds, LossyTest, testing::Range<uint64_t>(1, 41));

TEST(Partition, HealsOrEnds) {
  bool up = true;  // outlives the world, whose endpoints say goodbye
  World world(1);
  Connection* connection = world.a.connect(world.b);
  ASSERT_TRUE(world.until([&] { return world.a.sees(world.b) && world.b.sees(world.a); }));
  EchoClient echo(*connection);
  world.network.connected = [&](const Address&, const Address&) { return up; };
  up = false;
  ASSERT_TRUE(echo.stream->send("during the cut"));
  world.until([] { return false; }, 5 * kSecond);
  up = true;
  ASSERT_TRUE(world.until([&] { return echo.frames.size() == 1; }, 20 * kSecond));
  up = false;
  ASSERT_TRUE(world.until([&] { return !world.a.disconnected.empty() && !world.b.disconnected.empty(); },
                          limits::kIdleTimeout + 10 * kSecond));
  EXPECT_EQ(world.a.disconnected[0].second.code, Code::CONNECTION_LOST);
  EXPECT_EQ(world.b.disconnected[0].second.code, Code::CONNECTION_LOST);
}

// The close notice is lost: the next packet of the peer is answered with it again.
TEST(Close, IsToldAgainWhenTheFirstNoticeIsLost) {
  bool up = true;  // outlives the world, whose endpoints say goodbye
  World world(1);
  Connection* connection = world.a.connect(world.b);
  ASSERT_TRUE(world.until([&] { return world.a.sees(world.b) && world.b.sees(world.a); }));
  world.network.connected = [&](const Address&, const Address&) { return up; };
  up = false;
  connection->close(Code::PERMISSION_DENIED, "gone");
  ASSERT_TRUE(world.until([&] { return !world.a.disconnected.empty(); }));
  up = true;
  EXPECT_TRUE(world.b.sees(world.a));
  EchoClient echo(*world.b.endpoint->find(world.a.id()));
  ASSERT_TRUE(echo.stream->send("x"));
  ASSERT_TRUE(world.until([&] { return !world.b.disconnected.empty(); }, kSecond));
  EXPECT_EQ(world.b.disconnected[0].second.code, Code::PERMISSION_DENIED);
}

}  // namespace
}  // namespace aspen::net

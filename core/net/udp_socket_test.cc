#include "core/net/udp_socket.h"

#include <gtest/gtest.h>

#include <cstring>

#include "core/net/closed_links.h"
#include "core/net/simulated_network.h"
#include "core/net/stateless.h"
#include "core/net/test_node.h"

namespace aspen::net {
namespace {

std::unique_ptr<UdpSocket> open(rt::Loop& loop, std::string_view listen = "127.0.0.1:0") {
  auto socket = UdpSocket::open(loop, listen);
  EXPECT_TRUE(socket) << socket.error().to_string();
  return *std::move(socket);
}

class UdpSocketTest : public testing::TestWithParam<bool> {};

TEST_P(UdpSocketTest, CarriesPacketsOfAllSizesToTheirPlaces) {
  rt::Loop loop;
  auto from = open(loop);
  auto to_one = open(loop);
  auto to_two = open(loop);
  if (!GetParam()) from->disable_segmentation();
  std::vector<size_t> one, two;
  auto collect = [&](UdpSocket& socket, std::vector<size_t>& sizes) {
    socket.set_callbacks(
        [&] {
          socket.receive([&](const Address& sender, BytesView packet) {
            EXPECT_EQ(sender, from->local_address());
            for (char c : packet) ASSERT_EQ(static_cast<uint8_t>(c), packet.size() % 251);
            sizes.push_back(packet.size());
          });
        },
        [] {});
  };
  collect(*to_one, one);
  collect(*to_two, two);
  std::vector<size_t> sent_one, sent_two;
  auto send = [&](size_t size, bool second) {
    std::memset(from->reserve(), static_cast<int>(size % 251), size);
    from->commit(size, (second ? to_two : to_one)->local_address());
    (second ? sent_two : sent_one).push_back(size);
  };
  // Runs of equal sizes, a shorter last one, a longer one after it, and a change of target in between.
  for (int i = 0; i < 100; ++i) send(1200, false);
  send(700, false);
  send(1452, false);
  for (int i = 0; i < 30; ++i) send(1452, i % 3 == 0);
  for (size_t size = 1; size < 60; ++size) send(size, size % 2 == 0);
  from->flush();
  ASSERT_TRUE(
      run_until(loop, [&] { return one.size() == sent_one.size() && two.size() == sent_two.size(); }));
  EXPECT_EQ(one, sent_one);
  EXPECT_EQ(two, sent_two);
}

INSTANTIATE_TEST_SUITE_P(Segmentation, UdpSocketTest, testing::Bool());

TEST(UdpSocket, OneThatDialsOnlyReachesBothFamilies) {
  rt::Loop loop;
  auto dialer = open(loop, "");
  auto listener = open(loop);
  Bytes got;
  Address from;
  listener->set_callbacks(
      [&] {
        listener->receive([&](const Address& sender, BytesView packet) {
          from = sender;
          got = packet;
        });
      },
      [] {});
  EXPECT_TRUE(dialer->reaches(listener->local_address()));
  EXPECT_FALSE(listener->reaches(*Address::parse("[::1]:1")));
  std::memcpy(dialer->reserve(), "hi", 2);
  dialer->commit(2, listener->local_address());
  dialer->flush();
  ASSERT_TRUE(run_until(loop, [&] { return !got.empty(); }));
  EXPECT_EQ(got, "hi");
  EXPECT_EQ(from.family(), AF_INET);
  EXPECT_EQ(from.port(), dialer->local_address().port());
}

TEST(Address, TextForm) {
  for (const char* text : {"127.0.0.1:1", "0.0.0.0:65535", "[::1]:4000", "[2001:db8::7]:0"}) {
    auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
  auto mapped = Address::parse("[::ffff:10.1.2.3]:5");
  EXPECT_EQ(mapped->to_string(), "10.1.2.3:5");
  EXPECT_EQ(*mapped, *Address::parse("10.1.2.3:5"));
  EXPECT_EQ(Address(mapped->mapped().data()), *mapped);
  EXPECT_NE(*Address::parse("10.1.2.3:5"), *Address::parse("10.1.2.3:6"));
  EXPECT_NE(*Address::parse("[::1]:5"), *Address::parse("[::2]:5"));
  EXPECT_FALSE(Address::parse("localhost:1"));
  EXPECT_FALSE(split_host_port(std::string(300, 'a') + ":1"));
  EXPECT_FALSE(split_host_port(BytesView("ab\0c:1", 6)));
  EXPECT_FALSE(split_host_port("host:-1"));
  EXPECT_FALSE(split_host_port("host:+1"));
}

TEST(ClosedLinks, AnswerEverMoreRarelyAndForget) {
  ClosedLinks closed;
  closed.add({"a", "b"}, "bye", 0);
  int answers = 0;
  for (int i = 0; i < 1000; ++i) {
    BytesView answer;
    ASSERT_TRUE(closed.find(i % 2 == 0 ? "a" : "b", kSecond, answer));
    answers += answer == "bye" ? 1 : 0;
  }
  EXPECT_EQ(answers, 10);
  BytesView answer;
  EXPECT_FALSE(closed.find("c", kSecond, answer));
  EXPECT_FALSE(closed.find("a", 10 * kSecond, answer));
  EXPECT_EQ(closed.size(), 0u);
  for (int i = 0; i < 5000; ++i) closed.add({std::to_string(i)}, "x", 20 * kSecond);
  EXPECT_LE(closed.size(), 1024u);
  EXPECT_TRUE(closed.find("4999", 20 * kSecond, answer));
  EXPECT_FALSE(closed.find("0", 20 * kSecond, answer));
}

TEST(Stateless, ResetTokensSurviveARestartAndDifferByNode) {
  VirtualEnv first(1), second(2);
  crypto::KeyPair key = key_of(1), other = key_of(2);
  Stateless before(key, first), after(key, second), stranger(other, first);
  EXPECT_EQ(before.reset_token("cid-1234"), after.reset_token("cid-1234"));
  EXPECT_NE(before.reset_token("cid-1234"), before.reset_token("cid-1235"));
  EXPECT_NE(before.reset_token("cid-1234"), stranger.reset_token("cid-1234"));
}

TEST(Stateless, ResetsAreSmallerThanTheirCauseAndLimited) {
  VirtualEnv env(1);
  crypto::KeyPair key = key_of(1);
  Stateless stateless(key, env);
  uint8_t out[kPacketBytesMax];
  for (size_t size = 1; size < 100; ++size) {
    size_t reset = stateless.reset(Bytes(size, '@'), "cid-1234", out, sizeof out);
    EXPECT_LT(reset, size);
    if (reset == 0) continue;
    BytesView packet = as_bytes(out, reset);
    EXPECT_EQ(reset_token_in(packet), stateless.reset_token("cid-1234"));
  }
  size_t answered = 0;
  for (int i = 0; i < 10'000; ++i) answered += stateless.reset(Bytes(99, '@'), "c", out, sizeof out) > 0;
  EXPECT_LT(answered, 2'100u);
  env.advance_to(env.now() + 2 * kSecond);
  EXPECT_GT(stateless.reset(Bytes(99, '@'), "c", out, sizeof out), 0u);
  EXPECT_FALSE(reset_token_in(Bytes(20, '@')));
  EXPECT_FALSE(reset_token_in(Bytes(50, '\xc0')));
}

}  // namespace
}  // namespace aspen::net

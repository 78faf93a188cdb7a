// What the network's tests share: machines on a simulated network, with either kind of endpoint.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/lab/network.h"
#include "core/net/test_node.h"

namespace aspen::lab::network_test {

enum class Transport { quic, simulated };

struct Machine {
  Machine(Events& events, Random random, const std::string& name, uint8_t seed)
      : host(events, random, name), node(seed) {}
  Host host;
  net::TestNode node;
};

struct World {
  explicit World(Transport transport, uint64_t seed = 1)
      : transport(transport), random(seed), network(events, random.fork("network")) {}

  // A machine whose address is 10.0.0.`number`:4000 and whose key is of `number` too.
  std::unique_ptr<Machine> machine(int number) {
    return std::make_unique<Machine>(events, random.fork("host", ++machines), "n" + std::to_string(number),
                                     static_cast<uint8_t>(number));
  }
  void open(Machine& machine, int number) {
    std::string address = "10.0.0." + std::to_string(number) + ":4000";
    machine.node.options.key = &machine.node.key;
    auto opened = open(machine.host, address, machine.node.options);
    ASSERT_TRUE(opened) << opened.error().to_string();
    machine.node.endpoint = *std::move(opened);
    machine.node.address = address;
  }
  Result<std::unique_ptr<net::Endpoint>> open(Host& host, const std::string& address,
                                              net::EndpointOptions options) {
    if (transport == Transport::simulated) return network.open(host, address, std::move(options));
    ASPEN_TRY(auto socket, network.open_socket(host, address));
    return net::Endpoint::open(host.executor(), std::move(options), std::move(socket));
  }
  // Runs the world until `done`; false after `limit`.
  bool until(const std::function<bool()>& done, DurationNs limit = 60 * kSecond) {
    TimeNs end = events.now() + limit;
    while (!done()) {
      if (!events.run_next(end)) return done();
    }
    return true;
  }
  void pass(DurationNs time) {
    until([] { return false; }, time);
  }

  Transport transport;
  Random random;
  Events events;
  Network network;
  uint64_t machines = 0;
};

inline Bytes pattern(size_t size, uint32_t salt = 1) {
  Bytes out(size, '\0');
  uint32_t x = salt;
  for (char& c : out) c = static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  return out;
}

// Machines n1 and n2, with the endpoint the test is run with.
class ContractTest : public testing::TestWithParam<Transport> {
 protected:
  void open() {
    world.open(*a, 1);
    world.open(*b, 2);
  }
  net::Connection* dial(Machine& from, Machine& to) {
    net::Connection* connection = nullptr;
    from.host.deliver([&] { connection = from.node.connect(to.node); });
    return connection;
  }
  bool joined() { return a->node.sees(b->node) && b->node.sees(a->node); }
  net::Connection* connect() {
    open();
    net::Connection* connection = dial(*a, *b);
    EXPECT_TRUE(world.until([&] { return joined(); }));
    return connection;
  }
  std::unique_ptr<net::EchoClient> client(net::Connection& connection, uint64_t subprotocol = net::kEcho) {
    std::unique_ptr<net::EchoClient> out;
    a->host.deliver([&] { out = std::make_unique<net::EchoClient>(connection, subprotocol); });
    return out;
  }
  void send(net::EchoClient& from, Bytes frame) {
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
    EXPECT_THAT(at_dialer.message, testing::HasSubstr(text));
    EXPECT_THAT(at_acceptor.message, testing::HasSubstr(text));
    EXPECT_THAT((by_dialer ? at_acceptor : at_dialer).message, testing::HasSubstr("the peer refused"));
    EXPECT_TRUE(a->node.connected.empty() && b->node.connected.empty());
  }

  World world{GetParam()};
  std::unique_ptr<Machine> a = world.machine(1), b = world.machine(2);
};

}  // namespace aspen::lab::network_test

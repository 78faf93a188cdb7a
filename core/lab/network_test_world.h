// What the network's tests share: machines on a simulated network, with either kind of endpoint.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/lab/network.h"
#include "core/net/test_node.h"

namespace aspen::lab {

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

}  // namespace aspen::lab

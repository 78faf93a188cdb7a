// The network of a simulated world: everything on the way from one host to another, and what goes wrong
// there.
//
//   Network network(events, random.fork("network"));
//   ASPEN_TRY(auto endpoint, network.open(host, "10.0.0.1:4000", options));
//   network.faults = {.latency = kMillisecond, .loss = 0.01};
//   network.cut("10.0.0.1:4000", "n2");      // what the first sends to host n2 vanishes, from now on
//   network.heal();
//
// An endpoint opened here is a second net::Endpoint, without QUIC, TLS and their cost, that behaves as the
// first: the same hello with the real verification, one connection per peer, the same errors at both ends.
// open_socket() gives a datagram socket under the same faults, for the real endpoint to stand on.
//
// A place is an address, or a host by its name: all addresses on it. Faults hold for what is sent from one
// place to another, in that direction. A cut also catches what is under way. What is reliable is sent again
// when it was lost, ever more rarely, until its connection ends; so a partition is noticed by silence only,
// and a peer that restarted by its answer.
//
// A dead host sends nothing any more. Its endpoints may still be called and closed.
//
// Everything is drawn from one Random: the same calls at the same virtual times do the same.
// Lifetime: outlives its hosts, endpoints and sockets. Thread safety: none.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/lab/events.h"
#include "core/lab/host.h"
#include "core/lab/packet.h"
#include "core/lab/random.h"
#include "core/net/datagram_socket.h"
#include "core/net/endpoint.h"

namespace aspen::lab {

// Of one direction. Probabilities are per packet of at most 1,200 bytes.
struct Faults {
  DurationNs latency = 250 * kMicrosecond;
  DurationNs jitter = 0;          // up to this much more, evenly: packets overtake each other
  double tail = 0;                // how many packets take longer by an exponential time
  DurationNs tail_mean = 0;       // of that time
  uint64_t bytes_per_second = 0;  // 0: no limit; what would wait over kQueueMax is lost
  double loss = 0;
  double repeat = 0;   // datagrams and handshakes that arrive twice
  double reorder = 0;  // packets that are held back by up to reorder_delay
  DurationNs reorder_delay = 20 * kMillisecond;
};

class Network {
 public:
  struct Counters {
    uint64_t sent = 0;  // attempts
    uint64_t lost = 0;  // of these, also for want of a receiver
    uint64_t delivered = 0;
    uint64_t repeated = 0;
    uint64_t resets = 0;  // answers of a node that does not know a connection (any more), and reset()
  };
  static constexpr DurationNs kQueueMax = 500 * kMillisecond;

  Network(Events& events, Random random) : events_(events), random_(random) {}
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // `address` instead of options.listen; empty or with port 0: one of its own. Its host may be a name. An
  // address whose host died is free. Errors: as net::Endpoint::open.
  Result<std::unique_ptr<net::Endpoint>> open(Host& host, const std::string& address,
                                              net::EndpointOptions options);
  // Errors: INVALID_ARGUMENT unless `address` is numeric; IN_USE.
  Result<std::unique_ptr<net::DatagramSocket>> open_socket(Host& host, const std::string& address);

  // Everywhere where set_faults says nothing else.
  Faults faults;
  void set_faults(std::string_view from, std::string_view to, const Faults& faults);
  void clear_faults();  // of single links

  void cut(std::string_view from, std::string_view to);
  // Both ways, between each of `a` and each of `b`.
  void partition(const std::vector<std::string>& a, const std::vector<std::string>& b);
  void heal(std::string_view from, std::string_view to);
  void heal();  // all cuts

  // All connections between the two places end with CONNECTION_LOST, at both ends or at the end `at` only;
  // there the other one hears of it with the next packet it sends. Sockets notice nothing.
  void reset(std::string_view a, std::string_view b);
  void reset_end(std::string_view at, std::string_view peer);

  const Counters& counters() const { return counters_; }
  // What: "send", "lose", "deliver", "repeat", "reset". Of address_of() two ports.
  std::function<void(const char* what, uint32_t from, uint32_t to, size_t bytes)> trace;

  // For endpoints and sockets.
  uint32_t port_of(std::string_view address);
  const std::string& address_of(uint32_t port) const { return ports_[port].address; }
  void unbind(uint32_t port, const Receiver& receiver);
  // Of a sender that is no longer bound, or whose host is dead, nothing leaves.
  void send(const Receiver& sender, std::unique_ptr<Packet> packet);
  uint64_t new_key() { return next_key_++; }
  Events& events() { return events_; }
  void count_reset(const Packet& packet);

 private:
  struct Port {
    std::string address;
    std::string host_name;
    Host* host = nullptr;
    Receiver* receiver = nullptr;
    uint64_t incarnation = 0;
  };
  struct Direction {
    bool cut = false;
    std::optional<Faults> faults;
    TimeNs busy_until = 0;
  };
  // A packet in the hands of a host. One that is dropped there, because the host dies, is lost.
  struct Arrival {
    Network* network;
    std::unique_ptr<Packet> packet;
    uint64_t incarnation;
    Arrival(Network* network, std::unique_ptr<Packet> packet, uint64_t incarnation)
        : network(network), packet(std::move(packet)), incarnation(incarnation) {}
    Arrival(Arrival&&) = default;
    Arrival& operator=(Arrival&&) = delete;
    ~Arrival() {
      if (packet) network->lose(std::move(packet));
    }
  };

  Result<uint32_t> bind(Host& host, const std::string& address, Receiver& receiver);
  std::vector<uint32_t> ports_at(std::string_view place);
  template <typename F>
  void for_each_direction(std::string_view from, std::string_view to, F&& change);
  Direction& direction(uint32_t from, uint32_t to) { return directions_[uint64_t{from} << 32 | to]; }
  bool alive(const Packet& packet) const;
  void transmit(std::unique_ptr<Packet> packet);
  void fly(Direction& direction, std::unique_ptr<Packet> packet);
  std::optional<DurationNs> delay_of(Direction& direction, const Faults& faults, size_t size);
  void arrive(Direction& direction, std::unique_ptr<Packet> packet);
  void land(Arrival& arrival);
  void lose(std::unique_ptr<Packet> packet);
  void send_again(std::unique_ptr<Packet> packet);
  void tell(const char* what, const Packet& packet) {
    if (trace) trace(what, packet.from, packet.to, packet.size);
  }

  Events& events_;
  Random random_;
  Counters counters_;
  std::deque<Port> ports_;
  std::unordered_map<std::string, uint32_t> by_address_;
  std::unordered_map<uint64_t, Direction> directions_;  // never walked but to set the same everywhere
  uint64_t next_key_ = 1;
  uint32_t next_port_ = 0;
};

}  // namespace aspen::lab

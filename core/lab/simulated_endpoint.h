// An Endpoint of the simulated network: the counterpart of net::EndpointImpl, with the same rules about
// peers.
//
//   arrive (on the host, between turns) -> deliver (user callbacks) -> flush (at the turn's end)
//
// Only deliver() runs user code, and it holds a reference to this object, so a callback may destroy the
// endpoint: everything then stops at the next look at stopped().
//
// Invariants: peers_ holds at most one connection per peer, never a closed one; a closed one waits in ended_
// until its end was told. links_ holds the open links; closed ones wait in closing_links_ until they were
// told. Thread safety: none.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "core/lab/network.h"
#include "core/lab/simulated_connection.h"
#include "core/lab/simulated_link.h"

namespace aspen::lab {

class SimulatedEndpoint final : public Receiver, public std::enable_shared_from_this<SimulatedEndpoint> {
 public:
  SimulatedEndpoint(Network& network, rt::Executor& executor, net::EndpointOptions options);
  ~SimulatedEndpoint();
  // Bound to `port`; what the user holds.
  static std::unique_ptr<net::Endpoint> start(std::shared_ptr<SimulatedEndpoint> endpoint, uint32_t port);
  // The user's Endpoint dies: tells the peers and calls nobody any more.
  void stop();

  // net::Endpoint's.
  std::string local_address() const { return network_.address_of(port_); }
  Result<net::Connection*> connect(const NodeId& peer, const std::string& address);
  net::Connection* find(const NodeId& peer);
  std::vector<net::Connection*> connections();
  void set_membership(crypto::GrantChain chain) { options_.membership = std::move(chain); }
  void close(Code code, std::string_view reason, std::function<void()> done);
  net::Endpoint* face = nullptr;

  // Receiver.
  bool arrive(Packet& packet) override;
  bool sends(uint64_t key) const override { return links_.contains(key); }
  void break_with(uint32_t remote) override;

  // For connections and links.
  Network& network() { return network_; }
  rt::Executor& executor() { return executor_; }
  const net::EndpointOptions& options() const { return options_; }
  const NodeId& id() const { return options_.key->id(); }
  bool stopped() const { return stopped_; }
  net::Hello own_hello() const;
  void send(std::unique_ptr<Packet> packet);
  void close_connection(SimulatedConnection& connection, Code code, std::string_view reason);
  void dial_timed_out(SimulatedConnection& connection);
  void link_dirty(SimulatedLink& link);
  void link_ready(SimulatedLink& link);
  void link_closed(SimulatedLink& link, std::shared_ptr<CloseNotice> notice);
  void link_hello(SimulatedLink& link, const net::Hello& hello);
  void link_confirmed(SimulatedLink& link);
  void link_stream(SimulatedLink& link, SimulatedStream& stream);
  void link_datagram(SimulatedLink& link, uint64_t subprotocol, BytesView datagram);
  void link_ended(SimulatedLink& link);

 private:
  struct Deliver final : rt::Runnable {
    explicit Deliver(SimulatedEndpoint& endpoint) : endpoint(endpoint) {}
    void run() override {
      auto keep = endpoint.shared_from_this();
      keep->deliver();
    }
    SimulatedEndpoint& endpoint;
  };
  // A link that ended a short while ago: its peer is told again.
  struct Closed {
    uint64_t key;
    TimeNs until;
    std::shared_ptr<CloseNotice> notice;
    unsigned received = 0;
  };

  bool accept(const Packet& initial);
  void answer_unknown(const Packet& packet);
  void deliver();
  void flush();
  SimulatedConnection& add_peer(const NodeId& peer);
  void attach(SimulatedConnection& connection, SimulatedLink& link);
  SimulatedConnection* claim(SimulatedLink& link);
  void refuse(SimulatedLink& link, const Error& why);
  void connected(SimulatedConnection& connection);
  void no_longer_half_open(SimulatedLink& link);
  void end_connection(SimulatedConnection& connection, Error why);
  void tell_ends();
  const net::Subprotocol* subprotocol(uint64_t id) const;

  Network& network_;
  rt::Executor& executor_;
  net::EndpointOptions options_;
  uint32_t port_ = 0;
  bool bound_ = false;
  bool stopped_ = false;
  bool closing_ = false;
  std::vector<std::function<void()>> close_done_;

  std::map<uint64_t, std::unique_ptr<SimulatedLink>> links_;  // open, by key: the order they began in
  std::map<uint64_t, std::unique_ptr<SimulatedLink>> closing_links_;
  std::vector<uint64_t> dead_links_;
  std::deque<Closed> closed_;
  size_t half_open_ = 0;
  std::map<NodeId, std::unique_ptr<SimulatedConnection>> peers_;
  std::vector<std::unique_ptr<SimulatedConnection>> ended_;

  rt::List<SimulatedLink, LinkReadyTag> ready_;
  rt::List<SimulatedLink, LinkDirtyTag> dirty_;
  Deliver deliver_{*this};
  rt::Deferred flush_{[this] { flush(); }};
};

}  // namespace aspen::lab

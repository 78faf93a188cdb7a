// What stands behind an Endpoint that speaks QUIC.
//
// Packets are routed by connection id to links (receive), links that have something to tell are delivered
// in the turn's ready work, links that have something to send are flushed together at the turn's end:
//
//   socket readable -> receive -> deliver (user callbacks) -> flush (packets of all links, one send)
//
// Only deliver() runs user code, and it holds a reference to this object, so a callback may destroy the
// Endpoint: everything then stops at the next look at stopped().
//
// Invariants: peers_ holds at most one state per peer, never a closed one; a closed one waits in ended_ until
// its end was told. A link belongs to at most one state.
// Thread safety: none.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/net/closed_links.h"
#include "core/net/connection_state.h"
#include "core/net/endpoint.h"
#include "core/net/link.h"
#include "core/rt/blocking.h"

namespace aspen::net {

class EndpointImpl final : public LinkOwner, public std::enable_shared_from_this<EndpointImpl> {
 public:
  // `loop` is null when there is none to resolve names on.
  EndpointImpl(rt::Executor& executor, rt::Loop* loop, EndpointOptions options,
               std::unique_ptr<TlsCredentials> tls, std::unique_ptr<DatagramSocket> socket);
  ~EndpointImpl() override;

  void start();
  // The Endpoint dies: tells the peers and calls nobody any more.
  void stop();

  Result<Connection*> connect(const NodeId& peer, const std::string& address);
  Connection* find(const NodeId& peer);
  std::vector<Connection*> connections();
  void set_membership(crypto::GrantChain chain) { options_.membership = std::move(chain); }
  std::string local_address() const { return context_.local.to_string(); }
  void close(Code code, std::string_view reason, std::function<void()> done);
  void close_connection(ConnectionState& state, Code code, std::string_view reason);
  void dial_timed_out(ConnectionState& state);

  Endpoint* face = nullptr;

 private:
  struct Deliver final : rt::Runnable {
    explicit Deliver(EndpointImpl& impl) : impl(impl) {}
    void run() override {
      auto keep = impl.shared_from_this();
      keep->deliver();
    }
    EndpointImpl& impl;
  };
  struct CidHash {
    using is_transparent = void;
    size_t operator()(BytesView cid) const { return std::hash<BytesView>()(cid); }
  };

  // LinkOwner.
  void add_cid(BytesView cid, Link& link) override;
  void remove_cid(BytesView cid) override;
  void add_reset_token(const ResetToken& token, Link& link) override { tokens_[token] = &link; }
  void remove_reset_token(const ResetToken& token) override { tokens_.erase(token); }
  void link_dirty(Link& link) override;
  void link_ready(Link& link) override;
  void link_closed(Link& link, Bytes packet) override;
  void link_secured(Link& link) override;
  void link_hello(Link& link, Bytes frame) override;
  void link_confirmed(Link& link) override;
  void link_stream(Link& link, StreamState& stream) override;
  void link_datagram(Link& link, uint64_t subprotocol, BytesView datagram) override;
  void link_ended(Link& link) override;
  bool stopped() const override { return stopped_; }

  // Packets; endpoint_impl.cc.
  void receive(const Address& from, BytesView packet, TimeNs now);
  void receive_unknown(const Address& from, BytesView packet, const ngtcp2_version_cid& header, TimeNs now);
  void accept(const Address& from, BytesView packet, const ngtcp2_pkt_hd& initial, TimeNs now);
  void send(const uint8_t* packet, size_t size, const Address& to);
  Link& adopt(std::unique_ptr<Link> link);
  void no_longer_half_open(Link& link);
  void flush();
  void deliver();
  void reap();

  // Peers; endpoint_peers.cc.
  Hello own_hello(const Link& link) const;
  void refuse(Link& link, const Error& why);
  ConnectionState* claim(Link& link);
  void attach(ConnectionState& state, Link& link);
  void connected(ConnectionState& state);
  void dial(ConnectionState& state, const Address& address);
  Result<> resolve(ConnectionState& state, const std::string& address);
  ConnectionState& add_peer(const NodeId& peer);
  // Ends a state that has no open link. Its end is told from deliver().
  void end_state(ConnectionState& state, Error why);
  void tell_ends();
  const Subprotocol* subprotocol(uint64_t id) const;

  rt::Executor& executor_;
  rt::Loop* loop_;
  EndpointOptions options_;
  std::unique_ptr<TlsCredentials> tls_;
  std::unique_ptr<DatagramSocket> socket_;
  Stateless stateless_;
  LinkContext context_;
  bool stopped_ = false;
  bool closing_ = false;
  std::vector<std::function<void()>> close_done_;

  std::unordered_map<Bytes, Link*, CidHash, std::equal_to<>> cids_;
  std::map<ResetToken, Link*> tokens_;
  std::map<uint64_t, std::unique_ptr<Link>> links_;  // by age
  uint64_t next_link_ = 0;
  std::vector<uint64_t> dead_links_;
  size_t half_open_ = 0;  // accepted links without an accepted hello
  ClosedLinks closed_links_;
  std::map<NodeId, std::unique_ptr<ConnectionState>> peers_;
  std::vector<std::unique_ptr<ConnectionState>> ended_;
  std::unique_ptr<rt::BlockingPool> resolver_;

  rt::List<Link, LinkReadyTag> ready_;
  rt::List<Link, LinkDirtyTag> dirty_;
  Deliver deliver_{*this};
  rt::Deferred flush_{[this] { flush(); }};
};

}  // namespace aspen::net

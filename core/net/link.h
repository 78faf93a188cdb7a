// One QUIC connection on ngtcp2: the machine under a Connection, or under a peer that has not shown its
// membership yet.
//
// It is a sans-coroutine engine: packets and timers go in (receive, handle_timer), packets come out
// (flush), and what is to be told to others waits until deliver(). Nothing that is not this folder's code
// ever runs inside a QUIC call.
//
//   handshaking -> secured (TLS done, the peer's key is known) -> established (hellos accepted) -> closed
//
// Before `established` only the hello's stream exists, and flow control lets the peer send little more.
//
// Invariants: phases only move forward. After `closed` no packet is read or written and ngtcp2 is not called
// but to free it.
// Thread safety: none.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/net/close_code.h"
#include "core/net/datagram_socket.h"
#include "core/net/stateless.h"
#include "core/net/stream_state.h"
#include "core/net/tls.h"
#include "core/rt/executor.h"

namespace aspen::net {

class Link;
struct ConnectionState;

// What a Link needs of the Endpoint that owns it.
class LinkOwner {
 public:
  virtual ~LinkOwner() = default;
  // Routing. The packets of `cid`, and the stateless reset with `token`, belong to `link`.
  virtual void add_cid(BytesView cid, Link& link) = 0;
  virtual void remove_cid(BytesView cid) = 0;
  virtual void add_reset_token(const ResetToken& token, Link& link) = 0;
  virtual void remove_reset_token(const ResetToken& token) = 0;
  virtual void link_dirty(Link& link) = 0;  // wants flush()
  virtual void link_ready(Link& link) = 0;  // wants deliver()
  // It has just closed; `packet` tells the peer (empty: nothing to tell).
  virtual void link_closed(Link& link, Bytes packet) = 0;
  virtual void link_secured(Link& link) = 0;

  // The rest is called from deliver() only.
  virtual void link_hello(Link& link, Bytes frame) = 0;
  virtual void link_confirmed(Link& link) = 0;  // the dialer accepted our hello
  virtual void link_stream(Link& link, StreamState& stream) = 0;
  virtual void link_datagram(Link& link, uint64_t subprotocol, BytesView datagram) = 0;
  virtual void link_ended(Link& link) = 0;
  // The endpoint is gone: stop calling.
  virtual bool stopped() const = 0;
};

// What all links of an endpoint share.
struct LinkContext {
  rt::Executor& executor;
  LinkOwner& owner;
  const TlsCredentials& tls;
  Stateless& stateless;
  Address local;
  DurationNs idle_timeout;
  DurationNs keep_alive;
  DurationNs handshake_timeout;
};

enum class LinkPhase : uint8_t { handshaking, secured, established, closed };

struct LinkReadyTag;
struct LinkDirtyTag;

class Link : public rt::ListNode<LinkReadyTag>, public rt::ListNode<LinkDirtyTag> {
 public:
  static Result<std::unique_ptr<Link>> dial(const LinkContext& context, const Address& remote,
                                            const NodeId& peer);
  // For a client's first packet. `original` is the id it used before a Retry, if there was one.
  static Result<std::unique_ptr<Link>> accept(const LinkContext& context, const Address& remote,
                                              const ngtcp2_pkt_hd& initial,
                                              const std::optional<ngtcp2_cid>& original);
  ~Link();

  bool dialed() const { return dialed_; }
  LinkPhase phase() const { return phase_; }
  bool closed() const { return phase_ == LinkPhase::closed; }
  const std::optional<NodeId>& peer() const { return tls_->peer(); }
  TimeNs created_at() const { return created_at_; }
  Address remote() const;
  DurationNs round_trip() const;
  // Why it closed.
  const Error& why() const { return *why_; }
  // The peer closed it in favour of another connection between the two nodes.
  bool gave_way() const { return gave_way_; }
  std::vector<Bytes> cids() const;
  // The token that ends this connection if we lose it, for the hello.
  ResetToken own_reset_token() const { return own_reset_token_; }

  // The hello. A dialer sends first; the acceptor's FIN comes with its hello, the dialer's with its consent.
  void send_hello(Bytes frame, bool finish);
  void finish_hello();
  // The peer's token, from its hello.
  void set_peer_reset_token(const ResetToken& token);
  // The hello was accepted; from here on streams and datagrams pass, once it is confirmed to both.
  void admit();
  void establish();

  // I/O, driven by the endpoint.
  void receive(const Address& from, BytesView packet, TimeNs now);
  void reset_by_peer();
  void handle_timer(TimeNs now);
  // Writes packets; true when it has more to write than one turn's share.
  bool flush(DatagramSocket& socket, TimeNs now);
  void deliver();

  // Frames received and not delivered yet are dropped: their receiver is closing.
  void discard_received();
  // Closes, telling the peer. `why` is reported here; `code` and `reason` go to the peer.
  void close(Error why, uint64_t code, std::string_view reason);

  Result<Stream*> open_stream(uint64_t subprotocol, uint32_t version);
  Result<> send_datagram(uint64_t subprotocol, BytesView datagram);
  static size_t datagram_bytes_max(uint64_t subprotocol);

  // For streams.
  Result<> send(StreamState& stream, Bytes frame);
  void finish(StreamState& stream);
  void reset_stream(StreamState& stream, const Error& why);
  void credit(StreamState& stream, size_t bytes);
  void stream_ready(StreamState& stream);
  bool stopped() const { return context_.owner.stopped(); }
  template <typename F>
  void contained(F&& f) {
    context_.executor.contained(std::forward<F>(f));
  }

  ConnectionState* connection = nullptr;  // once the peer's membership is accepted, or it was dialed
  uint64_t age = 0;                       // its key in the endpoint
  bool counted = false;                   // among the endpoint's half-open handshakes

 private:
  friend struct LinkCallbacks;
  Link(const LinkContext& context, bool dialed, const Address& remote);
  // In link_quic.cc: the settings and callbacks of the QUIC library.
  Result<> start(const NodeId* peer, const ngtcp2_pkt_hd* initial, const std::optional<ngtcp2_cid>& original);

  StreamState& add_stream(bool from_peer, size_t frame_bytes_max);
  void remove_done_streams();
  // What of `credit` may be given now.
  size_t within_budget(StreamState& stream, size_t credit);
  void release_budget();
  void open_pending_streams();
  void want_to_send(StreamState& stream);
  // In link_send.cc.
  ngtcp2_ssize write_packet(uint8_t* out, ngtcp2_path_storage& path, TimeNs now);
  ngtcp2_ssize write_datagram(uint8_t* out, ngtcp2_path_storage& path, TimeNs now);
  ngtcp2_ssize write_stream(uint8_t* out, ngtcp2_path_storage& path, TimeNs now);
  StreamState* next_sender();
  void deliver_hello();
  void deliver_datagrams();
  void deliver_streams();
  // After ngtcp2 returned `status` from reading or a timer.
  void after_call(int status);
  void fail(int status);
  void peer_closed();
  void end(Error why, Bytes packet);
  Bytes close_packet(const ngtcp2_connection_close_error& error);
  void mark_dirty() { context_.owner.link_dirty(*this); }
  void mark_ready() { context_.owner.link_ready(*this); }
  void arm_timer(TimeNs now);
  TimeNs next_timer() const;

  const LinkContext& context_;
  const bool dialed_;
  Address remote_;
  const TimeNs created_at_;
  LinkPhase phase_ = LinkPhase::handshaking;
  bool admitted_ = false;  // we accepted the peer's hello
  bool was_established_ = false;
  bool secured_told_ = false;  // the owner knows that TLS is done
  bool hello_received_ = false;
  bool confirmed_told_ = false;
  bool gave_way_ = false;
  bool ended_told_ = false;
  bool reset_received_ = false;
  std::unique_ptr<TlsSession> tls_;
  ngtcp2_conn* quic_ = nullptr;
  Bytes first_cid_;  // a client's first, random id for us, which routes until it knows ours
  ResetToken own_reset_token_{};
  std::vector<ResetToken> peer_reset_tokens_;
  std::optional<Error> why_;

  std::map<uint64_t, std::unique_ptr<StreamState>> streams_;  // by serial
  uint64_t next_serial_ = 0;
  StreamState* hello_ = nullptr;
  rt::List<StreamState, StreamReadyTag> ready_streams_;
  rt::List<StreamState, StreamSendTag> sending_;
  std::vector<StreamState*> unopened_;  // wait for QUIC's stream limit
  size_t own_streams_ = 0;
  bool may_open_ = false;                      // the peer raised the limit
  std::vector<int64_t> reset_by_peer_;         // streams whose other direction is still to be ended
  std::vector<StreamState*> done_;             // wait to be removed
  std::map<int64_t, SendBuffer> unforgotten_;  // of removed streams that QUIC still knows
  // Bytes of incomplete frames, all streams together. Over the budget only one stream, the favoured one,
  // gets credit to complete its frame; then the next does.
  size_t assembling_bytes_ = 0;
  StreamState* favoured_ = nullptr;
  bool starved_ = false;  // some stream waits for the budget

  std::vector<Bytes> datagrams_out_;  // live from datagrams_begin_ on
  size_t datagrams_begin_ = 0;
  std::vector<Bytes> datagrams_in_;

  rt::Timer timer_;
  TimeNs timer_at_ = kNever;
};

}  // namespace aspen::net

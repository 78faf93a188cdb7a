// One attempt at a connection and what became of it: the counterpart of net::Link.
//
// The handshake goes as over QUIC, with the same number of round trips:
//
//   dialer                     acceptor
//     initial            ->                      whom it wants
//                        <-    accepted          who it is; TLS would be done now
//     hello              ->                      verified here
//                        <-    hello             verified here: connected
//     confirm            ->                      connected
//
// Then `data` packets carry items of streams and acknowledgements. All that a turn has to say leaves together
// at its end. A packet with items is acknowledged at the end of the turn it came in.
//
// Invariants: phases only move forward. After `closed` nothing is sent or received.
// Thread safety: none.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/lab/packet.h"
#include "core/lab/simulated_stream.h"
#include "core/rt/executor.h"

namespace aspen::lab {

class SimulatedEndpoint;
struct SimulatedConnection;
struct LinkReadyTag;
struct LinkDirtyTag;

enum class LinkPhase : uint8_t { handshaking, secured, established, closed };

class SimulatedLink final : public rt::ListNode<LinkReadyTag>, public rt::ListNode<LinkDirtyTag> {
 public:
  // `peer`: for a dialer whom it wants; for an acceptor who asks.
  SimulatedLink(SimulatedEndpoint& owner, bool dialed, uint64_t key, uint32_t remote, const NodeId& peer);

  // Sends the first packet. For an acceptor, `initial` is the dialer's.
  void start(const Packet* initial);
  void receive(Packet& packet);
  void deliver();
  void flush();

  bool dialed() const { return dialed_; }
  LinkPhase phase() const { return phase_; }
  bool closed() const { return phase_ == LinkPhase::closed; }
  const NodeId& peer() const { return peer_; }
  uint64_t key() const { return key_; }
  uint32_t remote() const { return remote_; }
  const std::string& remote_address() const;
  TimeNs created_at() const { return created_at_; }
  DurationNs round_trip() const { return round_trip_; }
  const Error& why() const { return *why_; }
  bool gave_way() const { return gave_way_; }

  void send_hello();
  void send_confirm();
  void admit() { admitted_ = true; }
  void establish();
  void discard_received();
  // Closes, telling the peer. `why` is reported here; `code` and `reason` go to the peer.
  void close(Error why, uint64_t code, std::string_view reason);
  // Closes without a word.
  void break_off(Error why) { end(std::move(why), nullptr); }

  Result<net::Stream*> open_stream(uint64_t subprotocol, uint32_t version);
  Result<> send_datagram(uint64_t subprotocol, BytesView datagram);

  // For streams.
  void want_to_send(SimulatedStream& stream);
  void send_item(Item item);
  void credit(SimulatedStream& stream, size_t bytes);
  void stream_ready(SimulatedStream& stream);
  bool stopped() const;
  void contained(const std::function<void()>& call);

  SimulatedConnection* connection = nullptr;
  bool counted = false;  // among the endpoint's half-open handshakes

 private:
  struct Sent {  // a packet that is not acknowledged, or the place of one that is
    struct Part {
      uint64_t stream;
      uint32_t cost;
      bool fin;
    };
    bool acknowledged = false;
    std::vector<Part> parts;
  };

  std::unique_ptr<Packet> make(PacketKind kind, bool reliable);
  void send(std::unique_ptr<Packet> packet);
  void send_datagrams();
  void receive_items(std::vector<Item>& items);
  void receive_acks(const std::vector<Ack>& acks, DurationNs way);
  void measure(DurationNs sample);
  void peer_closed(const CloseNotice& notice);
  void deliver_handshake();
  void deliver_accepted(const Handshake& from);
  void deliver_datagrams();
  void deliver_streams();
  void remove_done_streams();
  SimulatedStream* incoming_stream(uint64_t id);
  void forget_incoming(uint64_t id);
  void end(Error why, std::shared_ptr<CloseNotice> notice);
  void mark_ready();
  void mark_dirty();
  TimeNs next_timer() const;
  void arm_timer();
  void timer_fired();

  SimulatedEndpoint& owner_;
  const bool dialed_;
  const uint64_t key_;
  uint64_t peer_key_;
  const uint32_t remote_;
  NodeId peer_;
  const TimeNs created_at_;
  LinkPhase phase_ = LinkPhase::handshaking;
  bool admitted_ = false;
  bool hello_received_ = false;
  bool was_established_ = false;
  bool gave_way_ = false;
  bool ended_told_ = false;
  std::optional<Error> why_;
  std::vector<std::pair<PacketKind, std::shared_ptr<Handshake>>> handshakes_;  // to be delivered

  std::map<uint64_t, std::unique_ptr<SimulatedStream>> streams_;
  uint64_t next_stream_ = 0;
  size_t own_streams_ = 0;
  uint64_t incoming_floor_ = 0;       // all the peer's streams below have ended
  std::set<uint64_t> incoming_gone_;  // and these, from the floor up
  rt::List<SimulatedStream, StreamReadyTag> ready_streams_;
  rt::List<SimulatedStream, StreamSendTag> sending_;
  std::vector<SimulatedStream*> done_;

  std::vector<Item> items_out_;  // resets and credit
  std::vector<Ack> acks_out_;
  bool ping_ = false;
  uint64_t next_number_ = 1;
  std::deque<Sent> sent_;  // from number next_number_ - size on
  std::vector<std::pair<uint64_t, Bytes>> datagrams_out_;
  std::vector<std::pair<uint64_t, Bytes>> datagrams_in_;

  DurationNs round_trip_ = 0;
  DurationNs variance_ = 0;
  DurationNs idle_timeout_;
  TimeNs idle_since_;
  TimeNs active_at_;  // last sent or heard
  bool idle_restarts_on_send_ = true;
  TimeNs repeat_at_ = kNever;  // the first packet, while nobody answers
  unsigned initials_ = 0;
  rt::Timer timer_;
  TimeNs timer_at_ = kNever;
};

}  // namespace aspen::lab

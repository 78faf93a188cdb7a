// What travels on the simulated network: a whole packet as a struct, never encoded.
//
// An endpoint's packets carry what one connection has to say in one turn. A `reliable` one that is lost is
// sent again by the network, after a while, as QUIC would: so a loss is a delay, and to the rest of the lab
// one event more. Datagrams, notices of a close and the packets of a DatagramSocket are just lost.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/net/hello.h"

namespace aspen::lab {

enum class PacketKind : uint8_t { initial, accepted, hello, confirm, data, datagram, close, reset, raw };

struct Handshake {
  NodeId node;                  // initial, accepted, reset: who sends it, as TLS would prove
  NodeId wanted;                // initial: whom it is for
  DurationNs idle_timeout = 0;  // initial, accepted
  net::Hello hello;             // hello
};

struct CloseNotice {
  uint64_t code = 0;       // as on QUIC's wire
  bool transport = false;  // by QUIC or TLS, not by the application
  std::string reason;
};

struct Item {
  enum class Kind : uint8_t { open, piece, frame, fin, reset, credit };
  Kind kind;
  uint64_t stream = 0;
  uint32_t index = 0;  // open, piece, frame, fin: its place in the stream
  uint32_t cost = 0;   // bytes of the stream it stands for
  uint64_t value = 0;  // open: the subprotocol; reset: the code; credit: bytes
  Bytes data = {};     // piece; frame: the last of its pieces, or all of it
};

struct Ack {
  uint64_t number;
  DurationNs way;  // how long the attempt that came through was under way
};

struct Packet {
  PacketKind kind = PacketKind::data;
  bool reliable = false;
  uint64_t from_key = 0;  // the links at the two ends
  uint64_t to_key = 0;
  uint64_t number = 0;  // to be acknowledged, unless 0
  size_t size = 0;      // on the wire
  std::vector<Item> items;
  std::vector<Ack> acks;
  Bytes bytes;  // datagram (for `subprotocol`), raw
  uint64_t subprotocol = 0;
  std::shared_ptr<Handshake> handshake;
  std::shared_ptr<CloseNotice> notice;

  // The network's own.
  uint32_t from = 0;
  uint32_t to = 0;
  uint64_t incarnation = 0;  // of the sender
  DurationNs rto = 0;        // until it is sent again
  uint32_t attempts = 0;
  TimeNs attempt_at = 0;
};

// Who is bound to an address of the network.
class Receiver {
 public:
  // Runs on the host, outside its turns. False: not taken, as if it had been lost.
  virtual bool arrive(Packet& packet) = 0;
  // Whether a packet of this link is worth sending again.
  virtual bool sends(uint64_t key) const = 0;
  // All connections to the address are lost, without the peer being told.
  virtual void break_with(uint32_t remote) = 0;

 protected:
  ~Receiver() = default;
};

}  // namespace aspen::lab

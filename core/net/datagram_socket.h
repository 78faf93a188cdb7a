// The seam between the QUIC engine and the network: something that sends and receives UDP payloads.
// UdpSocket is the real one; the lab and the tests put a simulated network here.
//
// Sending is batched: packets are written in place one after the other and leave together at flush(), so a
// socket can hand many to the kernel in one call.
//
// Thread safety: none; the endpoint's thread.
#pragma once

#include <functional>

#include "core/base/bytes.h"
#include "core/net/address.h"

namespace aspen::net {

class DatagramSocket {
 public:
  using Receive = std::function<void(const Address& from, BytesView packet)>;

  virtual ~DatagramSocket() = default;
  virtual Address local_address() const = 0;
  // False when no packet of this socket can go there: another address family.
  virtual bool reaches(const Address& to) const = 0;

  // Who is told that receive() has something, and that a blocked socket takes packets again. Set once.
  // Never called from inside another method of this class.
  virtual void set_callbacks(std::function<void()> readable, std::function<void()> writable) = 0;

  // Room for one packet of kPacketBytesMax, valid until commit() or flush().
  virtual uint8_t* reserve() = 0;
  // Sends the first `size` bytes of the reserved room. A packet that cannot be sent is lost, as on a wire.
  virtual void commit(size_t size, const Address& to) = 0;
  virtual void flush() = 0;
  // The system's buffer is full: what was committed waits, and more is better made after `writable`.
  virtual bool blocked() const = 0;

  // Hands over packets that have arrived, a bounded number. `readable` is called again while there are more.
  virtual void receive(const Receive& packet) = 0;
};

// The largest UDP payload sent.
inline constexpr size_t kPacketBytesMax = 1452;

}  // namespace aspen::net

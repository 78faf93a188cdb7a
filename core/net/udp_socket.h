// A nonblocking UDP socket on an event loop. Runs of packets to one peer go out as one segmented send
// (UDP_SEGMENT) and come in merged (UDP_GRO), many of them per system call (sendmmsg, recvmmsg); where the
// kernel refuses segmentation, packets go out one by one.
#pragma once

#include <memory>
#include <vector>

#include "core/net/datagram_socket.h"
#include "core/rt/loop.h"

namespace aspen::net {

class UdpSocket final : public DatagramSocket {
 public:
  // Binds `listen` ("host:port"; a name is resolved, blocking). Empty: any port, IPv6 and IPv4 both where
  // the system has IPv6. Errors: INVALID_ARGUMENT, IN_USE naming the address, IO.
  static Result<std::unique_ptr<UdpSocket>> open(rt::Loop& loop, std::string_view listen);
  ~UdpSocket() override;

  Address local_address() const override { return local_; }
  bool reaches(const Address& to) const override { return dual_stack_ || to.family() == local_.family(); }
  void set_callbacks(std::function<void()> readable, std::function<void()> writable) override;
  uint8_t* reserve() override;
  void commit(size_t size, const Address& to) override;
  void flush() override;
  bool blocked() const override { return blocked_; }
  void receive(const Receive& packet) override;

  // For tests: as on a kernel without segmentation.
  void disable_segmentation() { segmentation_ = false; }

 private:
  struct Packet {
    size_t offset;
    size_t size;
    Address to;
  };
  struct ReceiveBuffers;

  UdpSocket(rt::Loop& loop, int fd);
  Result<> bind(const Address& address, std::string_view text);
  // The packets from `first` that can leave as one segmented send.
  size_t run_length(size_t first) const;
  void set_blocked(bool blocked);

  rt::Loop& loop_;
  int fd_;
  bool dual_stack_ = false;
  bool segmentation_ = true;
  bool blocked_ = false;
  Address local_;
  std::vector<uint8_t> send_buffer_;
  size_t send_bytes_ = 0;
  std::vector<Packet> packets_;
  size_t sent_ = 0;  // packets_ before this have left
  std::unique_ptr<ReceiveBuffers> receive_;
  std::function<void()> readable_;
  std::function<void()> writable_;
  std::unique_ptr<rt::FdWatch> watch_;
};

}  // namespace aspen::net

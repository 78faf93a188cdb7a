// A DatagramSocket of the simulated network, for a net::Endpoint that speaks real QUIC in a simulated world.
#pragma once

#include <vector>

#include "core/lab/network.h"
#include "core/net/datagram_socket.h"

namespace aspen::lab {

class SimulatedSocket final : public net::DatagramSocket, public Receiver {
 public:
  SimulatedSocket(Network& network, const net::Address& local) : network_(network), local_(local) {}
  ~SimulatedSocket() override;
  void start(uint32_t port);

  net::Address local_address() const override { return local_; }
  bool reaches(const net::Address& to) const override { return to.family() == local_.family(); }
  void set_callbacks(std::function<void()> readable, std::function<void()>) override {
    readable_ = std::move(readable);
  }
  uint8_t* reserve() override { return room_; }
  void commit(size_t size, const net::Address& to) override;
  void flush() override {}
  bool blocked() const override { return false; }
  void receive(const Receive& packet) override;

  bool arrive(Packet& packet) override;
  bool sends(uint64_t) const override { return false; }
  void break_with(uint32_t) override {}

 private:
  uint32_t port_of(const net::Address& address);

  Network& network_;
  net::Address local_;
  uint32_t port_ = 0;
  std::vector<std::pair<net::Address, uint32_t>> known_;
  std::function<void()> readable_;
  Packet* arrived_ = nullptr;
  uint8_t room_[net::kPacketBytesMax];
};

}  // namespace aspen::lab

#include "core/lab/simulated_socket.h"

#include <algorithm>

namespace aspen::lab {

SimulatedSocket::~SimulatedSocket() {
  network_.unbind(port_, *this);
}

void SimulatedSocket::start(uint32_t port) {
  port_ = port;
  local_ = *net::Address::parse(network_.address_of(port));
}

uint32_t SimulatedSocket::port_of(const net::Address& address) {
  auto found = std::ranges::find(known_, address, &std::pair<net::Address, uint32_t>::first);
  if (found == known_.end()) found = known_.emplace(found, address, network_.port_of(address.to_string()));
  return found->second;
}

void SimulatedSocket::commit(size_t size, const net::Address& to) {
  auto packet = std::make_unique<Packet>();
  packet->kind = PacketKind::raw;
  packet->from = port_;
  packet->to = port_of(to);
  packet->size = size;
  packet->bytes = Bytes(as_bytes(room_, size));
  network_.send(*this, std::move(packet));
}

bool SimulatedSocket::arrive(Packet& packet) {
  if (packet.kind != PacketKind::raw || !readable_) return false;
  arrived_ = &packet;
  readable_();
  arrived_ = nullptr;
  return true;
}

void SimulatedSocket::receive(const Receive& packet) {
  if (arrived_ == nullptr) return;
  auto from = net::Address::parse(network_.address_of(arrived_->from));
  if (from) packet(*from, arrived_->bytes);
}

}  // namespace aspen::lab

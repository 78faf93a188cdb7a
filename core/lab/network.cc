#include "core/lab/network.h"

#include "core/base/mutant.h"
#include "core/lab/simulated_endpoint.h"
#include "core/lab/simulated_socket.h"

namespace aspen::lab {
namespace {

constexpr size_t kPacketBytes = 1200;
constexpr DurationNs kBackoffMax = 2 * kSecond;

bool may_repeat(PacketKind kind) {
  return kind != PacketKind::data;
}

}  // namespace

// Places.

uint32_t Network::port_of(std::string_view address) {
  auto [found, fresh] = by_address_.try_emplace(std::string(address), static_cast<uint32_t>(ports_.size()));
  if (fresh) ports_.push_back({.address = std::string(address)});
  return found->second;
}

std::vector<uint32_t> Network::ports_at(std::string_view place) {
  std::vector<uint32_t> out;
  for (uint32_t port = 0; port < ports_.size(); ++port) {
    if (ports_[port].host_name == place) out.push_back(port);
  }
  if (out.empty()) out.push_back(port_of(place));
  return out;
}

Result<uint32_t> Network::bind(Host& host, const std::string& address, Receiver& receiver) {
  std::string chosen = address.empty() ? fmt::format("{}:0", host.name()) : address;
  ASPEN_TRY(auto host_port, net::split_host_port(chosen));
  if (host_port.second == "0") {
    chosen = fmt::format("{}{}", chosen.substr(0, chosen.size() - 1), 40'000 + next_port_++ % 20'000);
  }
  uint32_t index = port_of(chosen);
  Port& port = ports_[index];
  if (port.receiver != nullptr && !port.host->dead()) {
    return fail(Code::IN_USE, "address {} is in use", chosen);
  }
  port.host_name = host.name();
  port.host = &host;
  port.receiver = &receiver;
  ++port.incarnation;
  return index;
}

void Network::unbind(uint32_t index, const Receiver& receiver) {
  Port& port = ports_[index];
  if (port.receiver != &receiver) return;
  port.receiver = nullptr;
  port.host = nullptr;
  ++port.incarnation;
}

Result<std::unique_ptr<net::Endpoint>> Network::open(Host& host, const std::string& address,
                                                     net::EndpointOptions options) {
  crypto::initialize();
  ASPEN_CHECK(net::check(options));
  auto endpoint = std::make_shared<SimulatedEndpoint>(*this, host.executor(), std::move(options));
  ASPEN_TRY(uint32_t port, bind(host, address, *endpoint));
  return SimulatedEndpoint::start(std::move(endpoint), port);
}

Result<std::unique_ptr<net::DatagramSocket>> Network::open_socket(Host& host, const std::string& address) {
  ASPEN_TRY(net::Address local, net::Address::parse(address));
  auto socket = std::make_unique<SimulatedSocket>(*this, local);
  ASPEN_TRY(uint32_t port, bind(host, address, *socket));
  socket->start(port);
  return socket;
}

// Faults.

template <typename F>
void Network::for_each_direction(std::string_view from, std::string_view to, F&& change) {
  std::vector<uint32_t> targets = ports_at(to);
  for (uint32_t source : ports_at(from)) {
    for (uint32_t target : targets) change(direction(source, target));
  }
}

void Network::set_faults(std::string_view from, std::string_view to, const Faults& faults) {
  for_each_direction(from, to, [&](Direction& direction) { direction.faults = faults; });
}

void Network::clear_faults() {
  for (auto& [ends, direction] : directions_) direction.faults.reset();
}

void Network::cut(std::string_view from, std::string_view to) {
  for_each_direction(from, to, [](Direction& direction) { direction.cut = true; });
}

void Network::partition(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (const std::string& one : a) {
    for (const std::string& other : b) {
      cut(one, other);
      cut(other, one);
    }
  }
}

void Network::heal(std::string_view from, std::string_view to) {
  for_each_direction(from, to, [](Direction& direction) { direction.cut = false; });
}

void Network::heal() {
  for (auto& [ends, direction] : directions_) direction.cut = false;
}

void Network::reset(std::string_view a, std::string_view b) {
  reset_end(a, b);
  reset_end(b, a);
}

void Network::reset_end(std::string_view at, std::string_view peer) {
  std::vector<uint32_t> peers = ports_at(peer);
  for (uint32_t index : ports_at(at)) {
    Port& port = ports_[index];
    if (port.receiver == nullptr || port.host->dead()) continue;
    for (uint32_t remote : peers) {
      ++counters_.resets;
      if (trace) trace("reset", remote, index, 0);
      port.host->deliver([this, index, remote, incarnation = port.incarnation] {
        if (ports_[index].incarnation == incarnation) ports_[index].receiver->break_with(remote);
      });
    }
  }
}

void Network::count_reset(const Packet& packet) {
  ++counters_.resets;
  tell("reset", packet);
}

// Packets.

void Network::send(const Receiver& sender, std::unique_ptr<Packet> packet) {
  const Port& port = ports_[packet->from];
  if (port.receiver != &sender || (port.host->dead() && !ASPEN_MUTANT("lab-net-ghost-speaks"))) return;
  packet->incarnation = port.incarnation;
  transmit(std::move(packet));
}

bool Network::alive(const Packet& packet) const {
  const Port& port = ports_[packet.from];
  return port.incarnation == packet.incarnation && port.receiver != nullptr && !port.host->dead() &&
         port.receiver->sends(packet.from_key);
}

void Network::transmit(std::unique_ptr<Packet> packet) {
  ++counters_.sent;
  tell("send", *packet);
  packet->attempt_at = events_.now();
  Direction& way = direction(packet->from, packet->to);
  double loss = (way.faults ? *way.faults : faults).loss;
  if (loss > 0) {
    double all_arrive = 1;
    for (size_t sent = 0; sent < packet->size; sent += kPacketBytes) all_arrive *= 1 - loss;
    loss = 1 - all_arrive;
  }
  if (way.cut || (loss > 0 && random_.chance(loss))) return lose(std::move(packet));
  double repeat = (way.faults ? *way.faults : faults).repeat;
  if (repeat > 0 && may_repeat(packet->kind) && random_.chance(repeat)) {
    ++counters_.repeated;
    tell("repeat", *packet);
    auto copy = std::make_unique<Packet>(*packet);
    copy->reliable = false;
    fly(way, std::move(copy));
  }
  fly(way, std::move(packet));
}

std::optional<DurationNs> Network::delay_of(Direction& way, const Faults& now, size_t size) {
  DurationNs delay = now.latency;
  if (now.jitter > 0) delay += random_.between(0, now.jitter);
  if (now.tail > 0 && random_.chance(now.tail)) delay += random_.exponential(now.tail_mean);
  if (now.reorder > 0 && random_.chance(now.reorder)) delay += random_.between(0, now.reorder_delay);
  if (now.bytes_per_second > 0) {
    TimeNs begin = std::max(way.busy_until, events_.now());
    if (begin - events_.now() > kQueueMax) return std::nullopt;
    way.busy_until = begin + static_cast<DurationNs>(size * uint64_t{kSecond} / now.bytes_per_second);
    delay += way.busy_until - events_.now();
  }
  return delay;
}

void Network::fly(Direction& way, std::unique_ptr<Packet> packet) {
  std::optional<DurationNs> delay = delay_of(way, way.faults ? *way.faults : faults, packet->size);
  if (!delay) return lose(std::move(packet));
  events_.after(*delay,
                [this, &way, packet = std::move(packet)]() mutable { arrive(way, std::move(packet)); });
}

void Network::arrive(Direction& way, std::unique_ptr<Packet> packet) {
  Port& port = ports_[packet->to];
  bool cut = way.cut && !ASPEN_MUTANT("lab-net-cut-leaks");
  if (cut || port.receiver == nullptr || port.host->dead()) return lose(std::move(packet));
  port.host->deliver([arrival = Arrival(this, std::move(packet), port.incarnation)]() mutable {
    arrival.network->land(arrival);
  });
}

void Network::land(Arrival& arrival) {
  Port& port = ports_[arrival.packet->to];
  // The address may have changed hands while the host was paused.
  if (port.incarnation != arrival.incarnation || port.receiver == nullptr) return;
  if (!port.receiver->arrive(*arrival.packet)) return;
  ++counters_.delivered;
  tell("deliver", *arrival.packet);
  arrival.packet.reset();
}

void Network::lose(std::unique_ptr<Packet> packet) {
  ++counters_.lost;
  tell("lose", *packet);
  if (packet->reliable && !ASPEN_MUTANT("lab-net-loss-is-final")) send_again(std::move(packet));
}

void Network::send_again(std::unique_ptr<Packet> packet) {
  DurationNs wait = std::min(packet->rto << std::min(packet->attempts, 20u), kBackoffMax);
  ++packet->attempts;
  events_.after(wait, [this, packet = std::move(packet)]() mutable {
    if (!alive(*packet)) return;
    // A process that stands still sends nothing again.
    if (ports_[packet->from].host->paused()) return send_again(std::move(packet));
    transmit(std::move(packet));
  });
}

}  // namespace aspen::lab

// A network in memory for tests: packets between simulated sockets are delayed, lost, repeated and
// reordered by a seeded generator, over virtual time. One executor runs everything, so a seed replays.
//
//   VirtualEnv env; rt::Executor executor(env); SimulatedNetwork network(executor, seed);
//   auto endpoint = Endpoint::open(executor, options, network.open("10.0.0.1:1"));
//   run_until(executor, env, [&] { return done; }, 10 * kSecond);
//
// Thread safety: none.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "core/net/datagram_socket.h"
#include "core/rt/executor.h"

namespace aspen::net {

// A clock that stands until it is moved, and randomness from a seed.
class VirtualEnv final : public rt::Env {
 public:
  explicit VirtualEnv(uint64_t seed) : generator_(seed) {}
  TimeNs now() override { return now_; }
  WallNs wall_now() override { return kEpoch + now_; }
  void random(void* out, size_t size) override {
    auto* bytes = static_cast<uint8_t*>(out);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(generator_());
  }
  void advance_to(TimeNs time) { now_ = std::max(now_, time); }

 private:
  static constexpr WallNs kEpoch = 1'700'000'000 * kSecond;
  TimeNs now_ = kSecond;
  std::mt19937_64 generator_;
};

class SimulatedNetwork {
 public:
  struct Faults {
    double loss = 0;
    double repeat = 0;
    DurationNs delay_min = 50 * kMicrosecond;
    DurationNs delay_max = 50 * kMicrosecond;  // a spread reorders
  };

  SimulatedNetwork(rt::Executor& executor, uint64_t seed) : executor_(executor), generator_(seed) {}

  std::unique_ptr<DatagramSocket> open(std::string_view address) {
    auto socket = std::make_unique<Socket>(*this, *Address::parse(address));
    sockets_[socket->local_address().to_string()] = socket.get();
    return socket;
  }

  Faults faults;
  // Packets `from` one address `to` another that this refuses vanish.
  std::function<bool(const Address& from, const Address& to)> connected;
  // Sees, and may change, every packet on its way.
  std::function<void(const Address& from, const Address& to, Bytes& packet)> tap;
  uint64_t sent = 0;
  uint64_t lost = 0;

  // A packet from nowhere.
  void inject(const Address& from, const Address& to, Bytes packet) {
    transmit(from, to, std::move(packet), faults.delay_min);
  }

 private:
  class Socket final : public DatagramSocket {
   public:
    Socket(SimulatedNetwork& network, Address local) : network_(network), local_(local) {}
    ~Socket() override { network_.sockets_.erase(local_.to_string()); }
    Address local_address() const override { return local_; }
    bool reaches(const Address&) const override { return true; }
    void set_callbacks(std::function<void()> readable, std::function<void()>) override {
      readable_ = std::move(readable);
    }
    uint8_t* reserve() override { return room_; }
    void commit(size_t size, const Address& to) override {
      network_.send(local_, to, Bytes(as_bytes(room_, size)));
    }
    void flush() override {}
    bool blocked() const override { return false; }
    void receive(const Receive& packet) override { packet(from_, arrived_); }

    void arrive(const Address& from, BytesView packet) {
      from_ = from;
      arrived_ = packet;
      if (readable_) readable_();
    }

   private:
    SimulatedNetwork& network_;
    Address local_;
    Address from_;
    BytesView arrived_;
    std::function<void()> readable_;
    uint8_t room_[kPacketBytesMax];
  };

  struct Flight {
    Flight(SimulatedNetwork& network, uint64_t id)
        : timer(network.executor_, [&network, id] { network.land(id); }) {}
    Address from, to;
    Bytes packet;
    rt::Timer timer;
  };

  double chance() { return std::uniform_real_distribution<double>(0, 1)(generator_); }

  void send(const Address& from, const Address& to, Bytes packet) {
    ++sent;
    if (tap) tap(from, to, packet);
    if ((connected && !connected(from, to)) || chance() < faults.loss) {
      ++lost;
      return;
    }
    int copies = chance() < faults.repeat ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      std::uniform_int_distribution<DurationNs> delay(faults.delay_min, faults.delay_max);
      transmit(from, to, packet, delay(generator_));
    }
  }

  void transmit(const Address& from, const Address& to, Bytes packet, DurationNs delay) {
    uint64_t id = next_++;
    auto& flight = flights_[id] = std::make_unique<Flight>(*this, id);
    flight->from = from;
    flight->to = to;
    flight->packet = std::move(packet);
    flight->timer.arm(executor_.env().now() + delay);
  }

  void land(uint64_t id) {
    std::unique_ptr<Flight> flight = std::move(flights_[id]);
    flights_.erase(id);
    landed_.push_back(std::move(flight));  // its timer runs this very function
    Flight& arrived = *landed_.back();
    auto found = sockets_.find(arrived.to.to_string());
    if (found != sockets_.end()) found->second->arrive(arrived.from, arrived.packet);
    if (landed_.size() > 1) landed_.erase(landed_.begin());
  }

  rt::Executor& executor_;
  std::mt19937_64 generator_;
  std::map<std::string, Socket*> sockets_;
  std::map<uint64_t, std::unique_ptr<Flight>> flights_;
  std::vector<std::unique_ptr<Flight>> landed_;
  uint64_t next_ = 0;
};

// Turns and moves the clock from timer to timer until `done` or until `limit` has passed.
inline bool run_until(rt::Executor& executor, VirtualEnv& env, const std::function<bool()>& done,
                      DurationNs limit) {
  TimeNs end = env.now() + limit;
  for (;;) {
    while (executor.turn()) {
      if (done()) return true;
    }
    if (done()) return true;
    TimeNs next = executor.next_timer();
    if (next > end) {
      env.advance_to(end);
      return done();
    }
    env.advance_to(next);
  }
}

}  // namespace aspen::net

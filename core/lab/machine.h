// A simulated machine and the node on it: the real engine over a simulated disk and network.
//
//   Machine machine(world, 1, "10.0.0.1:1");
//   machine.start({.mode = node::Mode::found, .listen = machine.address()});
//   world.run_until([&] { return machine.engine() != nullptr; }, 10 * kSecond);
//   machine.crash(DiskCrash::power_cut);      // the disk keeps what was synced
//   machine.start(...);
//
// Each start is an incarnation with a host and an engine of its own; the disk stays. A crash ends the
// incarnation at once for the world; its engine is closed as a ghost (host.h), and has to close cleanly even
// though everything it tries fails.
//
// States: off -> opening -> serving -> closing -> off; opening -> off when the open failed; a crash from any
// leads to off. Pausing is a state of the host beside these.
//
// Thread safety: none.
#pragma once

#include <memory>
#include <string>

#include "core/lab/disk.h"
#include "core/lab/host.h"
#include "core/lab/world.h"
#include "core/node/engine.h"

namespace aspen::lab {

class Machine {
 public:
  enum class State : uint8_t { off, opening, serving, closing };
  // What carries its connections.
  enum class Transport : uint8_t { simulated, quic };

  Machine(World& world, uint64_t index, std::string address, Transport transport = Transport::simulated);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // The options' directory is the machine's. Requires: off.
  void start(node::NodeOptions options);
  // In order, as a process that was asked to end. Requires: opening or serving, and not paused.
  void stop();
  // Requires: not off.
  void crash(DiskCrash kind);
  void pause() { host()->pause(); }
  void resume() { host()->resume(); }
  // The stores are lost, who the node is is not. Requires: off.
  void wipe();

  uint64_t index() const { return index_; }
  const std::string& address() const { return address_; }
  State state() const;
  bool paused() const;
  // Why the last open failed.
  const std::optional<Error>& failure() const { return failure_; }
  // Null unless serving.
  node::Engine* engine();
  // The member's replica as soon as it is open, for oracles; null on a client.
  node::Replica* replica();
  // Null when off.
  Host* host();
  Disk& disk() { return disk_; }
  // What its close waits for.
  std::string pending() const;
  // Counts starts; what was begun on another incarnation has been lost.
  uint64_t incarnation() const { return incarnations_; }

  // After each turn of the engine's.
  std::function<void()> after_turn;
  // Where a task of the engine's is suspended (kernel_oracles.h).
  std::function<void(const rt::TaskBase&)> task_suspended;

 private:
  class Incarnation;

  World& world_;
  uint64_t index_;
  std::string address_;
  Transport transport_;
  Disk disk_;
  uint64_t incarnations_ = 0;
  std::optional<Error> failure_;
  std::unique_ptr<Incarnation> incarnation_;
};

}  // namespace aspen::lab

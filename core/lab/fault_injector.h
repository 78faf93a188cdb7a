// What goes wrong in a run, and when: draws faults from a set and lets them happen to a cluster, one after
// the other and on top of each other, until it is stopped.
//
//   FaultInjector injector(world, cluster, *parse_faults("partition,power-cut"));
//   injector.start();  world.run_for(...);  injector.stop();  cluster.settle();
//
// Each run leaves out some kinds of the set and draws how often the others happen (swarm testing, Groce et
// al. 2012): faults hide each other's effects, and a run with few kinds sees what a run with all never does.
//
// Every kind has a generator and a schedule of its own, so that a set without one of them gives the others
// the same plan, and the same run when that kind was left out: this is what lets a failing run be shrunk.
//
// Thread safety: none.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/lab/cluster.h"

namespace aspen::lab {

enum class Fault : uint8_t {
  partition,   // the nodes fall into two groups
  one_way,     // one hears another no more
  loss,        // of packets, between all
  latency,     // long and uneven
  bandwidth,   // little
  repeat,      // of datagrams and handshakes
  reorder,     // of packets
  reset,       // of the connections between two
  pause,       // of a process
  crash,       // of a process
  power_cut,   // of a machine: what was not synced is lost or torn
  torn_write,  // power goes in the midst of a write
  wipe,        // a member loses its stores
  drift,       // of a monotonic clock
  wall_jump,   // of a wall clock
  slow_disk,   // and stalls
  failed_write,
  failed_sync,  // after which nobody knows what is durable
  full_disk,
  bit_flip,  // in what was durable
  buggify,   // the engine takes rare paths
  cancel,    // clients change their minds
};
inline constexpr uint32_t kDriftPpmMax = 20'000;  // of Fault::drift, either way

inline constexpr size_t kFaultCount = static_cast<size_t>(Fault::cancel) + 1;

const char* name(Fault fault);

class FaultSet {
 public:
  static FaultSet all();
  static FaultSet none() { return {}; }
  bool has(Fault fault) const { return bits_ >> static_cast<unsigned>(fault) & 1; }
  FaultSet& add(Fault fault);
  FaultSet& remove(Fault fault);
  FaultSet operator&(FaultSet other) const;
  bool empty() const { return bits_ == 0; }
  std::vector<Fault> list() const;
  // As parse_faults() reads it.
  std::string to_string() const;

 private:
  uint32_t bits_ = 0;
};

// "all", "none", or names with commas between. Errors: INVALID_ARGUMENT naming the fault and the known ones.
Result<FaultSet> parse_faults(std::string_view text);

class FaultInjector {
 public:
  FaultInjector(World& world, Cluster& cluster, FaultSet allowed);

  void start();
  // No new faults; those that last end with Cluster::settle().
  void stop() { running_ = false; }
  // The kinds this run has.
  const FaultSet& chosen() const { return chosen_; }
  uint64_t count() const { return count_; }

 private:
  Random& random_of(Fault fault) { return randoms_[static_cast<size_t>(fault)]; }
  void schedule(Fault fault);
  void inject(Fault fault);
  bool inject_network(Fault fault, Random& random);
  bool inject_node(Fault fault, Random& random);
  bool inject_disk(Fault fault, Random& random);
  // Undoes something later; not at all once the injector is stopped, which heals everything.
  void later(Random& random, std::function<void()> undo);
  size_t any_member(Random& random) { return random.below(cluster_.size()); }
  std::string any_address(Random& random);
  void base_network(Random& random);

  World& world_;
  Cluster& cluster_;
  Random random_;                // of what all kinds share
  std::vector<Random> randoms_;  // by kind
  FaultSet chosen_;
  DurationNs interval_mean_;  // of each kind
  DurationNs lasts_mean_;
  bool running_ = false;
  uint64_t count_ = 0;
};

}  // namespace aspen::lab

#include "core/lab/fault_injector.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/assert.h"

namespace aspen::lab {
namespace {

constexpr std::array<const char*, kFaultCount> kNames = {
    "partition",    "one-way",     "loss",      "latency",    "bandwidth", "repeat", "reorder",   "reset",
    "pause",        "crash",       "power-cut", "torn-write", "wipe",      "drift",  "wall-jump", "slow-disk",
    "failed-write", "failed-sync", "full-disk", "bit-flip",   "buggify",   "cancel"};

constexpr double kSwarmKeeps = 0.6;
constexpr DurationNs kWallJumpMax = 3600 * kSecond;

}  // namespace

const char* name(Fault fault) {
  return kNames[static_cast<size_t>(fault)];
}

FaultSet FaultSet::all() {
  FaultSet set;
  set.bits_ = (1u << kFaultCount) - 1;
  return set;
}

FaultSet& FaultSet::add(Fault fault) {
  bits_ |= 1u << static_cast<unsigned>(fault);
  return *this;
}

FaultSet& FaultSet::remove(Fault fault) {
  bits_ &= ~(1u << static_cast<unsigned>(fault));
  return *this;
}

FaultSet FaultSet::operator&(FaultSet other) const {
  FaultSet set;
  set.bits_ = bits_ & other.bits_;
  return set;
}

std::vector<Fault> FaultSet::list() const {
  std::vector<Fault> faults;
  for (size_t i = 0; i < kFaultCount; ++i) {
    if (has(static_cast<Fault>(i))) faults.push_back(static_cast<Fault>(i));
  }
  return faults;
}

std::string FaultSet::to_string() const {
  if (empty()) return "none";
  if (bits_ == all().bits_) return "all";
  std::vector<const char*> names;
  for (Fault fault : list()) names.push_back(name(fault));
  return fmt::format("{}", fmt::join(names, ","));
}

Result<FaultSet> parse_faults(std::string_view text) {
  if (text == "all") return FaultSet::all();
  FaultSet set;
  if (text == "none") return set;
  while (!text.empty()) {
    size_t comma = std::min(text.find(','), text.size());
    std::string_view word = text.substr(0, comma);
    auto found = std::find(kNames.begin(), kNames.end(), word);
    if (found == kNames.end()) {
      return fail(Code::INVALID_ARGUMENT, "there is no fault '{}'; there are: all, none, {}", word,
                  fmt::join(kNames, ", "));
    }
    set.add(static_cast<Fault>(found - kNames.begin()));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return set;
}

FaultInjector::FaultInjector(World& world, Cluster& cluster, FaultSet allowed)
    : world_(world), cluster_(cluster), random_(world.random("faults")) {
  constexpr DurationNs kIntervals[] = {1200 * kMillisecond, 3500 * kMillisecond, 10 * kSecond};
  interval_mean_ = kIntervals[random_.below(std::size(kIntervals))];
  lasts_mean_ = random_.between(200, 3000) * kMillisecond;
  cluster.repair_mean = random_.between(50, 3000) * kMillisecond;
  for (Fault fault : FaultSet::all().list()) {
    randoms_.push_back(world.random("fault", static_cast<uint64_t>(fault)));
    bool kept = randoms_.back().chance(kSwarmKeeps);
    if (kept && allowed.has(fault)) chosen_.add(fault);
  }
  if (chosen_.empty()) chosen_ = allowed;
  if (chosen_.has(Fault::buggify)) world.set_buggify(0.3, 0.05);
}

void FaultInjector::start() {
  running_ = true;
  base_network(random_);
  for (Fault fault : chosen_.list()) schedule(fault);
}

// Links differ from run to run even when nothing happens to them.
void FaultInjector::base_network(Random& random) {
  Faults& faults = world_.network().faults;
  faults = {};
  faults.latency = random.between(50, 2000) * kMicrosecond;
  faults.jitter = random.between(0, 500) * kMicrosecond;
}

void FaultInjector::schedule(Fault fault) {
  world_.events().after(random_of(fault).exponential(interval_mean_), [this, fault] {
    if (!running_) return;
    inject(fault);
    schedule(fault);
  });
}

void FaultInjector::inject(Fault fault) {
  Random& random = random_of(fault);
  if (!inject_network(fault, random) && !inject_node(fault, random) && !inject_disk(fault, random)) return;
  ++count_;
  world_.note(0, "fault", "{}", name(fault));
}

void FaultInjector::later(Random& random, std::function<void()> undo) {
  world_.events().after(random.exponential(lasts_mean_), [this, undo = std::move(undo)] {
    if (running_) undo();
  });
}

std::string FaultInjector::any_address(Random& random) {
  size_t place = random.below(cluster_.size() + cluster_.client_machines().size());
  if (place < cluster_.size()) return cluster_.member(place).address();
  return cluster_.client_machines()[place - cluster_.size()]->address();
}

bool FaultInjector::inject_network(Fault fault, Random& random) {
  Network& network = world_.network();
  switch (fault) {
    case Fault::partition: {
      std::vector<std::string> sides[2];
      for (size_t i = 0; i < cluster_.size(); ++i) {
        sides[random.below(2)].push_back(cluster_.member(i).address());
      }
      for (auto& machine : cluster_.client_machines()) sides[random.below(2)].push_back(machine->address());
      network.partition(sides[0], sides[1]);
      later(random, [&network] { network.heal(); });
      return true;
    }
    case Fault::one_way: {
      std::string from = any_address(random);
      std::string to = any_address(random);
      if (from == to) return false;
      network.cut(from, to);
      later(random, [&network, from, to] { network.heal(from, to); });
      return true;
    }
    case Fault::loss:
      network.faults.loss = random.unit() * 0.3;
      break;
    case Fault::latency:
      network.faults.latency = random.between(1, 100) * kMillisecond;
      network.faults.jitter = random.between(0, 50) * kMillisecond;
      network.faults.tail = 0.05;
      network.faults.tail_mean = random.between(1, 200) * kMillisecond;
      break;
    case Fault::bandwidth:
      network.faults.bytes_per_second = static_cast<uint64_t>(random.between(20'000, 1'000'000));
      break;
    case Fault::repeat:
      network.faults.repeat = random.unit() * 0.5;
      break;
    case Fault::reorder:
      network.faults.reorder = random.unit() * 0.5;
      break;
    case Fault::reset: {
      std::string a = any_address(random);
      std::string b = any_address(random);
      if (a == b) return false;
      random.chance(0.5) ? network.reset(a, b) : network.reset_end(a, b);
      return true;
    }
    default:
      return false;
  }
  later(random, [this, fault] { base_network(random_of(fault)); });
  return true;
}

bool FaultInjector::inject_node(Fault fault, Random& random) {
  size_t i = any_member(random);
  Machine& machine = cluster_.member(i);
  if (machine.state() == Machine::State::off) return false;
  switch (fault) {
    case Fault::pause:
      if (machine.paused()) return false;
      machine.pause();
      later(random, [&machine, incarnation = machine.incarnation()] {
        if (machine.incarnation() == incarnation && machine.paused()) machine.resume();
      });
      return true;
    case Fault::crash:
      cluster_.crash(i, DiskCrash::process_kill);
      return true;
    case Fault::power_cut:
      cluster_.crash(i, DiskCrash::power_cut);
      return true;
    case Fault::wipe:
      return cluster_.lose_data(i);
    case Fault::drift:
      machine.host()->set_drift(random.between(-int64_t{kDriftPpmMax}, kDriftPpmMax));
      return true;
    case Fault::wall_jump:
      machine.host()->jump_wall(random.between(-kWallJumpMax, kWallJumpMax));
      return true;
    default:
      return false;
  }
}

bool FaultInjector::inject_disk(Fault fault, Random& random) {
  size_t i = any_member(random);
  Machine& machine = cluster_.member(i);
  Disk& disk = machine.disk();
  DiskFaults faults = disk.faults();
  switch (fault) {
    case Fault::torn_write:
      if (!disk.mounted()) return false;
      disk.crash_within(1 + random.below(20));
      return true;
    case Fault::slow_disk:
      faults.slowness = 1 + random.unit() * 50;
      faults.stall = 0.01;
      break;
    case Fault::failed_write:
      faults.write_fails = 0.1;
      break;
    case Fault::failed_sync:
      faults.sync_fails = 0.1;
      break;
    case Fault::full_disk:
      faults.bytes_max = disk.bytes_used();
      break;
    case Fault::bit_flip: {
      if (!cluster_.endanger(i)) return false;
      auto where = disk.flip_bit(random.chance(0.5) ? "node/journal" : "node/state");
      if (where) world_.note(machine.index(), "flip", "{}", *where);
      // What the member does not find by itself in a while, the operator will.
      world_.events().after(random.exponential(lasts_mean_), [&cluster = cluster_, i] {
        if (cluster.doubtful(i)) (void)cluster.lose_data(i);
      });
      return true;
    }
    default:
      return false;
  }
  disk.set_faults(faults);
  later(random, [&disk] { disk.set_faults({}); });
  return true;
}

}  // namespace aspen::lab

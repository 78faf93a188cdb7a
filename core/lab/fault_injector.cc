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
  constexpr DurationNs kIntervals[] = {150 * kMillisecond, 500 * kMillisecond, 1500 * kMillisecond};
  interval_mean_ = kIntervals[random_.below(std::size(kIntervals))];
  lasts_mean_ = random_.between(200, 3000) * kMillisecond;
  cluster.repair_mean = random_.between(50, 3000) * kMillisecond;
  for (Fault fault : allowed.list()) {
    if (allowed.list().size() == 1 || random_.chance(kSwarmKeeps)) chosen_.add(fault);
  }
  if (chosen_.has(Fault::buggify)) world.set_buggify(0.3, 0.05);
}

void FaultInjector::start() {
  running_ = true;
  base_network();
  world_.events().after(random_.exponential(interval_mean_), [this] { next(); });
}

// Links differ from run to run even when nothing happens to them.
void FaultInjector::base_network() {
  Faults& faults = world_.network().faults;
  faults = {};
  faults.latency = random_.between(50, 2000) * kMicrosecond;
  faults.jitter = random_.between(0, 500) * kMicrosecond;
}

void FaultInjector::next() {
  if (!running_) return;
  std::vector<Fault> faults = chosen_.list();
  if (!faults.empty()) inject(faults[random_.below(faults.size())]);
  world_.events().after(random_.exponential(interval_mean_), [this] { next(); });
}

void FaultInjector::inject(Fault fault) {
  if (!inject_network(fault) && !inject_node(fault) && !inject_disk(fault)) return;
  ++count_;
  world_.note(0, "fault", "{}", name(fault));
}

void FaultInjector::later(std::function<void()> undo) {
  world_.events().after(random_.exponential(lasts_mean_), [this, undo = std::move(undo)] {
    if (running_) undo();
  });
}

std::string FaultInjector::any_address() {
  size_t place = random_.below(cluster_.size() + cluster_.client_machines().size());
  if (place < cluster_.size()) return cluster_.member(place).address();
  return cluster_.client_machines()[place - cluster_.size()]->address();
}

bool FaultInjector::inject_network(Fault fault) {
  Network& network = world_.network();
  switch (fault) {
    case Fault::partition: {
      std::vector<std::string> sides[2];
      for (size_t i = 0; i < cluster_.size(); ++i) {
        sides[random_.below(2)].push_back(cluster_.member(i).address());
      }
      for (auto& machine : cluster_.client_machines()) sides[random_.below(2)].push_back(machine->address());
      network.partition(sides[0], sides[1]);
      later([&network] { network.heal(); });
      return true;
    }
    case Fault::one_way: {
      std::string from = any_address();
      std::string to = any_address();
      if (from == to) return false;
      network.cut(from, to);
      later([&network, from, to] { network.heal(from, to); });
      return true;
    }
    case Fault::loss:
      network.faults.loss = random_.unit() * 0.3;
      break;
    case Fault::latency:
      network.faults.latency = random_.between(1, 100) * kMillisecond;
      network.faults.jitter = random_.between(0, 50) * kMillisecond;
      network.faults.tail = 0.05;
      network.faults.tail_mean = random_.between(1, 200) * kMillisecond;
      break;
    case Fault::bandwidth:
      network.faults.bytes_per_second = static_cast<uint64_t>(random_.between(20'000, 1'000'000));
      break;
    case Fault::repeat:
      network.faults.repeat = random_.unit() * 0.5;
      break;
    case Fault::reorder:
      network.faults.reorder = random_.unit() * 0.5;
      break;
    case Fault::reset: {
      std::string a = any_address();
      std::string b = any_address();
      if (a == b) return false;
      random_.chance(0.5) ? network.reset(a, b) : network.reset_end(a, b);
      return true;
    }
    default:
      return false;
  }
  later([this] { base_network(); });
  return true;
}

bool FaultInjector::inject_node(Fault fault) {
  size_t i = any_member();
  Machine& machine = cluster_.member(i);
  if (machine.state() == Machine::State::off) return false;
  switch (fault) {
    case Fault::pause:
      if (machine.paused()) return false;
      machine.pause();
      later([&machine, incarnation = machine.incarnation()] {
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
      machine.host()->set_drift(random_.between(-int64_t{kDriftPpmMax}, kDriftPpmMax));
      return true;
    case Fault::wall_jump:
      machine.host()->jump_wall(random_.between(-kWallJumpMax, kWallJumpMax));
      return true;
    default:
      return false;
  }
}

bool FaultInjector::inject_disk(Fault fault) {
  size_t i = any_member();
  Machine& machine = cluster_.member(i);
  Disk& disk = machine.disk();
  DiskFaults faults = disk.faults();
  switch (fault) {
    case Fault::torn_write:
      if (!disk.mounted()) return false;
      disk.crash_within(1 + random_.below(20));
      return true;
    case Fault::slow_disk:
      faults.slowness = 1 + random_.unit() * 50;
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
      auto where = disk.flip_bit(random_.chance(0.5) ? "node/journal" : "node/state");
      if (where) world_.note(machine.index(), "flip", "{}", *where);
      // What the member does not find by itself in a while, the operator will.
      world_.events().after(random_.exponential(lasts_mean_), [this, i] { (void)cluster_.lose_data(i); });
      return true;
    }
    default:
      return false;
  }
  disk.set_faults(faults);
  later([&disk] { disk.set_faults({}); });
  return true;
}

}  // namespace aspen::lab

// What all parts of one simulated run share: time, randomness, the network, the trace, the verdict.
//
//   World world({.seed = 7});
//   Machine machine(world, 0, "10.0.0.1:1"); machine.start(options);
//   world.run_until([&] { return machine.engine() != nullptr; }, 10 * kSecond);
//   if (world.violation()) print(world.violation()->detail);
//
// A world is its seed: built twice with the same options it does the same things in the same order, down to
// the hash of its trace. While it lives, the process's other sources of chance (libsodium's, the rare paths
// of ASPEN_BUGGIFY) draw from its seed too, so there is one world at a time.
//
// Thread safety: none.
#pragma once

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>

#include "core/lab/events.h"
#include "core/lab/network.h"
#include "core/lab/random.h"
#include "core/lab/trace.h"

namespace aspen::lab {

struct WorldOptions {
  uint64_t seed = 1;
  Trace::Recording recording = Trace::Recording::off;
  size_t trace_lines_max = kTraceLinesMax;
};

// What an oracle saw. The first one ends the run.
struct Violation {
  std::string oracle;
  std::string detail;
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Events& events() { return events_; }
  Network& network() { return network_; }
  Trace& trace() { return trace_; }
  TimeNs now() const { return events_.now(); }
  uint64_t seed() const { return seed_; }
  // A generator for one purpose, the same whatever the others did.
  Random random(std::string_view purpose, uint64_t index = 0) const { return random_.fork(purpose, index); }

  template <typename... Args>
  void note(uint64_t node, std::string_view kind, fmt::format_string<Args...> format, Args&&... args) {
    trace_.add(now(), node, kind, fmt::format(format, std::forward<Args>(args)...));
  }
  // Keeps the first.
  void violate(std::string_view oracle, std::string detail);
  const std::optional<Violation>& violation() const { return violation_; }

  // Until the time is over, or an oracle has seen a violation.
  void run_for(DurationNs duration);
  // True when `done`; false when `limit` has passed or something was violated.
  bool run_until(const std::function<bool()>& done, DurationNs limit);

  // ASPEN_BUGGIFY sites are enabled one by one, each for a whole run with this chance; an enabled site fires
  // with `fires`. 0, the default: none.
  void set_buggify(double enabled, double fires);
  // How often each site fired that was reached.
  const std::map<std::string, uint64_t>& buggified() const { return buggified_; }

 private:
  static bool buggify(const char* site);

  uint64_t seed_;
  Random random_;
  Random buggify_random_;
  Random sodium_random_;
  double buggify_enabled_ = 0;
  double buggify_fires_ = 0;
  std::map<std::string, bool, std::less<>> sites_;
  std::map<std::string, uint64_t> buggified_;
  Events events_;
  Trace trace_;
  Network network_;
  std::optional<Violation> violation_;
};

}  // namespace aspen::lab

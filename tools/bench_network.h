// What the `aspen bench` commands share: the network that they measure, and how they tell of it.
//
// Thread safety: none.
#pragma once

#include <optional>
#include <string>

#include "tools/histogram.h"
#include "tools/local_cluster.h"
#include "tools/output.h"
#include "tools/program.h"

namespace aspen::tools {

// Which network: so many processes that are started for it, or that of the ticket.
struct BenchTarget {
  size_t nodes = 0;
  std::string dir;  // of the processes
};

// --seconds and --warm-up.
void add_bench_times(CLI::App* command, double& seconds, double& warm_up_seconds);
// --nodes, --dir, and the options of add_network.
void add_bench_target(Program& program, CLI::App* command, BenchTarget& target);

struct BenchNetwork {
  static Result<BenchNetwork> open(const Common& common, const BenchTarget& target, Signals& signals);

  std::optional<LocalCluster> cluster;  // none: the network runs on
  Node node;                            // a client
  size_t nodes = 0;
  bool durable = true;
};

// A line on stderr about once a second while a load runs, and its end.
void show_progress(uint64_t ops, double seconds_left);
void end_progress();

// A prefix that no other run has.
std::string unique_prefix();

// "ops_per_s" and percentiles, added to a document.
void add_rates(Json& document, const Histogram& latency, double seconds);
// The same as a table.
void print_rates(const char* what, const Histogram& latency, double seconds);

}  // namespace aspen::tools

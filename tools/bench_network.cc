#include "tools/bench_network.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace aspen::tools {
namespace {

constexpr size_t kNodesMax = 16;

Result<size_t> member_count(const Node& node, const Deadline& deadline) {
  TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
              return aspen_node_status(node.get(), deadline.left_ns(), nullptr, 0, out);
            }));
  const Json document = Json::parse(aspen_op_text(op.get()), nullptr, false);
  if (!document.is_object()) return fail(ASPEN_INTERNAL, "the library's answer is not JSON");
  return document.value("members", Json::array()).size();
}

double ops_per_s(const Histogram& latency, double seconds) {
  return static_cast<double>(latency.count()) / seconds;
}

double percentile_us(const Histogram& latency, double fraction) {
  return std::round(static_cast<double>(latency.percentile_ns(fraction)) / 100) / 10;
}

}  // namespace

void add_bench_times(CLI::App* command, double& seconds, double& warm_up_seconds) {
  command->add_option("--seconds", seconds, "how long to measure (10)")
      ->option_text("S")
      ->check(CLI::Range(0.1, 86'400.0));
  command->add_option("--warm-up", warm_up_seconds, "the same load before, not counted (1)")
      ->option_text("S")
      ->check(CLI::Range(0.0, 3'600.0));
}

void add_bench_target(Program& program, CLI::App* command, BenchTarget& target) {
  command->add_option("--nodes", target.nodes, "start so many node processes to measure")
      ->option_text("N")
      ->check(CLI::Range(size_t{1}, kNodesMax));
  command->add_option("--dir", target.dir, "under which they keep their data; else $TMPDIR or /tmp")
      ->option_text("DIR")
      ->check(CLI::ExistingDirectory);
  program.add_network(command);
}

Result<BenchNetwork> BenchNetwork::open(const Common& common, const BenchTarget& target, Signals& signals) {
  if (target.nodes > 0 && !common.ticket.empty()) {
    return fail_hint(kUsage, "--nodes starts a network and --ticket names a running one",
                     "give one of the two");
  }
  if (target.nodes == 0 && !ticket_of(common)) {
    return fail_hint(kUsage, "nothing to measure",
                     "--nodes 3 starts a network for it; --ticket or $ASPEN_TICKET names a running one");
  }
  BenchNetwork network;
  Common reached = common;
  if (target.nodes > 0) {
    fmt::print(stderr, "starting {} {}\n", target.nodes, target.nodes == 1 ? "node" : "nodes");
    TOOLS_TRY(LocalCluster started, LocalCluster::start(target.nodes, target.dir, signals));
    network.cluster.emplace(std::move(started));
    reached.ticket = network.cluster->ticket();
    network.durable = network.cluster->durable();
    if (!network.durable) {
      fmt::print(stderr, "warning: the data is in memory; --dir chooses a directory on a disk\n");
    }
  }
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(network.node, open_client(reached, deadline));
  TOOLS_TRY(network.nodes, member_count(network.node, deadline));
  return network;
}

void show_progress(uint64_t ops, double seconds_left) {
  const std::string line =
      fmt::format("{:>8} ops in the last second, {:.0f} s left", ops, std::max(0.0, seconds_left));
  // On a terminal the line stays where it is; in a log every line stays.
  const bool stays = is_terminal(stderr);
  fmt::print(stderr, "{}{}{}", stays ? "\r" : "", line, stays ? "\x1b[K" : "\n");
  std::fflush(stderr);
}

void end_progress() {
  if (is_terminal(stderr)) fmt::print(stderr, "\r\x1b[K");
}

std::string unique_prefix() {
  return fmt::format("bench/{:x}/", monotonic_ns());
}

void add_rates(Json& document, const Histogram& latency, double seconds) {
  document["seconds"] = seconds;
  document["ops_per_s"] = std::round(ops_per_s(latency, seconds) * 10) / 10;
  document["p50_us"] = percentile_us(latency, 0.5);
  document["p99_us"] = percentile_us(latency, 0.99);
  document["p999_us"] = percentile_us(latency, 0.999);
}

void print_rates(const char* what, const Histogram& latency, double seconds) {
  Table table({what, "SECONDS", fmt::format("{}/S", what), "P50 US", "P99 US", "P99.9 US"});
  table.add({std::to_string(latency.count()), fmt::format("{:.1f}", seconds),
             fmt::format("{:.0f}", ops_per_s(latency, seconds)),
             fmt::format("{:.1f}", percentile_us(latency, 0.5)),
             fmt::format("{:.1f}", percentile_us(latency, 0.99)),
             fmt::format("{:.1f}", percentile_us(latency, 0.999))});
  table.print(stdout);
}

}  // namespace aspen::tools

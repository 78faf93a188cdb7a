// aspen bench watch: how fast what changes is told to many watches.
#include "tools/bench_network.h"
#include "tools/watch_load.h"

namespace aspen::tools {
namespace {

constexpr const char* kExamples =
    R"(So many watches of one prefix, all of one client over one connection, and C writers: each puts, and puts
again when its put is acknowledged and every watch has told it. An operation is one put told by one watch,
and takes from when the put began. With --unpaced a writer waits for the acknowledgement alone: watches may
fall behind then, more the longer it takes. The network that is measured is as with `aspen bench kv`.

Examples:
  aspen bench watch --nodes 3 --watchers 100 --seconds 10 -o json
  aspen bench watch --nodes 3 --watchers 1000 --clients 16 --unpaced    as many as it can
  aspen bench watch --ticket @cluster.ticket                  the delay of one watch)";

struct WatchArguments {
  WatchLoadOptions load;
  BenchTarget target;
};

void print_result(const Common& common, const WatchLoadOptions& load, const BenchNetwork& network,
                  const WatchLoadResult& result) {
  if (common.format == Format::JSON) {
    Json document = {{"bench", "watch"},
                     {"nodes", network.nodes},
                     {"watchers", load.watchers},
                     {"clients", load.writers},
                     {"value_bytes", load.value_bytes},
                     {"unpaced", load.unpaced},
                     {"durable", network.durable},
                     {"encrypted", true},
                     {"ops", result.delay.count()},
                     {"ops_all", result.events_all}};
    add_rates(document, result.delay, result.seconds);
    return print_json(document);
  }
  fmt::print("puts of {} B told by {} watches, {} nodes, {} clients, {}, encrypted\n\n", load.value_bytes,
             load.watchers, network.nodes, load.writers,
             network.durable ? "durable on a majority" : "NOT durable: data in memory");
  print_rates("EVENTS", result.delay, result.seconds);
}

Result<int> bench(const Common& common, const WatchArguments& arguments) {
  Signals signals;
  TOOLS_TRY(const BenchNetwork network, BenchNetwork::open(common, arguments.target, signals));
  WatchLoadOptions options = arguments.load;
  options.prefix = unique_prefix();
  WatchLoad load(network.node.get(), options, signals);
  Result<WatchLoadResult> result = load.run(show_progress);
  end_progress();
  if (!network.cluster) {
    if (Result<> removed = load.remove(); !removed && result) return std::unexpected(removed.error());
  }
  TOOLS_TRY(const WatchLoadResult measured, std::move(result));
  print_result(common, options, network, measured);
  return kExitOk;
}

}  // namespace

void add_bench_watch(Program& program, CLI::App* bench_group) {
  auto arguments = std::make_shared<WatchArguments>();
  CLI::App* command = program.command(bench_group, "watch", "measure what watches tell", kExamples,
                                      [&program, arguments] { return bench(program.common(), *arguments); });
  WatchLoadOptions& load = arguments->load;
  command->add_option("--watchers", load.watchers, "watches of the same prefix (1)")
      ->option_text("N")
      ->check(CLI::Range(size_t{1}, static_cast<size_t>(aspen_limit_get(ASPEN_LIMIT_WATCHES))));
  command->add_option("--clients", load.writers, "writers, each with one put outstanding (1)")
      ->option_text("C")
      ->check(CLI::Range(size_t{1}, static_cast<size_t>(aspen_limit_get(ASPEN_LIMIT_OPS_IN_FLIGHT))));
  add_bench_times(command, load.seconds, load.warm_up_seconds);
  command
      ->add_option("--value-bytes", load.value_bytes, "size of a value, of which 16 are the load's own (256)")
      ->option_text("B")
      ->check(CLI::Range(kStampBytes, static_cast<size_t>(aspen_limit_get(ASPEN_LIMIT_VALUE_BYTES))));
  command->add_flag("--unpaced", load.unpaced, "writers do not wait until their puts are told")
      ->option_text(" ");
  command->add_option("--op-timeout", load.op_timeout_seconds, "of each put, told too (10)")
      ->option_text("S")
      ->check(CLI::Range(0.001, 3'600.0));
  add_bench_target(program, command, arguments->target);
}

}  // namespace aspen::tools

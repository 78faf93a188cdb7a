// aspen bench kv: how many reads and writes a network does, and how long one takes.
#include <algorithm>
#include <cmath>

#include "tools/bench_network.h"
#include "tools/kv_load.h"

namespace aspen::tools {
namespace {

constexpr const char* kGroupFooter = R"(Examples:
  aspen bench kv --nodes 3 --clients 64                 puts
  aspen bench kv --nodes 3 --clients 64 --read-ratio 1  gets
  aspen bench watch --nodes 3 --watchers 100            puts, and 100 watches that tell them)";

constexpr const char* kExamples =
    R"(Closed loop: each client has one request outstanding, and sends the next when it is answered. Puts are
acknowledged when they are on the disks of a majority, gets are linearizable, all traffic is encrypted.
A transaction puts two keys if the first is there, and a range is of 1,000 keys.
With --nodes, that many `aspen node` processes are started on loopback in a temporary directory (--dir says
under which, and so on which disk) and ended afterwards. With a ticket, a running network is measured; the
keys, all under bench/, are deleted at the end. With --prefix they stay for the next run with the same one,
and only --fill puts them there.

Examples:
  aspen bench kv --nodes 3 --clients 64 --seconds 10 --value-bytes 256 --read-ratio 0 -o json
  aspen bench kv --nodes 3 --clients 1                  the latency of one writer
  aspen bench kv --nodes 3 --read-ratio 0.95            mostly reads
  aspen bench kv --ticket @cluster.ticket --clients 256
  aspen bench kv --nodes 3 --work txn --clients 16      transactions)";

constexpr size_t kKeysMax = 50'000'000;

struct BenchArguments {
  KvLoadOptions load;
  bool fill = false;  // also when it is not a must
  BenchTarget target;
};

struct Measured {
  KvLoadResult load;
  size_t nodes = 0;
  bool durable = true;
};

Result<Measured> measure(const Common& common, const BenchArguments& arguments) {
  Signals signals;
  TOOLS_TRY(const BenchNetwork network, BenchNetwork::open(common, arguments.target, signals));
  Measured measured{.nodes = network.nodes, .durable = network.durable};
  KvLoadOptions options = arguments.load;
  const bool stays = !options.prefix.empty();
  options.prefix = stays ? fmt::format("bench/{}/", options.prefix) : unique_prefix();
  KvLoad load(network.node.get(), options, signals);
  const bool expects_keys = options.read_ratio > 0 || options.work != KvWork::KV;
  if (arguments.fill || (expects_keys && !stays)) TOOLS_CHECK(load.fill());
  Result<KvLoadResult> result = load.run(show_progress);
  end_progress();
  if (!network.cluster && !stays) {
    if (Result<> removed = load.remove(); !removed && result) return std::unexpected(removed.error());
  }
  TOOLS_TRY(measured.load, std::move(result));
  return measured;
}

const std::vector<std::pair<std::string, KvWork>> kWorks = {
    {"kv", KvWork::KV}, {"txn", KvWork::TXN}, {"range", KvWork::RANGE}};

std::string work_name(KvWork work) {
  return std::ranges::find(kWorks, work, &std::pair<std::string, KvWork>::second)->first;
}

std::string describe(const KvLoadOptions& load) {
  const char* reads = load.stale ? "stale" : "linearizable";
  if (load.work == KvWork::TXN) return "transactions of two puts";
  if (load.work == KvWork::RANGE) return fmt::format("{} ranges of {} keys", reads, kRangeKeys);
  if (load.read_ratio == 0) return "puts";
  if (load.read_ratio == 1) return fmt::format("{} gets", reads);
  return fmt::format("{:.0f}% {} gets, else puts,", load.read_ratio * 100, reads);
}

void print_result(const Common& common, const BenchArguments& arguments, const Measured& measured) {
  const Histogram& latency = measured.load.latency;
  if (common.format == Format::JSON) {
    Json document = {
        {"bench", "kv"},
        {"work", work_name(arguments.load.work)},
        {"nodes", measured.nodes},
        {"clients", arguments.load.clients},
        {"value_bytes", arguments.load.value_bytes},
        {"read_ratio", arguments.load.read_ratio},
        {"stale", arguments.load.stale},
        {"durable", measured.durable},
        {"encrypted", true},
        {"ops", latency.count()},
        {"ops_all", measured.load.ops_all},
        {"failed", measured.load.failed},
        {"longest_gap_us", std::round(static_cast<double>(measured.load.longest_gap_ns) / 100) / 10}};
    add_rates(document, latency, measured.load.seconds);
    return print_json(document);
  }
  fmt::print("{} of {} B, {} nodes, {} clients, {}, encrypted\n\n", describe(arguments.load),
             arguments.load.value_bytes, measured.nodes, arguments.load.clients,
             measured.durable ? "durable on a majority" : "NOT durable: data in memory");
  print_rates("OPS", latency, measured.load.seconds);
}

Result<int> bench(const Common& common, const BenchArguments& arguments) {
  if (arguments.load.work == KvWork::RANGE && arguments.load.keys < kRangeKeys) {
    return fail_hint(kUsage,
                     fmt::format("a range is of {} keys, and there are {}", kRangeKeys, arguments.load.keys),
                     "give more --keys");
  }
  TOOLS_TRY(const Measured measured, measure(common, arguments));
  if (measured.load.failed > 0 && !arguments.load.through_failures) {
    Failure failure = *measured.load.first_failure;
    failure.message = fmt::format(
        "{} operations failed beside {} that were answered, so this is no result; the "
        "first: {}",
        measured.load.failed, measured.load.latency.count(), failure.message);
    return std::unexpected(std::move(failure));
  }
  print_result(common, arguments, measured);
  return kExitOk;
}

void add_load_options(CLI::App* command, KvLoadOptions& load) {
  const size_t clients_max = aspen_limit_get(ASPEN_LIMIT_OPS_IN_FLIGHT);
  command->add_option("--clients", load.clients, "requests outstanding at any time (64)")
      ->option_text("C")
      ->check(CLI::Range(size_t{1}, clients_max));
  add_bench_times(command, load.seconds, load.warm_up_seconds);
  command->add_option("--value-bytes", load.value_bytes, "size of a value (256)")
      ->option_text("B")
      ->check(CLI::Range(size_t{0}, static_cast<size_t>(aspen_limit_get(ASPEN_LIMIT_VALUE_BYTES))));
  command->add_option("--read-ratio", load.read_ratio, "0 (the default): only puts; 1: only gets")
      ->option_text("R")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--keys", load.keys, "distinct keys, chosen uniformly (10000)")
      ->option_text("N")
      ->check(CLI::Range(size_t{1}, kKeysMax));
  command->add_option("--work", load.work, "kv (gets and puts, the default), txn or range")
      ->option_text("W")
      ->transform(CLI::CheckedTransformer(kWorks));
  command->add_flag("--stale", load.stale, "reads are not linearizable")->option_text(" ");
  command->add_option("--op-timeout", load.op_timeout_seconds, "of each operation (10)")
      ->option_text("S")
      ->check(CLI::Range(0.001, 3'600.0));
  command
      ->add_flag("--through-failures", load.through_failures,
                 "go on when one fails; longest_gap_us is the longest time without a success")
      ->option_text(" ");
  command->add_option("--prefix", load.prefix, "of the keys, which then stay")->option_text("P");
}

}  // namespace

void add_bench(Program& program) {
  CLI::App* group = program.group("bench", "measure", kGroupFooter);
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* command = program.command(group, "kv", "measure puts and gets", kExamples,
                                      [&program, arguments] { return bench(program.common(), *arguments); });
  add_load_options(command, arguments->load);
  command->add_flag("--fill", arguments->fill, "put every key first, also when nothing will read it")
      ->option_text(" ");
  add_bench_target(program, command, arguments->target);
  add_bench_watch(program, group);
}

}  // namespace aspen::tools

// How long a get takes in the process of the leader itself, through aspen.h and no network: under a lease,
// which asks no other member, and linearizable, which asks for a round of heartbeats.
//
//   leader_reads DIR [--seconds S]
//
// Three nodes of one network in this process, each with its own engine thread, directory and port on
// loopback; 10,000 keys with values of 256 bytes; one get of a random key at a time, at the node that leads.
// Its caller sleeps until the completion queue has the answer, or looks for it again and again. S (3 unless
// said otherwise) is for each of the four.
//
// Prints one JSON document on stdout:
//   {"bench":"leader_reads","seconds","results":[{"read":"lease" or "linearizable",
//   "caller":"sleeps" or "polls","ops","ops_per_s","p50_us","p99_us","p999_us"}]}
#include <charconv>
#include <cmath>
#include <random>
#include <string_view>

#include "tools/histogram.h"
#include "tools/kv_load.h"
#include "tools/output.h"
#include "tools/serve.h"
#include "tools/temp_dir.h"

namespace aspen::tools {
namespace {

constexpr size_t kNodes = 3;
constexpr size_t kKeys = 10'000;
constexpr const char* kPrefix = "bench/";
constexpr int64_t kOpenTimeoutNs = 30'000'000'000;
constexpr uint64_t kGetsOfOneLook = 1024;  // for signals
constexpr double kWarmUpSeconds = 0.3;

// The founder, which leads, comes first.
Result<std::vector<Node>> open_network(const std::string& dir, aspen_cq_t* queue, Signals& signals) {
  std::vector<Node> nodes;
  std::string ticket;
  for (size_t i = 0; i < kNodes; ++i) {
    NodeOptions options{.mode = i == 0 ? ASPEN_MODE_FOUND : ASPEN_MODE_JOIN, .lease_reads = true};
    options.dir = fmt::format("{}/{}", dir, i);
    options.listen = "127.0.0.1:0";
    options.ticket = ticket;
    options.timeout_ns = kOpenTimeoutNs;
    TOOLS_TRY(std::vector<Node> opened, open_nodes({&options, 1}, queue, signals));
    nodes.push_back(std::move(opened.front()));
    if (i == 0) {
      TOOLS_TRY(ticket, node_ticket(nodes.front(), queue, signals));
    }
  }
  return nodes;
}

class Reader {
 public:
  Reader(aspen_node_t* node, aspen_cq_t* queue, Signals& signals, int32_t consistency, bool polls)
      : node_(node), queue_(queue), signals_(signals), polls_(polls) {
    aspen_call_options_init(&options_, sizeof options_);
    options_.consistency = consistency;
  }

  Result<Histogram> run(double seconds) {
    Histogram latency;
    uint64_t done = 0;
    const int64_t count_from_ns = monotonic_ns() + static_cast<int64_t>(kWarmUpSeconds * 1e9);
    const int64_t end_ns = count_from_ns + static_cast<int64_t>(seconds * 1e9);
    for (int64_t start_ns = monotonic_ns(); start_ns < end_ns; start_ns = monotonic_ns()) {
      const std::string key = fmt::format("{}{:08}", kPrefix, random_() % kKeys);
      const int64_t asked_ns = monotonic_ns();
      TOOLS_TRY(const Op op, get(key));
      if (start_ns >= count_from_ns) latency.add(monotonic_ns() - asked_ns);
      if (++done % kGetsOfOneLook == 0 && signals_.wait(nullptr, 0)) {
        return fail(ASPEN_CANCELLED, "ended by a signal before the measurement was done");
      }
    }
    return latency;
  }

 private:
  Result<Op> get(const std::string& key) {
    aspen_op_t* raw = nullptr;
    const int32_t status = aspen_kv_get(node_, key.data(), key.size(), &options_, queue_, 0, &raw);
    if (status != ASPEN_OK) return std::unexpected(refused(status));
    Op op(raw);
    if (!polls_) aspen_cq_wait(queue_, -1);
    aspen_event_t event;
    while (aspen_cq_poll(queue_, &event, 1) == 0) continue;
    if (event.status != ASPEN_OK) return std::unexpected(failure_of(raw, Kind::READ));
    if (aspen_op_entry_count(raw) != 1) return fail(ASPEN_INTERNAL, "there is no key {}", key);
    return op;
  }

  aspen_node_t* node_;
  aspen_cq_t* queue_;
  Signals& signals_;
  const bool polls_;
  aspen_call_options_t options_;
  std::minstd_rand random_;
};

Result<int> run(const std::string& parent, double seconds) {
  TOOLS_TRY(const TempDir dir, TempDir::make(parent));
  Signals signals;
  aspen_cq_t* raw_queue = nullptr;
  if (const int32_t status = aspen_cq_new(&raw_queue); status != ASPEN_OK) {
    return std::unexpected(refused(status));
  }
  const Queue queue(raw_queue);
  TOOLS_TRY(const std::vector<Node> nodes, open_network(dir.path(), queue.get(), signals));
  aspen_node_t* leader = nodes.front().get();
  TOOLS_CHECK(KvLoad(leader, {.keys = kKeys, .prefix = kPrefix}, signals).fill());
  Json results = Json::array();
  for (const auto& [read, consistency] :
       {std::pair("lease", ASPEN_READ_LEASE), std::pair("linearizable", ASPEN_READ_LINEARIZABLE)}) {
    for (const bool polls : {false, true}) {
      TOOLS_TRY(const Histogram latency,
                Reader(leader, queue.get(), signals, consistency, polls).run(seconds));
      const auto us = [&](double fraction) {
        return std::round(static_cast<double>(latency.percentile_ns(fraction)) / 100) / 10;
      };
      results.push_back({{"read", read},
                         {"caller", polls ? "polls" : "sleeps"},
                         {"ops", latency.count()},
                         {"ops_per_s", std::round(static_cast<double>(latency.count()) / seconds)},
                         {"p50_us", us(0.5)},
                         {"p99_us", us(0.99)},
                         {"p999_us", us(0.999)}});
    }
  }
  print_json({{"bench", "leader_reads"}, {"seconds", seconds}, {"results", results}});
  return kExitOk;
}

}  // namespace
}  // namespace aspen::tools

int main(int argc, char** argv) {
  using namespace aspen::tools;
  const std::string_view text = argc == 4 ? argv[3] : "3";
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool number =
      error == std::errc() && end == text.data() + text.size() && seconds > 0 && seconds <= 3600;
  if ((argc != 2 && argc != 4) || argv[1][0] == '-' ||
      (argc == 4 && argv[2] != std::string_view("--seconds")) || !number) {
    fmt::print(stderr, "usage: leader_reads DIR [--seconds S]\n");
    return kExitUsage;
  }
  const Result<int> result = run(argv[1], seconds);
  if (result) return kExitOk;
  print_failure(result.error(), Format::TABLE);
  return result.error().exit_code();
}

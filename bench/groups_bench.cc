// What groups cost a node: three nodes of one network in this process, each with its own engine thread,
// directory and port on loopback, and so many groups on all three beside the store's.
//
//   groups_bench DIR [--seconds S] [--groups N,...]
//
// For each number of groups (0, 50 and 200 unless said otherwise, ascending): the processor time that all
// three nodes together take while nothing is asked of them, in per cent of one core, over S seconds (10
// unless said otherwise); and commands of 8 bytes for S/5 seconds, in each group one after the other. Syncs
// are on, traffic is encrypted.
//
// Prints one JSON document on stdout:
//   {"bench":"groups","seconds","results":[{"groups","idle_percent_of_a_core","open_s",
//   "commands_per_s","p50_us","p99_us"}]}
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/node/node.h"

namespace aspen::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kNodes = 3;
constexpr DurationNs kTimeout = 60 * kSecond;
constexpr raft::GroupId kFirstGroup = 100;

// Counts what it applied; keeps nothing on disk, so that it begins anew from the log.
class Counter final : public raft::StateMachine {
 public:
  Result<std::vector<Bytes>> apply(std::span<const raft::EntryPtr> entries) override {
    std::vector<Bytes> replies(entries.size());
    applied_ = entries.back()->index;
    return replies;
  }
  raft::Index applied() const override { return applied_; }
  Result<raft::Index> flush() override { return 0; }
  Result<std::unique_ptr<raft::SnapshotSource>> snapshot() override {
    return fail(Code::UNSUPPORTED, "this machine makes no snapshots");
  }
  Result<std::unique_ptr<raft::SnapshotSink>> restore(const raft::SnapshotMeta&) override {
    return fail(Code::UNSUPPORTED, "this machine takes no snapshots");
  }
  std::optional<raft::SnapshotMeta> restored() const override { return std::nullopt; }
  Result<Bytes> fingerprint() override { return Bytes(); }

 private:
  raft::Index applied_ = 0;
};

template <typename T, typename F>
Result<T> wait_for(F start) {
  std::promise<Result<T>> promise;
  start([&promise](Result<T> result) { promise.set_value(std::move(result)); });
  return promise.get_future().get();
}

template <typename T>
T need(Result<T> result, const char* what) {
  if (!result) {
    fmt::print(stderr, "groups_bench: {}: {}\n", what, result.error().to_string());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

double processor_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Nodes {
 public:
  explicit Nodes(const std::string& dir) {
    std::string ticket;
    for (size_t i = 0; i < kNodes; ++i) {
      node::NodeOptions options{.mode = i == 0 ? node::Mode::found : node::Mode::join, .ticket = ticket};
      options.dir = fmt::format("{}/{}", dir, i);
      options.listen = "127.0.0.1:0";
      need(wait_for<node::NodeFacts>(
               [&](auto done) { nodes_.push_back(node::Node::start(options, std::move(done))); }),
           "a node");
      if (i == 0) {
        ticket =
            need(wait_for<std::string>([&](auto done) { nodes_[0]->ticket(0, std::move(done)); }), "ticket");
      }
    }
  }
  ~Nodes() {
    for (auto& node : nodes_) (void)wait_for<void>([&](auto done) { node->close(std::move(done)); });
  }

  // Founded by the nodes in turn, so that each leads as many.
  void add_group() {
    const raft::GroupId id = kFirstGroup + groups_;
    for (size_t i = 0; i < kNodes; ++i) {
      auto& node = nodes_[(groups_ + i) % kNodes];
      need(wait_for<void>([&](auto done) {
             node->open_group({.id = id, .machine = std::make_unique<Counter>(), .found = i == 0}, kTimeout,
                              std::move(done));
           }),
           "a group");
    }
    ++groups_;
  }
  size_t groups() const { return groups_; }

  // In each group one command after the other; how long each took, in nanoseconds.
  std::vector<int64_t> run(double seconds) {
    struct Client {
      node::Node* node;
      raft::GroupId group;
      std::vector<int64_t> took;
      Clock::time_point begun;
      std::promise<void> ended;
    };
    std::vector<std::unique_ptr<Client>> clients;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    std::function<void(Client&)> next = [&](Client& client) {
      client.begun = Clock::now();
      if (client.begun >= end) return client.ended.set_value();
      client.node->propose(client.group, "12345678", kTimeout, [&](Result<Bytes> reply) {
        need(std::move(reply), "a command");
        client.took.push_back(
            std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - client.begun).count());
        next(client);
      });
    };
    for (size_t i = 0; i < groups_; ++i) {
      clients.push_back(std::make_unique<Client>(nodes_[i % kNodes].get(), kFirstGroup + i));
    }
    for (auto& client : clients) next(*client);
    std::vector<int64_t> all;
    for (auto& client : clients) {
      client->ended.get_future().wait();
      all.insert(all.end(), client->took.begin(), client->took.end());
    }
    std::ranges::sort(all);
    return all;
  }

 private:
  std::vector<std::unique_ptr<node::Node>> nodes_;
  size_t groups_ = 0;
};

int main(const std::string& dir, double seconds, const std::vector<size_t>& numbers) {
  std::filesystem::create_directories(dir);
  Nodes nodes(dir);
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (size_t groups : numbers) {
    auto begun = Clock::now();
    while (nodes.groups() < groups) nodes.add_group();
    double opened = seconds_since(begun);
    std::this_thread::sleep_for(std::chrono::seconds(1));
    double before = processor_seconds();
    begun = Clock::now();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    double idle = 100 * (processor_seconds() - before) / seconds_since(begun);
    nlohmann::ordered_json row = {{"groups", groups}, {"idle_percent_of_a_core", idle}, {"open_s", opened}};
    if (groups > 0) {
      std::vector<int64_t> took = nodes.run(seconds / 5);
      row["commands_per_s"] = static_cast<double>(took.size()) / (seconds / 5);
      row["p50_us"] = static_cast<double>(took[took.size() / 2]) / 1e3;
      row["p99_us"] = static_cast<double>(took[took.size() * 99 / 100]) / 1e3;
    }
    results.push_back(row);
    fmt::print(stderr, "{}\n", row.dump());
  }
  nlohmann::ordered_json document = {{"bench", "groups"}, {"seconds", seconds}, {"results", results}};
  fmt::print("{}\n", document.dump(2));
  return 0;
}

}  // namespace
}  // namespace aspen::bench

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  double seconds = 10;
  std::vector<size_t> groups = {0, 50, 200};
  bool understood = !words.empty() && words.size() % 2 == 1 && !words[0].starts_with("-");
  for (size_t i = 1; understood && i + 1 < words.size(); i += 2) {
    if (words[i] == "--seconds") {
      seconds = std::strtod(words[i + 1].c_str(), nullptr);
    } else if (words[i] == "--groups") {
      groups.clear();
      std::stringstream numbers(words[i + 1]);
      for (std::string number; std::getline(numbers, number, ',');) {
        groups.push_back(std::strtoul(number.c_str(), nullptr, 10));
      }
    } else {
      understood = false;
    }
  }
  understood =
      understood && seconds > 0 && seconds <= 600 && std::ranges::is_sorted(groups) && !groups.empty();
  if (!understood || groups.back() > aspen::limits::kGroupsMax) {
    fmt::print(stderr,
               "usage: groups_bench DIR [--seconds S] [--groups N,...]\n"
               "S is over 0 and at most 600, the numbers ascend and are at most {}\n",
               aspen::limits::kGroupsMax);
    return 2;
  }
  return aspen::bench::main(words[0], seconds, groups);
}

// A closed-loop load on the key-value store: C clients, each with exactly one request outstanding, all driven
// by one thread from one completion queue. So `clients` means concurrency and nothing else, and the generator
// takes as little as it can of the machine that it measures.
//
// Thread safety: none.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/histogram.h"
#include "tools/signals.h"

namespace aspen::tools {

struct KvLoadOptions {
  size_t clients = 64;
  double seconds = 10;
  double warm_up_seconds = 1;  // the same load, not counted
  size_t value_bytes = 256;
  double read_ratio = 0;  // 0: only puts, 1: only gets (linearizable)
  size_t keys = 10'000;   // chosen uniformly
  std::string prefix;     // of all keys
};

struct KvLoadResult {
  Histogram latency;  // of the operations that succeeded
  double seconds = 0;
  uint64_t failed = 0;
  std::optional<Failure> first_failure;
};

class KvLoad {
 public:
  // `node` and `signals` must outlive it.
  KvLoad(aspen_node_t* node, KvLoadOptions options, Signals& signals);

  // Writes every key once, so that every get finds one.
  Result<> fill();
  // `progress` is called about once a second with the operations of that second and the seconds left.
  Result<KvLoadResult> run(const std::function<void(uint64_t, double)>& progress);
  // Deletes every key.
  Result<> remove();

 private:
  struct Client {
    int64_t start_ns = 0;
    bool reading = false;
  };

  std::string key(size_t index) const;
  uint64_t random();
  Result<> start(size_t client);
  void finish(const aspen_event_t& event, KvLoadResult& result);
  // Waits until nothing is outstanding.
  void drain(KvLoadResult& result);
  Result<> apply_in_batches(const std::function<int32_t(aspen_batch_t*, const std::string&)>& add);

  aspen_node_t* node_;
  const KvLoadOptions options_;
  Signals& signals_;
  Queue queue_;
  std::vector<Client> clients_;
  std::string value_;
  uint64_t random_state_ = 0x9e3779b97f4a7c15;  // fixed: two runs ask for the same keys
  size_t outstanding_ = 0;
  int64_t count_from_ns_ = 0;  // completions of this window are counted
  int64_t count_to_ns_ = 0;
};

}  // namespace aspen::tools

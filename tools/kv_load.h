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

enum class KvWork {
  KV,     // gets and puts of one key
  TXN,    // if a key is there, put it and another: one transaction
  RANGE,  // kRangeKeys keys in order, from a random one
};
inline constexpr size_t kRangeKeys = 1000;

struct KvLoadOptions {
  KvWork work = KvWork::KV;
  size_t clients = 64;
  double seconds = 10;
  double warm_up_seconds = 1;  // the same load, not counted
  size_t value_bytes = 256;
  double read_ratio = 0;  // of KvWork::KV; 0: only puts, 1: only gets
  bool stale = false;     // reads are: one request and its reply, without a word among the members
  double op_timeout_seconds = 10;
  bool through_failures = false;  // an operation that fails is followed by the next; else it ends the run
  size_t keys = 10'000;           // chosen uniformly
  std::string prefix;             // of all keys
};

struct KvLoadResult {
  Histogram latency;  // of the operations that succeeded
  double seconds = 0;
  uint64_t ops_all = 0;        // that succeeded, with those that are not counted
  int64_t longest_gap_ns = 0;  // between two that succeeded, or one and an end of the measurement
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
  int32_t submit_put(size_t client, const std::string& key, aspen_op_t** op);
  int32_t submit_txn(size_t client, size_t index, aspen_op_t** op);
  int32_t submit_range(size_t client, size_t index, aspen_op_t** op);
  // Why a completed operation is not what was asked for; nothing when it is.
  std::optional<Failure> failure(const aspen_event_t& event) const;
  void finish(const aspen_event_t& event, KvLoadResult& result);
  // Waits until nothing is outstanding.
  void drain(KvLoadResult& result);
  Result<> apply_in_batches(const std::function<int32_t(aspen_batch_t*, const std::string&)>& add);

  aspen_node_t* node_;
  const KvLoadOptions options_;
  Signals& signals_;
  aspen_call_options_t call_options_;
  Queue queue_;
  std::vector<Client> clients_;
  std::string value_;
  uint64_t random_state_ = 0x9e3779b97f4a7c15;  // fixed: two runs ask for the same keys
  size_t outstanding_ = 0;
  int64_t count_from_ns_ = 0;  // completions of this window are counted
  int64_t count_to_ns_ = 0;
  int64_t succeeded_ns_ = 0;  // the last that did, of this window
};

}  // namespace aspen::tools

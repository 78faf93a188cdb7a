#include "tools/kv_load.h"

#include <algorithm>
#include <cstring>

namespace aspen::tools {
namespace {

constexpr int64_t kProgressNs = 1'000'000'000;
constexpr int64_t kFillTimeoutNs = 60'000'000'000;
constexpr size_t kBatchBytesMax = 1u << 20;
constexpr size_t kBatchKeysMax = 1000;
constexpr size_t kEventsMax = 256;

}  // namespace

KvLoad::KvLoad(aspen_node_t* node, KvLoadOptions options, Signals& signals)
    : node_(node), options_(std::move(options)), signals_(signals), clients_(options_.clients) {
  aspen_call_options_init(&call_options_, sizeof call_options_);
  call_options_.timeout_ns = static_cast<int64_t>(options_.op_timeout_seconds * 1e9);
  call_options_.consistency = options_.stale ? ASPEN_READ_STALE : ASPEN_READ_LINEARIZABLE;
  // Not compressible, as most values that programs keep are not.
  for (size_t i = 0; i < options_.value_bytes; ++i) value_.push_back(static_cast<char>(random() >> 32));
}

// xorshift64*: good enough to spread keys, and not a cost.
uint64_t KvLoad::random() {
  random_state_ ^= random_state_ >> 12;
  random_state_ ^= random_state_ << 25;
  random_state_ ^= random_state_ >> 27;
  return random_state_ * 0x2545f4914f6cdd1d;
}

std::string KvLoad::key(size_t index) const {
  return fmt::format("{}{:08}", options_.prefix, index);
}

Result<> KvLoad::apply_in_batches(const std::function<int32_t(aspen_batch_t*, const std::string&)>& add) {
  const size_t by_bytes = kBatchBytesMax / std::max<size_t>(options_.value_bytes, 1);
  const size_t per_batch = std::clamp<size_t>(by_bytes, 1, kBatchKeysMax);
  aspen_call_options_t call_options;
  aspen_call_options_init(&call_options, sizeof call_options);
  call_options.timeout_ns = kFillTimeoutNs;
  for (size_t from = 0; from < options_.keys; from += per_batch) {
    aspen_batch_t* raw = nullptr;
    if (const int32_t status = aspen_batch_new(&raw); status != ASPEN_OK)
      return std::unexpected(refused(status));
    const Batch batch(raw);
    for (size_t i = from; i < std::min(from + per_batch, options_.keys); ++i) add(raw, key(i));
    const auto apply = [&](aspen_op_t** out) {
      return aspen_kv_apply(node_, raw, &call_options, nullptr, 0, out);
    };
    TOOLS_CHECK(call(Kind::WRITE, apply));
  }
  return {};
}

Result<> KvLoad::fill() {
  return apply_in_batches([this](aspen_batch_t* batch, const std::string& key) {
    return aspen_batch_put(batch, key.data(), key.size(), value_.data(), value_.size());
  });
}

Result<> KvLoad::remove() {
  return apply_in_batches([](aspen_batch_t* batch, const std::string& key) {
    return aspen_batch_delete(batch, key.data(), key.size());
  });
}

int32_t KvLoad::submit_put(size_t client, const std::string& key, aspen_op_t** op) {
  const uint64_t stamp = random();  // every put writes something new
  std::memcpy(value_.data(), &stamp, std::min(sizeof stamp, value_.size()));
  return aspen_kv_put(node_, key.data(), key.size(), value_.data(), value_.size(), &call_options_,
                      queue_.get(), client, op);
}

int32_t KvLoad::submit_txn(size_t client, size_t index, aspen_op_t** op) {
  aspen_batch_t* raw = nullptr;
  if (const int32_t status = aspen_batch_new(&raw); status != ASPEN_OK) return status;
  const Batch batch(raw);
  const std::string first = key(index), second = key((index + 1) % options_.keys);
  aspen_batch_check(raw, first.data(), first.size(), ASPEN_IF_PRESENT, nullptr, 0, 0);
  aspen_batch_put(raw, first.data(), first.size(), value_.data(), value_.size());
  aspen_batch_put(raw, second.data(), second.size(), value_.data(), value_.size());
  return aspen_kv_apply(node_, raw, &call_options_, queue_.get(), client, op);
}

int32_t KvLoad::submit_range(size_t client, size_t index, aspen_op_t** op) {
  // Not beyond the last key from which there are enough.
  const size_t from = index % (options_.keys - kRangeKeys + 1);
  const std::string first = key(from), end = key(from + kRangeKeys);
  aspen_range_options_t range;
  aspen_range_options_init(&range, sizeof range);
  range.consistency = call_options_.consistency;
  range.timeout_ns = call_options_.timeout_ns;
  range.start = first.data();
  range.start_size = first.size();
  range.end = end.data();
  range.end_size = end.size();
  return aspen_kv_range(node_, &range, queue_.get(), client, op);
}

Result<> KvLoad::start(size_t client) {
  const size_t index = random() % options_.keys;
  const double draw = static_cast<double>(random() >> 11) * 0x1p-53;  // in [0, 1)
  clients_[client].reading = options_.work == KvWork::RANGE || draw < options_.read_ratio;
  aspen_op_t* op = nullptr;
  int32_t status;
  clients_[client].start_ns = monotonic_ns();
  if (options_.work == KvWork::TXN) {
    status = submit_txn(client, index, &op);
  } else if (options_.work == KvWork::RANGE) {
    status = submit_range(client, index, &op);
  } else if (const std::string name = key(index); clients_[client].reading) {
    status = aspen_kv_get(node_, name.data(), name.size(), &call_options_, queue_.get(), client, &op);
  } else {
    status = submit_put(client, name, &op);
  }
  if (status != ASPEN_OK) return std::unexpected(refused(status));
  ++outstanding_;
  return {};
}

std::optional<Failure> KvLoad::failure(const aspen_event_t& event) const {
  const bool reading = clients_[event.tag].reading;
  if (event.status != ASPEN_OK) return failure_of(event.op, reading ? Kind::READ : Kind::WRITE);
  // Quick answers that are not what is measured.
  if (options_.work == KvWork::TXN && !aspen_op_succeeded(event.op)) {
    return fail(ASPEN_INTERNAL, "a transaction found its key absent").error();
  }
  if (options_.work == KvWork::RANGE && aspen_op_entry_count(event.op) != kRangeKeys) {
    return fail(ASPEN_INTERNAL, "a range had {} keys", aspen_op_entry_count(event.op)).error();
  }
  return std::nullopt;
}

void KvLoad::finish(const aspen_event_t& event, KvLoadResult& result) {
  const Op op(event.op);
  --outstanding_;
  const int64_t now_ns = monotonic_ns();
  if (std::optional<Failure> failed = failure(event)) {
    ++result.failed;
    if (!result.first_failure) result.first_failure = std::move(failed);
    return;
  }
  ++result.ops_all;
  if (now_ns < count_from_ns_ || now_ns >= count_to_ns_) return;
  result.latency.add(now_ns - clients_[event.tag].start_ns);
  result.longest_gap_ns = std::max(result.longest_gap_ns, now_ns - succeeded_ns_);
  succeeded_ns_ = now_ns;
}

void KvLoad::drain(KvLoadResult& result) {
  while (outstanding_ > 0) {
    aspen_event_t events[kEventsMax];
    const size_t n = aspen_cq_poll(queue_.get(), events, kEventsMax);
    for (size_t i = 0; i < n; ++i) finish(events[i], result);
    if (n == 0) aspen_cq_wait(queue_.get(), -1);
  }
}

Result<KvLoadResult> KvLoad::run(const std::function<void(uint64_t, double)>& progress) {
  aspen_cq_t* queue = nullptr;
  if (const int32_t status = aspen_cq_new(&queue); status != ASPEN_OK)
    return std::unexpected(refused(status));
  queue_.reset(queue);
  KvLoadResult result;
  const int64_t begin_ns = monotonic_ns();
  count_from_ns_ = begin_ns + static_cast<int64_t>(options_.warm_up_seconds * 1e9);
  count_to_ns_ = count_from_ns_ + static_cast<int64_t>(options_.seconds * 1e9);
  succeeded_ns_ = count_from_ns_;
  for (size_t client = 0; client < options_.clients; ++client) TOOLS_CHECK(start(client));
  int64_t told_ns = begin_ns;
  uint64_t done = 0;
  bool ended = false;
  const auto gives_up = [&] { return result.failed > 0 && !options_.through_failures; };
  for (int64_t now_ns = begin_ns; !ended && !gives_up() && now_ns < count_to_ns_; now_ns = monotonic_ns()) {
    aspen_event_t events[kEventsMax];
    const size_t n = aspen_cq_poll(queue_.get(), events, kEventsMax);
    for (size_t i = 0; i < n; ++i) {
      finish(events[i], result);
      TOOLS_CHECK(start(events[i].tag));
    }
    done += n;
    // Signals are looked for only when there is nothing else to do; a busy queue still empties every second.
    const bool tell = now_ns - told_ns >= kProgressNs;
    if (n == 0 || tell) ended = signals_.wait(queue_.get(), std::min(kProgressNs, count_to_ns_ - now_ns));
    if (tell) {
      progress(done, static_cast<double>(count_to_ns_ - now_ns) / 1e9);
      told_ns = now_ns;
      done = 0;
    }
  }
  drain(result);
  result.longest_gap_ns = std::max(result.longest_gap_ns, count_to_ns_ - succeeded_ns_);
  if (ended) return fail(ASPEN_CANCELLED, "ended by a signal before the measurement was done");
  result.seconds = options_.seconds;
  return result;
}

}  // namespace aspen::tools

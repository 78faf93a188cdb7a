#include "tools/watch_load.h"

#include <algorithm>
#include <cstring>
#include <random>

namespace aspen::tools {
namespace {

constexpr int64_t kProgressNs = 1'000'000'000;
constexpr size_t kEventsMax = 256;

struct Stamp {
  int64_t began_ns;
  uint64_t writer;
};
static_assert(sizeof(Stamp) == kStampBytes);

}  // namespace

WatchLoad::WatchLoad(aspen_node_t* node, WatchLoadOptions options, Signals& signals)
    : node_(node), options_(std::move(options)), signals_(signals), pending_(options_.writers) {
  aspen_call_options_init(&call_options_, sizeof call_options_);
  call_options_.timeout_ns = static_cast<int64_t>(options_.op_timeout_seconds * 1e9);
  // Not compressible, as most values that programs keep are not.
  std::minstd_rand random;
  while (value_.size() < std::max(options_.value_bytes, kStampBytes)) {
    value_.push_back(static_cast<char>(random() >> 8));
  }
}

std::string WatchLoad::key(size_t writer) const {
  return fmt::format("{}{:08}", options_.prefix, writer);
}

Result<> WatchLoad::remove() {
  for (size_t writer = 0; writer < pending_.size(); ++writer) {
    const std::string name = key(writer);
    TOOLS_CHECK(call(Kind::WRITE, [&](aspen_op_t** out) {
      return aspen_kv_delete(node_, name.data(), name.size(), &call_options_, nullptr, 0, out);
    }));
  }
  return {};
}

Result<> WatchLoad::open_watchers() {
  aspen_watch_options_t options;
  aspen_watch_options_init(&options, sizeof options);
  options.prefix = options_.prefix.data();
  options.prefix_size = options_.prefix.size();
  options.timeout_ns = call_options_.timeout_ns;
  for (size_t i = 0; i < options_.watchers; ++i) {
    TOOLS_TRY(const Op opened, call(Kind::READ, [&](aspen_op_t** out) {
                return aspen_watch_open(node_, &options, nullptr, 0, out);
              }));
    watchers_.push_back({Watch(aspen_op_take_watch(opened.get())), nullptr});
    TOOLS_CHECK(next(i));
  }
  return {};
}

Result<> WatchLoad::next(size_t watcher) {
  aspen_op_t* op = nullptr;
  const int32_t status = aspen_watch_next(watchers_[watcher].watch.get(), queue_.get(), watcher, &op);
  if (status != ASPEN_OK) return std::unexpected(refused(status));
  watchers_[watcher].next.reset(op);
  return {};
}

Result<> WatchLoad::put(size_t writer) {
  const std::string name = key(writer);
  const Stamp stamp{monotonic_ns(), writer};
  std::memcpy(value_.data(), &stamp, sizeof stamp);
  aspen_op_t* op = nullptr;
  const int32_t status = aspen_kv_put(node_, name.data(), name.size(), value_.data(), value_.size(),
                                      &call_options_, queue_.get(), watchers_.size() + writer, &op);
  if (status != ASPEN_OK) return std::unexpected(refused(status));
  pending_[writer] = options_.unpaced ? 1 : watchers_.size() + 1;
  ++active_;
  return {};
}

// One of what a put has pending is there.
Result<> WatchLoad::settle(size_t writer, int64_t now_ns) {
  if (--pending_[writer] > 0) return {};
  --active_;
  return now_ns < count_to_ns_ ? put(writer) : Result<>();
}

Result<> WatchLoad::finish_next(size_t watcher, WatchLoadResult& result) {
  const Op op = std::move(watchers_[watcher].next);
  const int64_t now_ns = monotonic_ns();
  const bool counts = now_ns >= count_from_ns_ && now_ns < count_to_ns_;
  aspen_watch_event_t event;
  for (size_t i = 0; aspen_op_watch_event(op.get(), i, &event) == ASPEN_OK; ++i) {
    Stamp stamp;
    if (event.entry.value_size < sizeof stamp) return fail(ASPEN_INTERNAL, "a watch told what nobody put");
    std::memcpy(&stamp, event.entry.value, sizeof stamp);
    ++result.events_all;
    if (counts) result.delay.add(now_ns - stamp.began_ns);
    if (!options_.unpaced) TOOLS_CHECK(settle(stamp.writer, now_ns));
  }
  return next(watcher);
}

Result<> WatchLoad::finish(const aspen_event_t& event, WatchLoadResult& result) {
  if (event.tag < watchers_.size()) {
    if (event.status != ASPEN_OK) return std::unexpected(failure_of(event.op, Kind::READ));
    return finish_next(event.tag, result);
  }
  const Op op(event.op);
  if (event.status != ASPEN_OK) return std::unexpected(failure_of(event.op, Kind::WRITE));
  return settle(event.tag - watchers_.size(), monotonic_ns());
}

Result<WatchLoadResult> WatchLoad::run(const std::function<void(uint64_t, double)>& progress) {
  aspen_cq_t* queue = nullptr;
  if (const int32_t status = aspen_cq_new(&queue); status != ASPEN_OK)
    return std::unexpected(refused(status));
  queue_.reset(queue);
  TOOLS_CHECK(open_watchers());
  WatchLoadResult result;
  result.seconds = options_.seconds;
  int64_t told_ns = monotonic_ns(), finished_ns = told_ns;
  count_from_ns_ = told_ns + static_cast<int64_t>(options_.warm_up_seconds * 1e9);
  count_to_ns_ = count_from_ns_ + static_cast<int64_t>(options_.seconds * 1e9);
  for (size_t writer = 0; writer < pending_.size(); ++writer) TOOLS_CHECK(put(writer));
  uint64_t told = 0;
  while (active_ > 0) {
    aspen_event_t events[kEventsMax];
    const size_t n = aspen_cq_poll(queue_.get(), events, kEventsMax);
    for (size_t i = 0; i < n; ++i) TOOLS_CHECK(finish(events[i], result));
    const int64_t now_ns = monotonic_ns();
    if (n > 0) finished_ns = now_ns;
    // Signals are looked for only when there is nothing else to do; a busy queue still empties every second.
    const bool tell = now_ns - told_ns >= kProgressNs;
    if ((n == 0 || tell) && signals_.wait(queue_.get(), kProgressNs)) {
      return fail(ASPEN_CANCELLED, "ended by a signal before the measurement was done");
    }
    if (now_ns - finished_ns > call_options_.timeout_ns) {
      return fail(ASPEN_DEADLINE_EXCEEDED, "a put is not told by every watch after {} s",
                  options_.op_timeout_seconds);
    }
    if (!tell) continue;
    progress(result.events_all - told, static_cast<double>(count_to_ns_ - now_ns) / 1e9);
    told_ns = now_ns;
    told = result.events_all;
  }
  return result;
}

}  // namespace aspen::tools

// The fan-out of watches: every put is told to all of W watches, which are of the same prefix and all of one
// node. The load is a closed loop: a writer has one put outstanding, and begins the next when that one is
// acknowledged and every watch has told it. So no watch falls behind, and a delay is that of a delivery and
// not of a queue that grows for as long as the measurement takes. Unpaced writers do not wait to be told:
// that is how many events there can be at most, and how far watches then fall behind.
//
// All of it is driven by one thread from one completion queue, as KvLoad is.
//
// Thread safety: none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/histogram.h"
#include "tools/signals.h"

namespace aspen::tools {

struct WatchLoadOptions {
  size_t watchers = 1;
  size_t writers = 1;
  double seconds = 10;
  double warm_up_seconds = 1;  // the same load, not counted
  size_t value_bytes = 256;    // at least kStampBytes
  bool unpaced = false;
  double op_timeout_seconds = 10;
  std::string prefix;  // of the keys, one for each writer
};
inline constexpr size_t kStampBytes = 16;  // at the front of a value: when its put began, and whose it is

struct WatchLoadResult {
  Histogram delay;  // from when a put began to when a watch told it
  double seconds = 0;
  uint64_t events_all = 0;  // with those that are not counted
};

class WatchLoad {
 public:
  // `node` and `signals` must outlive it.
  WatchLoad(aspen_node_t* node, WatchLoadOptions options, Signals& signals);

  // `progress` is called about once a second with the events of that second and the seconds left.
  Result<WatchLoadResult> run(const std::function<void(uint64_t, double)>& progress);
  // Deletes every key.
  Result<> remove();

 private:
  struct Watcher {
    Watch watch;
    Op next;
  };

  std::string key(size_t writer) const;
  Result<> open_watchers();
  Result<> next(size_t watcher);
  Result<> put(size_t writer);
  Result<> finish(const aspen_event_t& event, WatchLoadResult& result);
  Result<> finish_next(size_t watcher, WatchLoadResult& result);
  Result<> settle(size_t writer, int64_t now_ns);

  aspen_node_t* node_;
  const WatchLoadOptions options_;
  Signals& signals_;
  aspen_call_options_t call_options_;
  Queue queue_;
  std::vector<Watcher> watchers_;  // with the tags from 0
  std::vector<size_t> pending_;    // of each writer, with the tags after them: its put and, when paced, the
                                   // watches that have not told it
  std::string value_;
  size_t active_ = 0;          // writers that have something pending
  int64_t count_from_ns_ = 0;  // events of this window are counted
  int64_t count_to_ns_ = 0;
};

}  // namespace aspen::tools

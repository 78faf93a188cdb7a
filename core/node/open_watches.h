// The watches that a node's callers have open, by number.
//
// A caller lives on another thread and may free its handle at any time, also after the node has closed. So it
// has only a number, and the watch itself lives and dies here.
//
//   ASPEN_CO_TRY(OpenWatches::Opened opened, co_await watches.open(cx, request, window_bytes));
//   OpenWatches::Claim claim = watches.claim(opened.id, cancel);  // when next() is asked for
//   ASPEN_CO_TRY(WatchBatch batch, co_await watches.next(cx, claim));
//   watches.close(opened.id);                                     // cancels a next() under way
//
// Thread safety: none; the engine thread.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "core/node/watch_client.h"

namespace aspen::node {

// What one call brings: everything that was there to be told, or a mark.
struct WatchBatch {
  std::vector<WatchItem> items = {};  // whole revisions, ascending; none: a mark
  uint64_t revision = 0;              // everything up to it was told now or before
  // Why the watch is over, when that has a revision too: COMPACTED, with the first that can be watched.
  std::optional<Error> compacted = {};
};

class OpenWatches {
  struct Entry {
    std::unique_ptr<Watch> watch;
    std::function<void()> cancel;  // of the next() under way; none: there is none
    bool closed = false;
  };

 public:
  explicit OpenWatches(WatchClient& client) : client_(client) {}

  struct Opened {
    uint64_t id;
    uint64_t after;  // the revision it begins after
  };
  // Errors: as WatchClient::open.
  rt::Task<Result<Opened>> open(rt::Cx& cx, kv::WatchRequest request, size_t window_bytes);

  // The right to the watch's next batch, of which there is one at a time; `cancel` ends the task that holds
  // it. Errors: INVALID_ARGUMENT when another next() is under way, or the watch is closed.
  using Claim = Result<std::shared_ptr<Entry>>;
  Claim claim(uint64_t id, std::function<void()> cancel);
  // Errors: the claim's; those that end a watch; the task's, after which the next call goes on.
  rt::Task<Result<WatchBatch>> next(rt::Cx& cx, Claim claim);
  // No effect on one that is closed.
  void close(uint64_t id);
  size_t size() const { return entries_.size(); }

 private:
  WatchClient& client_;
  std::unordered_map<uint64_t, std::shared_ptr<Entry>> entries_;
  uint64_t last_id_ = 0;
};

}  // namespace aspen::node

#include "core/node/open_watches.h"

#include "core/base/mutant.h"

namespace aspen::node {
namespace {

void add(WatchBatch& batch, WatchItem item) {
  batch.revision = item.revision;
  if (!item.events.empty()) batch.items.push_back(std::move(item));
}

}  // namespace

rt::Task<Result<OpenWatches::Opened>> OpenWatches::open(rt::Cx& cx, kv::WatchRequest request,
                                                        size_t window_bytes) {
  ASPEN_CO_TRY(auto watch, co_await client_.open(cx, std::move(request), window_bytes));
  const uint64_t after = watch->first_revision() - 1;
  const uint64_t id = ++last_id_;
  entries_.emplace(id, std::make_shared<Entry>(std::move(watch)));
  co_return Opened{id, after};
}

OpenWatches::Claim OpenWatches::claim(uint64_t id, std::function<void()> cancel) {
  auto found = entries_.find(id);
  if (found == entries_.end()) return fail(Code::INVALID_ARGUMENT, "the watch is closed");
  Entry& entry = *found->second;
  if (entry.cancel && !ASPEN_MUTANT("node-watch-two-nexts")) {
    return fail(Code::INVALID_ARGUMENT, "another call waits for this watch's next events; one at a time");
  }
  entry.cancel = std::move(cancel);
  return std::shared_ptr<Entry>(&entry, [kept = found->second](Entry* held) { held->cancel = nullptr; });
}

rt::Task<Result<WatchBatch>> OpenWatches::next(rt::Cx& cx, Claim claim) {
  if (!claim) co_return std::unexpected(claim.error());
  Entry& entry = **claim;
  Watch& watch = *entry.watch;
  auto item = co_await watch.next(cx);
  if (!item) {
    if (entry.closed) co_return fail(Code::CANCELLED, "the watch was closed");
    if (item.error().code != Code::COMPACTED) co_return std::unexpected(item.error());
    co_return WatchBatch{.revision = watch.compacted(), .compacted = item.error()};
  }
  WatchBatch batch;
  add(batch, std::move(*item));
  while (auto more = watch.poll()) add(batch, std::move(*more));
  co_return batch;
}

void OpenWatches::close(uint64_t id) {
  auto entry = entries_.extract(id);
  if (!entry) return;
  entry.mapped()->closed = true;
  // Who has the claim still has the watch.
  if (entry.mapped()->cancel) entry.mapped()->cancel();
}

}  // namespace aspen::node

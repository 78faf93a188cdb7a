#include "core/lab/disk_lane.h"

#include "core/base/limits.h"

namespace aspen::lab {
namespace {

// A synced write is two operations, a new image of a store a few more.
constexpr int64_t kOperationsBeforeDeathMax = 6;

}  // namespace

DiskLane::DiskLane(rt::Executor& executor, Disk& disk, DiskWork kind)
    : executor_(executor), disk_(disk), kind_(kind), timer_(executor, [this] { finish(); }) {}

DiskLane::~DiskLane() {
  timer_.disarm();
  for (Item& item : queue_) run(item);
}

Result<> DiskLane::submit(Work work, Work done) {
  if (queue_.size() >= limits::kBlockingQueueMax) {
    return fail(Code::OVERLOADED, "{} blocking operations are queued; at most {}", queue_.size(),
                limits::kBlockingQueueMax);
  }
  queue_.push_back({std::move(work), std::move(done)});
  if (queue_.size() == 1) start();
  return {};
}

void DiskLane::start() {
  // The dead wait for no disk.
  timer_.arm(executor_.now() + (crashed_ ? 0 : disk_.latency(kind_)));
}

void DiskLane::finish() {
  Item item = std::move(queue_.front());
  queue_.pop_front();
  run(item);
  if (!queue_.empty()) start();
  item.done();  // last: it may destroy the lane
}

void DiskLane::run(Item& item) {
  if (!item.work) return;
  executor_.contained([&] { item.work(); });
  item.work = nullptr;
}

void DiskLane::crash() {
  crashed_ = true;
  if (queue_.empty()) return;
  int64_t reached = disk_.random().between(0, 2);
  if (reached == 0) return;
  if (reached == 1) {
    disk_.crash_within(static_cast<uint64_t>(disk_.random().between(1, kOperationsBeforeDeathMax)));
  }
  run(queue_.front());
}

}  // namespace aspen::lab

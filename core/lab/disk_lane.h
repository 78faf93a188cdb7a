// A lane in virtual time: each piece of work takes as long as its disk says, runs at the end of that time,
// and is completed right after.
//
// A crash may catch the work that is under way before it reached the disk, in the midst of its operations, or
// when all is done but nobody was told: crash() draws one of the three. It must come before the disk's own
// crash. Then the lane only lets the dead engine end: what is left runs against a disk that refuses it.
//
//   DiskLane log_lane(host.executor(), disk, DiskWork::sync);
//
// Lifetime: the executor and the disk outlive the lane. Like rt::ThreadLane, it runs what is queued before it
// goes; completions then still due are dropped.
// Limits: limits::kBlockingQueueMax pieces of work, more are refused OVERLOADED.
// Thread safety: none.
#pragma once

#include <deque>

#include "core/lab/disk.h"
#include "core/rt/offload.h"

namespace aspen::lab {

class DiskLane final : public rt::Lane {
 public:
  DiskLane(rt::Executor& executor, Disk& disk, DiskWork kind);
  ~DiskLane() override;

  Result<> submit(Work work, Work done) override;
  void crash();
  size_t queued() const { return queue_.size(); }

 private:
  struct Item {
    Work work;  // null once it ran
    Work done;
  };
  void start();
  void finish();
  void run(Item& item);

  rt::Executor& executor_;
  Disk& disk_;
  const DiskWork kind_;
  rt::Timer timer_;         // for the first in the queue
  std::deque<Item> queue_;  // the first is under way
  bool crashed_ = false;
};

}  // namespace aspen::lab

// The node's journal and what writes it: one for the logs of all groups the node has a part in.
//
// Lifetime: platform and home outlive it, and it outlives the replicas whose logs it has.
// Thread safety: none; the engine thread.
#pragma once

#include <memory>

#include "core/node/platform.h"
#include "core/raft/log_writer.h"
#include "core/rt/region.h"

namespace aspen::node {

class LogHost {
 public:
  // Blocks on the disk: all logs are read, and of a new journal the first segment is made. `segment_bytes` 0:
  // limits::kJournalSegmentBytes. Errors: those of Home::open_journal and LogJournal::open.
  static Result<std::unique_ptr<LogHost>> open(Platform& platform, Home& home, size_t segment_bytes);

  raft::LogWriter& writer() { return *writer_; }
  // Compares what the disk has with what was written, again and again, a slice at a time. Ends with the
  // damage or the failure it finds, which is `on_failure`'s too, or with the task.
  rt::Task<Result<>> verify(rt::Cx& cx, rt::Lane& background, std::function<void(const Error&)> on_failure);

 private:
  LogHost() = default;

  // Destroyed in reverse: the lane finishes what it runs while everything it uses is still there.
  std::unique_ptr<journal::Directory> directory_;
  std::unique_ptr<raft::LogJournal> logs_;
  std::unique_ptr<rt::Lane> lane_;
  std::unique_ptr<raft::LogWriter> writer_;
};

}  // namespace aspen::node

// Writes the logs of a node's groups from its engine thread: what several of them want written while a write
// is under way, or in one turn, is one append and one sync.
//
//   LogWriter writer(executor, lane, logs);
//   writer.write(kGroup, std::move(writes), [](Result<> result) { ... durable ... });
//
// When nothing is written for a while it has the journal make its next segment, and mark its end; while the
// disk has no room for one it tries again each limits::kLogRoomPeriod.
//
// Bounds: a group waits for its write before it gives the next, so as many writes wait as there are groups.
// Lifetime: executor, lane and logs outlive it; completions still due when it goes are dropped.
// Thread safety: none; the executor's thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/raft/log_journal.h"
#include "core/rt/offload.h"

namespace aspen::raft {

class LogWriter {
 public:
  using Done = std::move_only_function<void(Result<>)>;

  // `lane` is for the logs alone.
  LogWriter(rt::Executor& executor, rt::Lane& lane, LogJournal& logs);
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // `done` runs later. Errors: those of LogJournal::write; OVERLOADED when the lane is full.
  void write(GroupId group, std::vector<LogWrite> writes, Done done);
  LogJournal& logs() { return logs_; }

 private:
  struct Queue {
    std::vector<LogJournal::Batch> batches;
    std::vector<Done> dones;
  };
  void start();
  void finished(Queue queue, const Result<>& result);
  void maintain();
  void maintained(const Result<bool>& more);
  void maintain_after(DurationNs pause);

  rt::Executor& executor_;
  rt::Lane& lane_;
  LogJournal& logs_;
  rt::Deferred turn_end_;
  rt::Timer timer_;
  Queue queue_;
  bool writing_ = false;
  bool maintaining_ = false;  // or the timer is armed for it
  // Ends with the writer; completions look at it.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace aspen::raft

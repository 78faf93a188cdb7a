#include "core/raft/log_writer.h"

#include "core/base/log.h"

namespace aspen::raft {

LogWriter::LogWriter(rt::Executor& executor, rt::Lane& lane, LogJournal& logs)
    : executor_(executor), lane_(lane), logs_(logs), turn_end_([this] { start(); }), timer_(executor, [this] {
        maintain();
      }) {
  maintain_after(limits::kLogMaintainPeriod);
}

void LogWriter::write(GroupId group, std::vector<LogWrite> writes, Done done) {
  queue_.batches.push_back({.group = group, .writes = std::move(writes)});
  queue_.dones.push_back(std::move(done));
  // Not at once: other groups may have something to write in this turn.
  executor_.at_turn_end(turn_end_);
}

void LogWriter::start() {
  if (writing_ || queue_.batches.empty()) return;
  writing_ = true;
  auto queue = std::make_shared<Queue>(std::exchange(queue_, {}));
  auto result = std::make_shared<Result<>>();
  auto submitted = lane_.submit([&logs = logs_, queue, result] { *result = logs.write(queue->batches); },
                                [this, queue, result, alive = std::weak_ptr(alive_)] {
                                  if (!alive.expired()) finished(std::move(*queue), *result);
                                });
  if (!submitted) finished(std::move(*queue), submitted);
}

void LogWriter::finished(Queue queue, const Result<>& result) {
  writing_ = false;
  executor_.at_turn_end(turn_end_);
  if (!maintaining_) maintain_after(limits::kLogMaintainPeriod);
  for (Done& done : queue.dones) done(result);
}

void LogWriter::maintain_after(DurationNs pause) {
  maintaining_ = true;
  timer_.arm(executor_.now() + pause);
}

void LogWriter::maintain() {
  auto more = std::make_shared<Result<bool>>(false);
  auto submitted = lane_.submit([&logs = logs_, more] { *more = logs.maintain(); },
                                [this, more, alive = std::weak_ptr(alive_)] {
                                  if (!alive.expired()) maintained(*more);
                                });
  if (!submitted) maintain_after(limits::kLogMaintainPeriod);
}

void LogWriter::maintained(const Result<bool>& more) {
  maintaining_ = false;
  if (!more) return log(LogLevel::warn, "the journal takes no more records: {}", more.error().to_string());
  if (*more) return maintain_after(0);
  if (logs_.short_of_room()) maintain_after(limits::kLogRoomPeriod);
}

}  // namespace aspen::raft

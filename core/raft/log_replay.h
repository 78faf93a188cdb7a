// One group's log out of the records of a journal.
//
// The journal gives up old records by the segment, so what is left may begin in the midst of the group's
// life: with entries that were truncated or compacted since, and whose predecessors are gone. So whether an
// entry is missing is decided at the end; what a log needs is all there (LogIndex::needed).
//
// Thread safety: none.
#pragma once

#include <functional>

#include "core/raft/core.h"
#include "core/raft/log_index.h"

namespace aspen::raft {

class LogReplay {
 public:
  explicit LogReplay(GroupId group) : group_(group) {}

  // The records of the group, in order. Errors: CORRUPT, UNSUPPORTED.
  Result<> add(uint64_t sequence, BytesView payload);

  struct Log {
    LogIndex index;
    std::vector<EntryPtr> entries;
    Durable durable() && { return {index.hard_state(), index.snapshot(), std::move(entries)}; }
  };
  // After the last record. `file_of` names the file of a record, for errors. Errors: CORRUPT, naming the
  // group and the entry, when one is missing, is not the one that was written, or has a term below the one
  // before it or above the hard state's.
  using FileOf = std::function<std::string(uint64_t sequence)>;
  Result<Log> finish(const FileOf& file_of) &&;

 private:
  Result<> take(const RecordJoiner::Joined& joined, const LogRecord& record);
  Result<> append(Log& log, const RecordJoiner::Joined& joined, const LogRecord& record);
  Result<> check_entries(const FileOf& file_of) const;

  GroupId group_;
  RecordJoiner joiner_;
  bool begun_ = false;  // its whole or a start was there
  Log log_;
  std::optional<Log> copy_;  // a whole, as far as its copies have come
  uint64_t copies_left_ = 0;
};

}  // namespace aspen::raft

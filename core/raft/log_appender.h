// Fills appends of a journal with records of groups: as many as fit into one, and those that fit into none in
// parts.
//
// Lifetime: the journal outlives it. Thread safety: none.
#pragma once

#include <deque>

#include "core/journal/journal.h"
#include "core/raft/log_record.h"

namespace aspen::raft {

class LogAppender {
 public:
  explicit LogAppender(journal::Journal& journal) : journal_(journal) {}

  struct Place {
    uint64_t sequence = 0;  // of its first part
    size_t size = 0;        // of all of them
  };
  // Behind what was added before; it is in the journal after flush(), at the latest.
  Result<Place> add(GroupId group, Bytes record);
  Result<> flush();

 private:
  Result<> add_part(GroupId group, Bytes part);

  journal::Journal& journal_;
  std::deque<Bytes> parts_;  // what records_ refer to
  std::vector<journal::Record> records_;
  size_t frame_bytes_ = 0;
};

}  // namespace aspen::raft

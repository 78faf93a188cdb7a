// A place in a journal, and the durable records from there on.
//
// Thread safety: as the journal's, and not together with it.
#pragma once

#include <memory>
#include <optional>

#include "core/journal/segment_reader.h"

namespace aspen::journal {

class Journal;

struct Entry {
  uint64_t sequence = 0;
  uint64_t user = 0;
  BytesView payload;  // borrowed until the cursor's next call
};

class Cursor {
 public:
  // The next record; nothing when all that is durable was read, and then more when more is. Errors: NOT_FOUND
  // when the record was given up (Journal::reclaim), CORRUPT, UNSUPPORTED, IO; after an error it stays.
  Result<std::optional<Entry>> next();

 private:
  friend class Journal;
  Cursor(const Journal& journal, uint64_t sequence, std::optional<uint64_t> user)
      : journal_(&journal), from_(sequence), user_(user) {}

  // False when there is none.
  Result<bool> next_frame();
  Result<> open_segment(uint64_t number);

  const Journal* journal_;
  uint64_t from_;
  std::optional<uint64_t> user_;
  std::unique_ptr<File> file_;
  std::unique_ptr<SegmentReader> segment_;  // absent before the first read
  uint64_t number_ = 0;                     // of that segment
  RecordReader records_;
  uint64_t sequence_ = 0;  // of the next of records_
};

}  // namespace aspen::journal

// Reads the frames of one segment through a window, so that memory does not grow with the segment.
//
// Invariants: the window holds at most kJournalReadBytes, or one frame when that is larger.
// Thread safety: none.
#pragma once

#include "core/journal/directory.h"
#include "core/journal/scanner.h"

namespace aspen::journal {

class SegmentReader {
 public:
  // `file` outlives it. No byte at or after `end` is looked at.
  SegmentReader(const File& file, const SegmentHeader& header, uint64_t end)
      : file_(file), scanner_(header), end_(end) {}

  // The next frame, borrowed until the next call; nothing where no frame counts.
  Result<std::optional<Frame>> next();
  // More may be read now. Requires: not less than before.
  void extend(uint64_t end) { end_ = end; }
  // Where no frame counts: Scanner::proves_loss() for everything up to the end.
  Result<bool> proves_loss();

  const Scanner& scanner() const { return scanner_; }

 private:
  // Has at least `need` bytes from the scanner's offset on in the window, if there are so many.
  Result<> fill(size_t need);

  const File& file_;
  Scanner scanner_;
  uint64_t end_;
  Bytes window_;
  uint64_t window_offset_ = kSegmentHeaderBytes;
};

}  // namespace aspen::journal

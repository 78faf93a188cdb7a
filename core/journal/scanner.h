// Finds a segment's frames again: pure, over the bytes that whoever reads the file hands in.
//
// A frame counts when it stands where the one before it ended, its checksums are right for this segment and
// this offset, its sequence goes on where the last one stopped, and its epoch is the last one's; only a mark
// may raise that, by one. Where no frame counts, the log ends, or it is damaged: that is what
// proves_loss() decides, see journal.h.
//
//   Scanner scanner(header);
//   for (;;) {
//     Scanner::Step step = scanner.step(bytes.substr(scanner.offset()), bytes.size());
//     if (step.kind != Scanner::Step::Kind::frame) break;
//     ... step.frame ...
//   }
//
// Invariants: offset() only grows and is a multiple of kFrameAlign; synced() <= offset().
// Thread safety: none.
#pragma once

#include "core/journal/format.h"

namespace aspen::journal {

struct Frame {
  FrameHeader header;
  uint64_t offset = 0;
  BytesView body;  // borrowed
};

class Scanner {
 public:
  explicit Scanner(const SegmentHeader& header)
      : salt_(header.salt), sequence_(header.first_sequence), epoch_(header.epoch) {}

  struct Step {
    enum class Kind : uint8_t {
      frame,  // and the scanner has moved behind it
      more,   // `need` bytes from offset() on are needed to tell
      none,   // no frame that counts
    } kind = Kind::none;
    size_t need = 0;
    Frame frame = {};
  };
  // `bytes` start at offset(); `end` is where the segment, or what may be read of it, ends.
  Step step(BytesView bytes, uint64_t end);

  // Where no frame counts: whether the frame that was at offset() is known to have been durable, because a
  // header in `bytes`, which start at `offset`, says so. To see a whole segment in parts, let each part
  // overlap the next by kFrameHeaderBytes - kFrameAlign. Requires: `offset` is a multiple of kFrameAlign.
  bool proves_loss(BytesView bytes, uint64_t offset) const;

  uint64_t offset() const { return offset_; }
  // Of the next record.
  uint64_t sequence() const { return sequence_; }
  uint32_t epoch() const { return epoch_; }
  // So many bytes were durable when the last frame was made.
  uint64_t synced() const { return synced_; }

 private:
  bool follows(const FrameHeader& header) const;

  uint64_t salt_;
  uint64_t offset_ = kSegmentHeaderBytes;
  uint64_t sequence_;
  uint32_t epoch_;
  uint64_t synced_ = kSegmentHeaderBytes;
};

}  // namespace aspen::journal

// The bytes of a stream that were written and are not yet acknowledged.
//
// QUIC sends from this memory again after a loss, so it must not move until the peer has acknowledged it.
// Small frames are copied one after the other into chunks, which also lets one packet carry many of them
// with few pieces; large ones are kept as they are. A stream that is drained keeps one chunk, so in steady
// state sending small frames allocates nothing.
//
// Invariants: acknowledged <= taken <= appended.
// Thread safety: none.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/bytes.h"

namespace aspen::net {

class SendBuffer {
 public:
  // Appends the frame with its length before it.
  void append_frame(Bytes frame);
  void append_raw(BytesView bytes);

  // Bytes not yet acknowledged, and of these the ones not yet handed out by take().
  size_t buffered() const { return static_cast<size_t>(appended_ - acknowledged_); }
  size_t untaken() const { return static_cast<size_t>(appended_ - taken_); }

  // The next bytes to send, in at most `max` pieces; returns the number of pieces.
  struct Piece {
    const uint8_t* data;
    size_t size;
  };
  size_t peek(Piece* out, size_t max) const;
  void take(size_t size);
  // The peer has acknowledged the next `size` bytes.
  void acknowledge(size_t size);

 private:
  struct Segment {
    Bytes bytes;     // on the heap always, so that moving the string does not move them
    uint64_t start;  // offset of its first byte in the stream
    bool chunk;      // takes more bytes, up to its capacity
    uint64_t end() const { return start + bytes.size(); }
  };
  Segment& room(size_t size, size_t reserve);
  void append_raw(BytesView bytes, size_t reserve);
  void drop_front();

  std::vector<Segment> segments_;  // live from front_ on
  size_t front_ = 0;
  size_t next_ = 0;  // the segment that take() is in
  uint64_t appended_ = 0;
  uint64_t taken_ = 0;
  uint64_t acknowledged_ = 0;
};

}  // namespace aspen::net

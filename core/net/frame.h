// Frames on a stream: a LEB128 length and that many bytes. The reader takes the stream's bytes as they come,
// in pieces of any size, and gives back whole frames.
//
// A length costs the sender a few bytes and must not make us reserve sixteen megabytes: memory grows with
// what has really arrived.
#pragma once

#include <optional>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen::net {

inline constexpr size_t kVarintBytesMax = 10;

// Writes the LEB128 form of `value` to `out` (kVarintBytesMax long) and returns its size.
size_t encode_varint(uint64_t value, uint8_t* out);

// Reads one canonical varint from pieces.
class VarintReader {
 public:
  // Consumes bytes from the front of `input`; the value once it is complete. PROTOCOL when it is overlong
  // or over 64 bits.
  Result<std::optional<uint64_t>> read(BytesView& input);
  bool started() const { return shift_ != 0; }

 private:
  uint64_t value_ = 0;
  int shift_ = 0;
};

class FrameReader {
 public:
  explicit FrameReader(size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  // Consumes bytes from the front of `input`: a frame once one is complete, nothing when `input` ends before.
  // Errors: LIMIT_EXCEEDED, PROTOCOL; the stream cannot be read on after one.
  Result<std::optional<Bytes>> read(BytesView& input);
  // Bytes of a frame still incomplete.
  size_t pending_bytes() const { return frame_.size(); }
  // Between frames, where a stream may end.
  bool at_boundary() const { return !length_.started() && !in_frame_; }

 private:
  size_t frame_bytes_max_;
  VarintReader length_;
  bool in_frame_ = false;
  size_t frame_bytes_ = 0;
  Bytes frame_;
};

}  // namespace aspen::net

#include "core/net/frame.h"

#include <algorithm>

namespace aspen::net {
namespace {

// What a length alone may reserve.
constexpr size_t kReserveBytesMax = 64u << 10;

}  // namespace

size_t encode_varint(uint64_t value, uint8_t* out) {
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) out[size++] = static_cast<uint8_t>(value | 0x80);
  out[size++] = static_cast<uint8_t>(value);
  return size;
}

Result<std::optional<uint64_t>> VarintReader::read(BytesView& input) {
  while (!input.empty()) {
    auto byte = static_cast<uint8_t>(input.front());
    input.remove_prefix(1);
    if (shift_ == 63 && byte > 1) return fail(Code::PROTOCOL, "a varint is over 64 bits");
    if (byte == 0 && shift_ > 0) return fail(Code::PROTOCOL, "a varint is overlong");
    value_ |= static_cast<uint64_t>(byte & 0x7f) << shift_;
    shift_ += 7;
    if ((byte & 0x80) == 0) {
      uint64_t value = value_;
      *this = VarintReader();
      return value;
    }
  }
  return std::nullopt;
}

Result<std::optional<Bytes>> FrameReader::read(BytesView& input) {
  if (!in_frame_) {
    ASPEN_TRY(std::optional<uint64_t> length, length_.read(input));
    if (!length) return std::nullopt;
    if (*length > frame_bytes_max_) {
      return fail(Code::LIMIT_EXCEEDED, "a frame is {} bytes; at most {}", *length, frame_bytes_max_);
    }
    in_frame_ = true;
    frame_bytes_ = static_cast<size_t>(*length);
    frame_.reserve(std::min(frame_bytes_, kReserveBytesMax));
  }
  size_t missing = frame_bytes_ - frame_.size();
  size_t taken = std::min(missing, input.size());
  // Doubling, but never past the frame: half of a large frame's last growth would be waste.
  if (frame_.size() + taken > frame_.capacity()) {
    frame_.reserve(std::min(frame_bytes_, std::max(frame_.size() + taken, 2 * frame_.capacity())));
  }
  frame_.append(input.substr(0, taken));
  input.remove_prefix(taken);
  if (taken < missing) return std::nullopt;
  in_frame_ = false;
  return std::exchange(frame_, Bytes());
}

}  // namespace aspen::net

#include "core/net/send_buffer.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/net/frame.h"

namespace aspen::net {
namespace {

constexpr size_t kChunkBytes = 8u << 10;
// Strings this long are never kept inside the string object.
constexpr size_t kHeapBytesMin = 64;
// Larger frames are worth two pieces of their own rather than a copy.
constexpr size_t kCopyBytesMax = 4u << 10;

}  // namespace

SendBuffer::Segment& SendBuffer::room(size_t size, size_t reserve) {
  if (front_ == segments_.size() || !segments_.back().chunk ||
      segments_.back().bytes.capacity() - segments_.back().bytes.size() < size) {
    segments_.push_back({Bytes(), appended_, true});
    segments_.back().bytes.reserve(std::max(size, reserve));
  }
  return segments_.back();
}

void SendBuffer::append_raw(BytesView bytes, size_t reserve) {
  room(bytes.size(), reserve).bytes.append(bytes);
  appended_ += bytes.size();
}

void SendBuffer::append_raw(BytesView bytes) {
  append_raw(bytes, kChunkBytes);
}

void SendBuffer::append_frame(Bytes frame) {
  uint8_t length[kVarintBytesMax];
  BytesView header = as_bytes(length, encode_varint(frame.size(), length));
  if (frame.size() <= kCopyBytesMax) {
    Bytes& chunk = room(header.size() + frame.size(), kChunkBytes).bytes;
    chunk.append(header);
    chunk.append(frame);
    appended_ += header.size() + frame.size();
    return;
  }
  append_raw(header, kHeapBytesMin);
  uint64_t start = appended_;
  appended_ += frame.size();
  segments_.push_back({std::move(frame), start, false});
}

size_t SendBuffer::peek(Piece* out, size_t max) const {
  size_t count = 0;
  uint64_t offset = taken_;
  for (size_t i = next_; i < segments_.size() && count < max; ++i) {
    const Segment& segment = segments_[i];
    auto skip = static_cast<size_t>(offset - segment.start);
    if (skip == segment.bytes.size()) continue;
    out[count++] = {byte_data(segment.bytes) + skip, segment.bytes.size() - skip};
    offset = segment.end();
  }
  return count;
}

void SendBuffer::take(size_t size) {
  ASPEN_ASSERT(size <= untaken());
  taken_ += size;
  while (next_ + 1 < segments_.size() && segments_[next_].end() <= taken_) ++next_;
}

void SendBuffer::drop_front() {
  segments_[front_].bytes = Bytes();
  ++front_;
}

void SendBuffer::acknowledge(size_t size) {
  acknowledged_ += size;
  ASPEN_ASSERT(acknowledged_ <= taken_);
  while (front_ < segments_.size() && segments_[front_].end() <= acknowledged_) {
    Segment& segment = segments_[front_];
    if (front_ + 1 == segments_.size() && segment.chunk) {
      // The last chunk, wholly acknowledged: nothing points into it any more.
      segment.bytes.clear();
      segment.start = appended_;
      break;
    }
    drop_front();
  }
  next_ = std::max(next_, front_);
  // The dead entries go when they are the larger part, so each is moved once or twice at most.
  if (front_ > segments_.size() / 2) {
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(front_));
    next_ -= front_;
    front_ = 0;
  }
}

}  // namespace aspen::net

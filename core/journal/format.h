// The bytes of a journal's segment: its header and its frames. journal.h says why they are so; this is what
// they are. Integers are little endian and fixed in width: a frame's size must be known before it is written.
//
//   segment := header (64 bytes, zeroes up to 4096), frame*, anything
//
//   header  0  magic "aspenjnl"
//           8  u32 version
//          12  u32 epoch           of the first frame
//          16  u64 journal         drawn when the journal was made; the same in all its segments
//          24  u64 number          of the segment, rising by one
//          32  u64 salt            drawn for this use of the file
//          40  u64 first sequence  that the segment may hold
//          48  u32 bytes of the segment
//          52  8 bytes, zero
//          60  u32 CRC-32C of the 60 bytes before
//
//   frame   0  u32 CRC-32C of salt, offset of the frame in the segment, and the 28 bytes that follow
//           4  u32 CRC-32C of the body
//           8  u32 bytes of the body, a multiple of 8
//          12  u32 number of records; 0 is a mark
//          16  u64 sequence of the first record; of a mark, of the next one
//          24  u32 so many bytes of this segment were durable when the frame was made
//          28  u32 epoch
//          32  body: the records, each u64 user, u32 length, payload; zeroes up to a multiple of 8
//
// Magic, version and checksum of the header stand where they are in every version to come.
//
// Thread safety: none needed, all of it is values.
#pragma once

#include <optional>
#include <span>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen::journal {

inline constexpr uint32_t kVersion = 1;
inline constexpr size_t kSegmentHeaderBytes = 4096;  // a block of its own: later writes leave it alone
inline constexpr size_t kFrameHeaderBytes = 32;
inline constexpr size_t kRecordHeaderBytes = 12;
inline constexpr size_t kFrameAlign = 8;

struct SegmentHeader {
  uint64_t journal = 0;
  uint64_t number = 0;
  uint64_t salt = 0;
  uint64_t first_sequence = 0;
  uint32_t epoch = 0;
  uint32_t bytes = 0;
  bool operator==(const SegmentHeader&) const = default;
};

// kSegmentHeaderBytes of them.
Bytes encode(const SegmentHeader& header);
// `bytes` are the first of the file, `name` is for the error. Errors: CORRUPT, UNSUPPORTED.
Result<SegmentHeader> decode_segment_header(BytesView bytes, std::string_view name);

struct Record {
  uint64_t user = 0;
  BytesView payload;
  bool operator==(const Record&) const = default;
};

struct FrameHeader {
  uint32_t body_crc = 0;
  uint32_t body_bytes = 0;
  uint32_t records = 0;
  uint64_t first_sequence = 0;
  uint32_t synced = 0;
  uint32_t epoch = 0;
};

// What the checksum of a frame's header covers besides its bytes.
struct FramePlace {
  uint64_t salt = 0;
  uint64_t offset = 0;
};

// What the frame of `records` takes, its header included.
size_t frame_bytes(std::span<const Record> records);
// Appends the frame to `out`. `header` says first_sequence, synced and epoch; the rest is filled in.
void append_frame(Bytes& out, FramePlace place, FrameHeader header, std::span<const Record> records);

// Nothing when `bytes` do not start with the header of a frame of this place. The body is not looked at.
std::optional<FrameHeader> decode_frame_header(BytesView bytes, FramePlace place);
// Whether `body` is the one of `header`, and in it are as many records as it says.
bool body_valid(const FrameHeader& header, BytesView body);

// The records of a body, one after the other. Stops at what does not fit; body_valid() excludes that.
class RecordReader {
 public:
  RecordReader() = default;
  RecordReader(BytesView body, uint32_t records) : rest_(body), left_(records) {}
  // The payload is borrowed from the body.
  std::optional<Record> next();
  // After the last record: what is left of the body.
  BytesView rest() const { return rest_; }
  uint32_t left() const { return left_; }

 private:
  BytesView rest_;
  uint32_t left_ = 0;
};

}  // namespace aspen::journal

#include "core/journal/format.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/limits.h"
#include "core/base/mutant.h"

namespace aspen::journal {
namespace {

constexpr BytesView kMagic = "aspenjnl";
constexpr size_t kHeaderUsed = 64;
constexpr size_t kHeaderSumAt = 60;

template <typename T>
void put(Bytes& out, T value) {
  for (size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

template <typename T>
void put_at(Bytes& out, size_t at, T value) {
  for (size_t i = 0; i < sizeof value; ++i) out[at + i] = static_cast<char>(value >> (8 * i));
}

template <typename T>
T get(BytesView bytes, size_t at) {
  T value = 0;
  for (size_t i = 0; i < sizeof value; ++i) value |= static_cast<T>(T{byte_data(bytes)[at + i]} << (8 * i));
  return value;
}

uint32_t header_crc(BytesView header, FramePlace place) {
  char salted[16];
  for (size_t i = 0; i < 8; ++i) {
    salted[i] = static_cast<char>(place.salt >> (8 * i));
    salted[8 + i] = static_cast<char>(place.offset >> (8 * i));
  }
  return crc32c(header.substr(4, kFrameHeaderBytes - 4), crc32c(BytesView(salted, sizeof salted)));
}

size_t padded(size_t bytes) {
  return (bytes + kFrameAlign - 1) / kFrameAlign * kFrameAlign;
}

}  // namespace

Bytes encode(const SegmentHeader& header) {
  Bytes out(kMagic);
  put(out, kVersion);
  put(out, header.epoch);
  put(out, header.journal);
  put(out, header.number);
  put(out, header.salt);
  put(out, header.first_sequence);
  put(out, header.bytes);
  out.resize(kHeaderSumAt);
  put(out, crc32c(out));
  out.resize(kSegmentHeaderBytes);
  return out;
}

Result<SegmentHeader> decode_segment_header(BytesView bytes, std::string_view name) {
  if (bytes.size() < kHeaderUsed || bytes.substr(0, kMagic.size()) != kMagic ||
      get<uint32_t>(bytes, kHeaderSumAt) != crc32c(bytes.substr(0, kHeaderSumAt))) {
    return fail(Code::CORRUPT, "journal segment {}: its header is damaged", name);
  }
  auto version = get<uint32_t>(bytes, 8);
  if (version != kVersion) {
    return fail(Code::UNSUPPORTED, "journal segment {} has format {}; this build reads format {}", name,
                version, kVersion);
  }
  return SegmentHeader{.journal = get<uint64_t>(bytes, 16),
                       .number = get<uint64_t>(bytes, 24),
                       .salt = get<uint64_t>(bytes, 32),
                       .first_sequence = get<uint64_t>(bytes, 40),
                       .epoch = get<uint32_t>(bytes, 12),
                       .bytes = get<uint32_t>(bytes, 48)};
}

size_t frame_bytes(std::span<const Record> records) {
  size_t body = 0;
  for (const Record& record : records) body += kRecordHeaderBytes + record.payload.size();
  return kFrameHeaderBytes + padded(body);
}

void append_frame(Bytes& out, FramePlace place, FrameHeader header, std::span<const Record> records) {
  size_t start = out.size();
  size_t bytes = frame_bytes(records);
  ASPEN_ASSERT(bytes <= limits::kJournalSegmentBytesMax);
  header.body_bytes = static_cast<uint32_t>(bytes - kFrameHeaderBytes);
  header.records = static_cast<uint32_t>(records.size());
  out.append(8, '\0');  // the sums
  put(out, header.body_bytes);
  put(out, header.records);
  put(out, header.first_sequence);
  put(out, header.synced);
  put(out, header.epoch);
  for (const Record& record : records) {
    put(out, record.user);
    put(out, static_cast<uint32_t>(record.payload.size()));
    out.append(record.payload);
  }
  out.resize(start + bytes);
  put_at(out, start + 4, crc32c(BytesView(out).substr(start + kFrameHeaderBytes)));
  put_at(out, start, header_crc(BytesView(out).substr(start), place));
}

std::optional<FrameHeader> decode_frame_header(BytesView bytes, FramePlace place) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  FrameHeader header{.body_crc = get<uint32_t>(bytes, 4),
                     .body_bytes = get<uint32_t>(bytes, 8),
                     .records = get<uint32_t>(bytes, 12),
                     .first_sequence = get<uint64_t>(bytes, 16),
                     .synced = get<uint32_t>(bytes, 24),
                     .epoch = get<uint32_t>(bytes, 28)};
  // What is not so cannot be a header; asked first, because most places that are looked at hold none.
  bool possible = header.first_sequence != 0 && header.body_bytes % kFrameAlign == 0 &&
                  header.body_bytes <= limits::kJournalSegmentBytesMax && header.synced <= place.offset;
  if (!possible || get<uint32_t>(bytes, 0) != header_crc(bytes, place)) return std::nullopt;
  return header;
}

bool body_valid(const FrameHeader& header, BytesView body) {
  if (!ASPEN_MUTANT("journal-body-unchecked") && crc32c(body) != header.body_crc) return false;
  RecordReader reader(body, header.records);
  while (reader.next()) {
  }
  BytesView rest = reader.rest();
  return reader.left() == 0 && rest.size() < kFrameAlign && rest.find_first_not_of('\0') == BytesView::npos;
}

std::optional<Record> RecordReader::next() {
  if (left_ == 0 || rest_.size() < kRecordHeaderBytes) return std::nullopt;
  auto bytes = get<uint32_t>(rest_, 8);
  if (bytes > rest_.size() - kRecordHeaderBytes) return std::nullopt;
  Record record{.user = get<uint64_t>(rest_, 0), .payload = rest_.substr(kRecordHeaderBytes, bytes)};
  rest_.remove_prefix(kRecordHeaderBytes + bytes);
  --left_;
  return record;
}

}  // namespace aspen::journal

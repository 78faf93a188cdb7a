#include "core/raft/log_record.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/journal/format.h"

namespace aspen::raft {
namespace {

constexpr uint64_t kVersion = 1;
constexpr size_t kNumberBytes = 8;
constexpr size_t kEntryHeadBytes = 1 + 2 * kNumberBytes;
constexpr size_t kPartHeadBytes = 1 + kNumberBytes;

void put_fixed(Bytes& out, uint64_t value) {
  for (size_t i = 0; i < kNumberBytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

// Requires: there are so many bytes.
uint64_t get_fixed(BytesView bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < kNumberBytes; ++i) value |= uint64_t{byte_data(bytes)[at + i]} << (8 * i);
  return value;
}

void write_fixed(wire::Writer& writer, uint64_t value) {
  Bytes bytes;
  put_fixed(bytes, value);
  writer.fixed(bytes);
}

uint64_t read_fixed(wire::Reader& reader) {
  BytesView bytes = reader.fixed(kNumberBytes);
  return bytes.size() == kNumberBytes ? get_fixed(bytes, 0) : 0;
}

template <typename T>
Result<T> from_disk(Result<T> decoded) {
  if (!decoded) return fail(Code::CORRUPT, "{}", decoded.error().message);
  return decoded;
}

Result<LogRecord> decode_beginning(LogRecord record, BytesView fields) {
  wire::Reader reader(fields);
  uint64_t version = reader.u64();
  if (reader.ok() && version != kVersion) {
    return fail(Code::UNSUPPORTED, "the raft log has format {}; this build reads format {}", version,
                kVersion);
  }
  record.peer = decode_peer(reader);
  BytesView hard_state = reader.bytes(fields.size(), "hard state");
  record.chain = read_fixed(reader);
  record.copies = reader.u64();
  BytesView meta = reader.bytes(fields.size(), "snapshot meta");
  if (auto result = reader.finish("beginning of a log"); !result) {
    return fail(Code::CORRUPT, "{}", result.error().message);
  }
  ASPEN_TRY(record.hard_state, from_disk(decode_hard_state(hard_state)));
  if (!meta.empty()) {
    ASPEN_TRY(record.meta, from_disk(decode_snapshot_meta(meta)));
  }
  return record;
}

Result<LogRecord> decode_entry_record(LogRecord record, BytesView bytes) {
  if (bytes.size() < kEntryHeadBytes) return fail(Code::CORRUPT, "an entry is cut short");
  record.index = get_fixed(bytes, 1);
  record.chain = get_fixed(bytes, 1 + kNumberBytes);
  ASPEN_TRY(Entry entry, from_disk(decode_entry(record.index, bytes.substr(kEntryHeadBytes))));
  record.entry = std::make_shared<const Entry>(std::move(entry));
  return record;
}

}  // namespace

Bytes encode(const LogRecord& record) {
  wire::Writer writer;
  writer.u8(static_cast<uint8_t>(record.kind));
  switch (record.kind) {
    case LogRecord::Kind::hard:
      writer.fixed(encode(record.hard_state));
      break;
    case LogRecord::Kind::truncate:
      write_fixed(writer, record.index);
      break;
    default:
      writer.u64(kVersion);
      encode_peer(writer, record.peer);
      writer.bytes(encode(record.hard_state));
      write_fixed(writer, record.chain);
      writer.u64(record.copies);
      writer.bytes(record.meta == SnapshotMeta{} ? Bytes() : encode(record.meta));
  }
  return writer.take();
}

Bytes encode_log_entry(LogRecord::Kind kind, uint64_t chain, const Entry& entry) {
  Bytes body = encode(entry);
  Bytes out;
  out.reserve(kEntryHeadBytes + body.size());
  out.push_back(static_cast<char>(kind));
  put_fixed(out, entry.index);
  put_fixed(out, chain);
  out.append(body);
  return out;
}

Result<LogRecord> decode_log_record(BytesView bytes) {
  if (bytes.empty()) return fail(Code::CORRUPT, "an empty record");
  LogRecord record{.kind = static_cast<LogRecord::Kind>(bytes[0])};
  BytesView fields = bytes.substr(1);
  switch (record.kind) {
    case LogRecord::Kind::whole:
    case LogRecord::Kind::start:
      return decode_beginning(std::move(record), fields);
    case LogRecord::Kind::hard: {
      ASPEN_TRY(record.hard_state, from_disk(decode_hard_state(fields)));
      return record;
    }
    case LogRecord::Kind::truncate:
      if (fields.size() != kNumberBytes) return fail(Code::CORRUPT, "a truncation of {} bytes", bytes.size());
      record.index = get_fixed(fields, 0);
      return record;
    case LogRecord::Kind::entry:
    case LogRecord::Kind::copy:
      return decode_entry_record(std::move(record), bytes);
    default:
      return fail(Code::CORRUPT, "a record of kind {}", static_cast<int>(record.kind));
  }
}

uint64_t chain_after(uint64_t before, const Entry& entry) {
  char head[5 * kNumberBytes];
  size_t size = 0;
  for (uint64_t field : {before, entry.index, entry.term, static_cast<uint64_t>(entry.kind),
                         static_cast<uint64_t>(entry.time)}) {
    for (size_t i = 0; i < kNumberBytes; ++i) head[size++] = static_cast<char>(field >> (8 * i));
  }
  Hash sum = hash("aspen/raft-chain/1", {BytesView(head, size), entry.data});
  return get_fixed(hash_view(sum), 0);
}

std::optional<RecordJoiner::Joined> RecordJoiner::add(uint64_t sequence, BytesView payload) {
  size_t size = payload.size() + journal::kRecordHeaderBytes;
  auto kind = payload.empty() ? LogRecord::Kind::whole : static_cast<LogRecord::Kind>(payload[0]);
  bool part =
      (kind == LogRecord::Kind::piece || kind == LogRecord::Kind::last) && payload.size() >= kPartHeadBytes;
  if (!part) {
    collecting_ = false;
    return Joined{.sequence = sequence, .size = size, .record = payload};
  }
  uint64_t offset = get_fixed(payload, 1);
  if (offset == 0) {
    parts_.clear();
    sequence_ = sequence;
    size_ = 0;
    collecting_ = true;
  }
  if (!collecting_ || offset != parts_.size()) {
    collecting_ = false;
    return std::nullopt;
  }
  parts_.append(payload.substr(kPartHeadBytes));
  size_ += size;
  if (kind == LogRecord::Kind::piece) return std::nullopt;
  collecting_ = false;
  return Joined{.sequence = sequence_, .size = size_, .record = parts_};
}

std::vector<Bytes> cut_record(Bytes record, size_t bytes_max) {
  ASPEN_ASSERT(bytes_max > kPartHeadBytes);
  std::vector<Bytes> parts;
  if (record.size() <= bytes_max) {
    parts.push_back(std::move(record));
    return parts;
  }
  for (size_t at = 0; at < record.size();) {
    size_t size = std::min(bytes_max - kPartHeadBytes, record.size() - at);
    bool last = at + size == record.size();
    Bytes part(1, static_cast<char>(last ? LogRecord::Kind::last : LogRecord::Kind::piece));
    put_fixed(part, at);
    part.append(record, at, size);
    parts.push_back(std::move(part));
    at += size;
  }
  return parts;
}

}  // namespace aspen::raft

#include "core/lab/disk_record.h"

#include "core/base/wire.h"

namespace aspen::lab {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kChecksumBytes = 8;
constexpr size_t kHeadBytes = kLengthBytes + kChecksumBytes;

// FNV-1a. One changed byte always changes it: every step is a bijection of the sum so far.
uint64_t checksum(BytesView length, BytesView body) {
  uint64_t sum = 0xcbf29ce484222325;
  for (BytesView part : {length, body}) {
    for (char c : part) sum = (sum ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  return sum;
}

void put_little_endian(Bytes& out, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t get_little_endian(BytesView bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) value |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  return value;
}

}  // namespace

Bytes encode(DiskRecord::Kind kind, uint64_t sequence, const store::Batch& batch) {
  wire::Writer body;
  body.u8(static_cast<uint8_t>(kind));
  body.u64(sequence);
  body.u64(batch.changes().size());
  for (const store::Batch::Change& change : batch.changes()) {
    body.u8(static_cast<uint8_t>(change.kind));
    body.bytes(change.key);
    body.bytes(change.value);
  }
  Bytes record;
  record.reserve(kHeadBytes + body.size());
  put_little_endian(record, body.size(), kLengthBytes);
  put_little_endian(record, checksum(record, body.view()), kChecksumBytes);
  record.append(body.view());
  return record;
}

std::optional<DiskRecord> take_record(BytesView& bytes) {
  if (bytes.size() < kHeadBytes) return std::nullopt;
  BytesView length = bytes.substr(0, kLengthBytes);
  uint64_t size = get_little_endian(length);
  if (bytes.size() - kHeadBytes < size) return std::nullopt;
  BytesView body = bytes.substr(kHeadBytes, size);
  if (get_little_endian(bytes.substr(kLengthBytes, kChecksumBytes)) != checksum(length, body)) {
    return std::nullopt;
  }
  wire::Reader reader(body);
  DiskRecord record;
  record.kind = static_cast<DiskRecord::Kind>(reader.u8());
  record.sequence = reader.u64();
  for (size_t changes = reader.count(body.size(), "changes"); changes > 0 && reader.ok(); --changes) {
    auto kind = static_cast<store::Batch::Change::Kind>(reader.u8());
    BytesView key = reader.bytes(body.size(), "key");
    BytesView value = reader.bytes(body.size(), "value");
    switch (kind) {
      case store::Batch::Change::Kind::put:
        record.batch.put(key, value);
        break;
      case store::Batch::Change::Kind::erase:
        record.batch.erase(key);
        break;
      case store::Batch::Change::Kind::erase_range:
        record.batch.erase_range(key, value);
        break;
    }
  }
  if (!reader.finish("record")) return std::nullopt;
  bytes.remove_prefix(kHeadBytes + size);
  return record;
}

}  // namespace aspen::lab

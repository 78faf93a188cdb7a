// The nouns of the key-value store.
//
// Every key has the history of its current life beside its value. A revision is the log index of the
// command that made the change, so revisions of one store are totally ordered and never reused.
#pragma once

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/wire.h"

namespace aspen::kv {

// The log index of the command that opened the session; 0: none.
using SessionId = uint64_t;
// The log index of the command that granted the lease; 0: none.
using LeaseId = uint64_t;

// Errors: INVALID_ARGUMENT when it is empty; LIMIT_EXCEEDED.
Result<> validate_key(BytesView key);
// Of the start or end of a range: one byte longer than a key, because the first key after another is that
// one and a zero byte.
inline constexpr size_t kBoundBytesMax = limits::kKeyBytesMax + 1;
Result<> validate_bound(BytesView bound);

struct Record {
  Bytes value;
  uint64_t create_revision = 0;  // when the key came to be; erasing it ends that life
  uint64_t mod_revision = 0;     // when it was last put
  uint64_t version = 0;          // puts since it was created, the first one counted
  LeaseId lease = 0;             // that it was last put with; it goes when the lease goes

  bool operator==(const Record&) const = default;
};

struct KeyRecord {
  Bytes key;
  Record record;

  bool operator==(const KeyRecord&) const = default;
};

// A record whose value is borrowed.
struct RecordView {
  BytesView value;
  uint64_t create_revision = 0;
  uint64_t mod_revision = 0;
  uint64_t version = 0;
  LeaseId lease = 0;

  Record copy() const { return {Bytes(value), create_revision, mod_revision, version, lease}; }
};

void encode(wire::Writer& writer, const RecordView& record);
void encode(wire::Writer& writer, const Record& record);
RecordView decode_record_view(wire::Reader& reader);
Record decode_record(wire::Reader& reader);
Bytes encode(const Record& record);
Result<Record> decode_record(BytesView bytes);

}  // namespace aspen::kv

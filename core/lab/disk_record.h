// The records that a simulated store's file consists of: length, checksum, body. A record that is cut short,
// garbled or has a flipped bit anywhere is told from a whole one.
//
//   record = length of the body (4 bytes) | checksum of length and body (8 bytes) | body
//   body   = kind | sequence number | number of changes | changes (kind, key, value)
//
// Thread safety: none needed; free functions.
#pragma once

#include <optional>

#include "core/store/store.h"

namespace aspen::lab {

struct DiskRecord {
  enum class Kind : uint8_t { current = 1, image, image_end, write };
  Kind kind = Kind::write;
  uint64_t sequence = 0;
  store::Batch batch = {};
};

Bytes encode(DiskRecord::Kind kind, uint64_t sequence, const store::Batch& batch);
// The record at the start of `bytes`, which are moved past it; nothing, and they stay, when it is not whole.
std::optional<DiskRecord> take_record(BytesView& bytes);

}  // namespace aspen::lab

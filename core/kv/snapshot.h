// The state as a stream of chunks, for a member that is too far behind to catch up from the log.
//
// A chunk is a hash and a body; the hash also covers the hash of the chunk before it, so a chunk that is
// damaged, missing, out of place or from another snapshot is refused when it arrives. The last chunk has
// no rows but their number: without it the stream is not whole. Its hash stands for the whole state,
// which makes it the fingerprint too.
//
//   chunk = hash (32 bytes), sequence, last (0 or 1), number of rows, rows of (key, value)
//
// In the last chunk the number is that of all rows. Rows are as layout.h has them, without generation,
// in ascending order of their keys, and of a session there is one: how apply() happened to cut it into
// rows is no part of the state. Nor is what compaction has made count for nothing and the store still has.
//
// Thread safety: each object belongs to one thread.
#pragma once

#include <deque>
#include <functional>

#include "core/base/hash.h"
#include "core/kv/types.h"
#include "core/raft/state_machine.h"
#include "core/store/store.h"

namespace aspen::kv {

class SnapshotSource final : public raft::SnapshotSource {
 public:
  // A chunk ends with the row that makes it `chunk_bytes` long.
  SnapshotSource(std::unique_ptr<store::Reader> reader, uint32_t generation, size_t chunk_bytes);
  Result<Bytes> next() override;
  // Goes back to any of the last kPlacesMax chunks that were made; to one before those from the beginning.
  Result<uint64_t> seek(uint64_t chunk) override;

 private:
  static constexpr size_t kPlacesMax = 64;

  // Where a chunk begins.
  struct Place {
    uint64_t sequence = 0;
    Bytes key;  // of the first row that may be in it
    Hash previous{};
    uint64_t rows = 0;  // in the chunks before it
  };

  // Writes the row at the cursor, unless it does not count, and moves on. Whether it did.
  Result<bool> encode_row(wire::Writer& out);
  Result<> encode_session(SessionId id, wire::Writer& out);
  Bytes seal(bool last, uint64_t rows, BytesView encoded_rows);

  std::unique_ptr<store::Reader> reader_;
  std::unique_ptr<store::Iterator> it_;  // after reader_: goes first
  const Bytes prefix_;
  const Bytes end_;  // the next generation's
  const size_t chunk_bytes_;
  Hash previous_{};
  uint64_t sequence_ = 0;
  uint64_t rows_ = 0;
  uint64_t compacted_ = 0;  // as the first row says
  std::deque<Place> places_;
  bool ended_ = false;
};

// Checks a stream and hands out its rows.
class SnapshotParser {
 public:
  using Row = std::function<Result<>(BytesView key, BytesView value)>;

  // Calls `row` for every row of the chunk. Errors: CORRUPT, and what `row` returns; after one the
  // snapshot is lost.
  Result<> parse(BytesView chunk, const Row& row);
  // Errors: CORRUPT when the last chunk has not come, or anything was refused.
  Result<> finish() const;

 private:
  Result<> parse_body(BytesView body, const Row& row);

  Hash previous_{};
  uint64_t sequence_ = 0;
  uint64_t rows_ = 0;
  uint64_t compacted_ = 0;
  Bytes last_key_;
  bool ended_ = false;
  bool failed_ = false;
};

}  // namespace aspen::kv

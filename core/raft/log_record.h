// What the log of a group writes into the node's journal: records of one user, the group (journal.h).
//
//   whole     the log as a whole: it starts after meta.index and has just the `copies` entries that follow. A
//   log
//             begins with one, an installed snapshot is one, and so is a log that is written again so that
//             the journal may give up its old records. It counts when the last of its copies is there.
//   start     the log starts after meta.index, entries up to it are gone (compaction)
//   hard      hard state
//   truncate  entries from `index` on are gone
//   entry     one more entry
//   copy      an entry of a `whole`
//   piece     a part of a record that is too large for one append of the journal; `last`, its last part
//
// Chain. Each entry carries the hash of the chain up to the entry before it, its index, term, kind, time and
// data. So a log that was read is the log that was written: no entry of another group, another place or
// another time in it, and none missing, also where every checksum of the journal is right.
//
//   record  = kind (1 byte) | fields
//   whole, start  version varint | peer 8 | hard state | chain 8 | copies varint | snapshot meta
//   hard          hard state
//   truncate      index 8
//   entry, copy   index 8 | chain 8 | the entry (message.cc)
//   piece, last   offset 8 | bytes
//
// Fixed integers are little endian; the rest is the wire codec's.
//
// Thread safety: none needed, all of it is values.
#pragma once

#include <optional>

#include "core/raft/types.h"

namespace aspen::raft {

struct LogRecord {
  enum class Kind : uint8_t { whole = 1, start, hard, truncate, entry, copy, piece, last };
  Kind kind = Kind::whole;
  PeerId peer = kNobody;
  HardState hard_state;
  SnapshotMeta meta;
  uint64_t chain = 0;  // of the entry; of the one at meta.index
  uint64_t copies = 0;
  Index index = 0;
  EntryPtr entry = {};
};

// Of a whole, a start, a hard or a truncate.
Bytes encode(const LogRecord& record);
// Of an entry or a copy.
Bytes encode_log_entry(LogRecord::Kind kind, uint64_t chain, const Entry& entry);
// Not of a part. Errors: CORRUPT, UNSUPPORTED naming both versions.
Result<LogRecord> decode_log_record(BytesView bytes);

// The chain after `entry`, where `before` is the chain before it.
uint64_t chain_after(uint64_t before, const Entry& entry);

// Puts records that were cut into parts together again. The parts of one follow each other.
class RecordJoiner {
 public:
  struct Joined {
    uint64_t sequence = 0;  // of its first part
    size_t size = 0;        // in the journal
    BytesView record;       // borrowed until the next call
  };
  // The record that ends with this payload; nothing while more of it is to come, and when its beginning was
  // not seen, because the journal no longer has it, or never had its end.
  std::optional<Joined> add(uint64_t sequence, BytesView payload);

 private:
  Bytes parts_;
  uint64_t sequence_ = 0;
  size_t size_ = 0;
  bool collecting_ = false;
};

// The parts of `record`, each of at most `bytes_max`, for the journal; one, itself, when it fits.
// Requires: bytes_max is more than a part's head.
std::vector<Bytes> cut_record(Bytes record, size_t bytes_max);

}  // namespace aspen::raft

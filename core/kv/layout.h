// How the state lies in its Store: which keys there are and what their values hold.
//
//   0x00                               head: format version, generation, what the last restore stood for
//   generation, 0x00                   progress: applied index, time of that entry
//   generation, 0x01, key              record
//   generation, 0x02, session          session: when it was last used, below what it has acknowledged
//   generation, 0x02, session, slot    result: sequence, reply
//
// A generation is four bytes, a session eight, a slot two, all big-endian, so they sort as numbers.
//
// Only the generation the head names counts. A restore fills the next one beside it and then changes the
// head, which is one small write; other generations are what an unfinished restore left, and are erased.
//
// A session's results lie in a ring: slot = sequence mod limits::kSessionResultsMax. A write overwrites
// the result that was that many sequences earlier, so forgetting acknowledged results costs nothing.
#pragma once

#include "core/kv/types.h"
#include "core/raft/types.h"

namespace aspen::kv::layout {

inline constexpr uint64_t kFormatVersion = 1;

enum class RowKind : uint8_t { progress = 0, record = 1, session = 2 };

struct Head {
  uint32_t generation = 1;
  std::optional<raft::SnapshotMeta> restored;
};

struct Progress {
  raft::Index applied = 0;
  WallNs time = 0;
};

struct SessionRow {
  WallNs last_used = 0;
  uint64_t acknowledged_below = 0;
};

struct ResultRow {
  uint64_t sequence = 0;
  BytesView reply;  // borrowed
};

BytesView head_key();
Bytes generation_prefix(uint32_t generation);
inline constexpr size_t kGenerationBytes = 4;
Bytes progress_key(uint32_t generation);
Bytes record_key(uint32_t generation, BytesView key);
// The prefix of every record's key.
Bytes records_prefix(uint32_t generation);
inline constexpr size_t kRecordsPrefixBytes = kGenerationBytes + 1;
Bytes session_key(uint32_t generation, SessionId session);
Bytes result_key(uint32_t generation, SessionId session, uint64_t sequence);
// The prefix of every session's and result's key.
Bytes sessions_prefix(uint32_t generation);

// What a key without its generation stands for.
struct RowName {
  RowKind kind = RowKind::progress;
  BytesView record;       // of a record: its key
  SessionId session = 0;  // of a session or a result
  bool is_result = false;
  uint16_t slot = 0;  // of a result
};
// Errors: CORRUPT.
Result<RowName> parse_row_name(BytesView key);
uint16_t slot_of(uint64_t sequence);

Bytes encode(const Head& head);
Bytes encode(const Progress& progress);
Bytes encode(const SessionRow& session);
Bytes encode(const ResultRow& result);
// Errors: CORRUPT naming the row; of the head also UNSUPPORTED naming the two format versions.
Result<Head> decode_head(BytesView bytes);
Result<Progress> decode_progress(BytesView bytes);
Result<SessionRow> decode_session(BytesView bytes);
Result<ResultRow> decode_result(BytesView bytes);
Result<RecordView> decode_record(BytesView bytes);

}  // namespace aspen::kv::layout

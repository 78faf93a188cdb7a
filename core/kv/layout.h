// How the state lies in its Store: which keys there are and what their values hold.
//
//   0x00                               head: format version, generation, what the last restore stood for
//   generation, 0x00                   progress: applied index, time of that entry
//   generation, 0x01, key              record
//   generation, 0x02, session, slot    session: counter, last use, acknowledged below, replies by sequence
//
// A generation is four bytes, a session eight, a slot two, all big-endian, so they sort as numbers.
//
// Only the generation the head names counts. A restore fills the next one beside it and then changes the
// head, which is one small write; other generations are what an unfinished restore left, and are erased.
//
// A session has several rows. One apply() writes one of them, however many of the session's commands it
// carried out: the replies it gave, and when the session was last used and what it has acknowledged, of
// which the row with the highest counter is right. A row whose replies are all acknowledged is overwritten
// by a later one, so forgetting replies costs nothing and a session has few rows.
#pragma once

#include <optional>
#include <vector>

#include "core/kv/types.h"
#include "core/raft/types.h"

namespace aspen::kv::layout {

inline constexpr uint64_t kFormatVersion = 2;

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
  uint64_t counter = 0;  // of the session's rows ever written
  WallNs last_used = 0;
  uint64_t acknowledged_below = 0;
  struct Reply {
    uint64_t sequence;
    BytesView reply;  // borrowed
  };
  std::vector<Reply> replies = {};  // by ascending sequence
};

BytesView head_key();
Bytes generation_prefix(uint32_t generation);
inline constexpr size_t kGenerationBytes = 4;
Bytes progress_key(uint32_t generation);
Bytes record_key(uint32_t generation, BytesView key);
// The prefix of every record's key.
Bytes records_prefix(uint32_t generation);
inline constexpr size_t kRecordsPrefixBytes = kGenerationBytes + 1;
inline constexpr size_t kSlotBytes = 2;
Bytes session_key(uint32_t generation, SessionId session, uint16_t slot);
// The prefix of every session's keys.
Bytes sessions_prefix(uint32_t generation);

// What a key without its generation stands for.
struct RowName {
  RowKind kind = RowKind::progress;
  BytesView record;       // of a record: its key
  SessionId session = 0;  // of a session
  uint16_t slot = 0;
};
// Errors: CORRUPT.
Result<RowName> parse_row_name(BytesView key);

Bytes encode(const Head& head);
Bytes encode(const Progress& progress);
Bytes encode(const SessionRow& session);
// Errors: CORRUPT naming the row; of the head also UNSUPPORTED naming the two format versions.
Result<Head> decode_head(BytesView bytes);
Result<Progress> decode_progress(BytesView bytes);
Result<SessionRow> decode_session(BytesView bytes);
Result<RecordView> decode_record(BytesView bytes);

}  // namespace aspen::kv::layout

// How the state lies in its Store: which keys there are and what their values hold.
//
//   0x00                               head: format version, generation, what the last restore stood for
//   generation, 0x00                   progress: applied index, time of that entry, compacted revision
//   generation, 0x01, key              record
//   generation, 0x02, session, slot    session: counter, last use, acknowledged below, replies by sequence
//   generation, 0x03, key, revision    history: the record of that mod revision, and the revision it ended at
//   generation, 0x04, revision         changes: what the revision did, key by key
//   generation, 0x05, lease            lease: its time, when it was granted, what is and can be attached
//   generation, 0x06, lease, key       attachment: nothing
//   generation, 0x07, prefix           quota: its limits, what they are used by
//   generation, 0x08, index            index: its name, prefix, extractor, how far it is built
//   generation, 0x09, index, entry     index entry: nothing; `entry` is the tuple of the value and the key
//
// A generation is four bytes, a session, revision, lease or index eight, a slot two, all big-endian, so they
// sort as numbers. The key of a history row ends with 0x00 0x01, and a 0x00 in it is 0x00 0xff, so that these
// sort as the keys do.
//
// The current records lie apart from those they superseded, so that a read of the newest never passes over
// older ones. A history row is right for a read at R when its revision <= R < the one it ended at. Compaction
// to C makes rows that ended at C or before, and changes before C, count for nothing; when the store drops
// them (store/store.h) is no part of the state.
//
// Only the generation the head names counts. A restore fills the next one beside it and then changes the
// head, which is one small write; other generations are what an unfinished restore left, and are erased.
//
// Version 3 of the format has rows of indexes, which version 2 does not know, and version 4 the owners of
// sessions; else they are the same. A state of an older version is of version 4 as soon as it is opened, and
// the sessions in it are anybody's.
//
// A session has several rows. One apply() writes one of them, however many of the session's commands it
// carried out: the replies it gave, and when the session was last used and what it has acknowledged, of
// which the row with the highest counter is right. A row whose replies are all acknowledged is overwritten
// by a later one, so forgetting replies costs nothing and a session has few rows.
#pragma once

#include <optional>
#include <vector>

#include "core/base/node_id.h"
#include "core/kv/change.h"
#include "core/kv/types.h"
#include "core/raft/types.h"

namespace aspen::kv::layout {

inline constexpr uint64_t kFormatVersion = 4;
inline constexpr uint64_t kFormatVersionMin = 2;

enum class RowKind : uint8_t {
  progress = 0,
  record = 1,
  session = 2,
  history = 3,
  changes = 4,
  lease = 5,
  attachment = 6,
  quota = 7,
  index = 8,
  index_entry = 9
};

struct Head {
  uint64_t version = kFormatVersion;  // as it was found; what is written has this one
  uint32_t generation = 1;
  std::optional<raft::SnapshotMeta> restored;
};

struct Progress {
  raft::Index applied = 0;
  WallNs time = 0;
  uint64_t compacted = 0;  // the oldest revision that can be read
};

// A record that is no more the current one.
struct HistoryRow {
  uint64_t until = 0;  // the revision that put or erased its key again
  RecordView record;
};

struct ChangeRow {
  struct Item {
    Event::Kind kind;
    BytesView key;
    uint64_t previous;  // the mod revision that it superseded; 0: none
  };
  std::vector<Item> items = {};  // by ascending key; at least one
};

struct LeaseRow {
  DurationNs ttl = 0;
  WallNs granted = 0;  // log time
  uint64_t keys = 0;   // attached
  uint64_t key_bytes = 0;
  Bytes prefix = {};  // of the keys that can be
};

struct QuotaRow {
  uint64_t bytes_max = 0;  // 0: any
  uint64_t keys_max = 0;
  uint64_t bytes = 0;  // of the keys with the prefix and their values
  uint64_t keys = 0;
};

struct IndexRow {
  Bytes name = {};
  Bytes prefix = {};
  Bytes extractor = {};
  uint8_t state = 0;  // kv::Index::State
  // While it is built, the first key that was not looked at; while it is dropped, the first bytes of the
  // first entry that is left.
  Bytes cursor = {};
  uint64_t records = 0;  // looked at
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
  NodeId owner = {};                // all zero: anybody
};

// The last field of a message or a row: who owns a session, and nothing where anybody does.
void encode_owner(wire::Writer& writer, const NodeId& owner);
NodeId decode_owner(wire::Reader& reader);

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
Bytes history_key(uint32_t generation, BytesView key, uint64_t mod_revision);
// All rows of keys from this one on have it as a bound, and of keys before it lie below.
Bytes history_bound(uint32_t generation, BytesView key);
Bytes changes_key(uint32_t generation, uint64_t revision);
Bytes lease_key(uint32_t generation, LeaseId lease);
Bytes attachment_key(uint32_t generation, LeaseId lease, BytesView key);
Bytes quota_key(uint32_t generation, BytesView prefix);
Bytes index_key(uint32_t generation, uint64_t index);
// Without an entry, the prefix of all of the index.
Bytes index_entry_key(uint32_t generation, uint64_t index, BytesView entry);
inline constexpr size_t kIndexEntryPrefixBytes = kGenerationBytes + 1 + 8;
// The prefix of every row of the kind.
Bytes rows_prefix(uint32_t generation, RowKind kind);

// What a key without its generation stands for.
struct RowName {
  RowKind kind = RowKind::progress;
  BytesView record;       // of a record: its key
  SessionId session = 0;  // of a session
  uint16_t slot = 0;
  Bytes key = {};       // of a history row and an attachment its key, of a quota its prefix; the entry
  uint64_t number = 0;  // of a history row its mod revision, of changes theirs; the lease; the index
};
// Errors: CORRUPT.
Result<RowName> parse_row_name(BytesView key);

Bytes encode(const Head& head);
Bytes encode(const Progress& progress);
Bytes encode(const SessionRow& session);
// Of a row as it was found.
Bytes encode_history(uint64_t until, BytesView record_row);
Bytes encode(const ChangeRow& changes);
Bytes encode(const LeaseRow& lease);
Bytes encode(const QuotaRow& quota);
Bytes encode(const IndexRow& index);
// Errors: CORRUPT naming the row; of the head also UNSUPPORTED naming the two format versions.
Result<Head> decode_head(BytesView bytes);
Result<Progress> decode_progress(BytesView bytes);
Result<SessionRow> decode_session(BytesView bytes);
Result<RecordView> decode_record(BytesView bytes);
// The views are into the bytes.
Result<HistoryRow> decode_history(BytesView bytes);
Result<ChangeRow> decode_changes(BytesView bytes);
Result<LeaseRow> decode_lease(BytesView bytes);
Result<QuotaRow> decode_quota(BytesView bytes);
Result<IndexRow> decode_index(BytesView bytes);

}  // namespace aspen::kv::layout

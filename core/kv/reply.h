// What the state machine answers to a command: the same bytes on every replica, and again on a retry.
//
// A reply is an error, the outcome of a write, a session's id, or what another command came to; the decoders
// turn an error that was encoded back into the Result's error.
#pragma once

#include <optional>
#include <vector>

#include "core/kv/read.h"
#include "core/kv/types.h"

namespace aspen::kv {

// Of one operation of a transaction.
struct OpResult {
  enum class Kind : uint8_t {
    change = 1,  // of a put or an erase
    erased = 2,  // of an erase_range
    got = 3,     // of a get
    ranged = 4,  // of a range
    nested = 5,  // of a transaction
  };
  // Of a change: whether the key was there before, and the mod revision it had; 0 when it was absent. The
  // record it had is in `record` if the operation asked for it.
  bool existed = false;
  uint64_t previous_revision = 0;
  Kind kind = Kind::change;
  std::optional<Record> record = {};   // of a get: none when the key is absent
  uint64_t count = 0;                  // of erased: how many keys were there
  std::vector<KeyRecord> erased = {};  // of erased, if the operation asked for it: as they were, by key
  RangeReply range = {};               // of ranged
  bool succeeded = false;              // of nested: whether its compares held
  std::vector<OpResult> results = {};  // of nested: of the branch it took

  bool operator==(const OpResult& other) const;
};

struct WriteReply {
  bool succeeded = false;
  uint64_t revision = 0;  // the command's log index, also when nothing was changed
  // When it did not succeed: the first compare that did not hold. And the record then of its key, or of the
  // first key in its range that did not hold; none when that is absent.
  uint32_t failed_compare = 0;
  std::optional<KeyRecord> current = {};
  // One for each operation of the branch that was taken.
  std::vector<OpResult> results = {};

  bool operator==(const WriteReply&) const = default;
};

// To a command that is neither a write nor about a session.
struct DoneReply {
  uint64_t revision = 0;  // the command's log index
  // Of a compact: the revision that the store is compacted to now. Of a lease_grant: the lease. Of a
  // lease_revoke: keys erased. Of a leases_expire: of the leases named first so many are gone now. Of a
  // quota_set: the bytes that the keys with the prefix have now. Of an index_create and an index_drop: the
  // index's id. Of an index_step: how many indexes need more steps.
  uint64_t result = 0;

  bool operator==(const DoneReply&) const = default;
};

Bytes encode(const WriteReply& reply);
Bytes encode(const DoneReply& reply);
// To open_session, the new session; to close_session, the one that is closed now (or was not open).
Bytes encode_session_reply(SessionId session);
// Errors about a command: INVALID_ARGUMENT, LIMIT_EXCEEDED, NOT_FOUND (a lease, an index), ALREADY_EXISTS (an
// index), COMPACTED, QUOTA_EXCEEDED;
// OVERLOADED (the session holds too many replies), SESSION_EXPIRED. The last says nothing about an earlier
// arrival of the same command, which may have been applied before the session was forgotten.
Bytes encode_error_reply(const Error& error);

// Errors: the one in the reply; PROTOCOL when it is not a reply of that kind.
Result<WriteReply> decode_write_reply(BytesView bytes);
Result<DoneReply> decode_done_reply(BytesView bytes);
Result<SessionId> decode_session_reply(BytesView bytes);

}  // namespace aspen::kv

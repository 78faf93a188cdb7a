// What the state machine answers to a command: the same bytes on every replica, and again on a retry.
//
// A reply is an error, the outcome of a write, or a session's id; the decoders turn an error that was
// encoded back into the Result's error.
#pragma once

#include <optional>
#include <vector>

#include "core/kv/types.h"

namespace aspen::kv {

struct OpResult {
  bool existed = false;            // whether the key was there before
  uint64_t previous_revision = 0;  // the mod revision it had; 0 when it was absent

  bool operator==(const OpResult&) const = default;
};

struct WriteReply {
  bool succeeded = false;
  uint64_t revision = 0;  // the command's log index, also when nothing was changed
  // When it failed: the first condition that did not hold, and that key's record then.
  uint32_t failed_condition = 0;
  std::optional<Record> current;
  // When it succeeded: one for each operation.
  std::vector<OpResult> results;

  bool operator==(const WriteReply&) const = default;
};

Bytes encode(const WriteReply& reply);
// To open_session, the new session; to close_session, the one that is closed now (or was not open).
Bytes encode_session_reply(SessionId session);
// Errors about a command: INVALID_ARGUMENT, LIMIT_EXCEEDED, OVERLOADED (the session holds too many
// replies), SESSION_EXPIRED. The last says nothing about an earlier arrival of the same command, which
// may have been applied before the session was forgotten.
Bytes encode_error_reply(const Error& error);

// Errors: the one in the reply; PROTOCOL when it is not a reply of that kind.
Result<WriteReply> decode_write_reply(BytesView bytes);
Result<SessionId> decode_session_reply(BytesView bytes);

}  // namespace aspen::kv

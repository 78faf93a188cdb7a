// What clients put in the log: a transaction, or the opening and closing of a session.
//
// A transaction is a list of conditions and a list of operations: when every condition holds, all the
// operations happen at one revision, else none. A session makes it happen once however often it arrives:
// the client numbers its writes, the state machine remembers the reply to each number, and a number that
// comes again gets the remembered reply. Writes may arrive in any order. `acknowledged_below` tells what
// need not be remembered any more: the client has the reply to every lower number.
//
//   Command command{.kind = Command::Kind::write, .session = s, .sequence = 7, .acknowledged_below = 5};
//   command.conditions.push_back({.kind = Condition::Kind::absent, .key = "lock"});
//   command.ops.push_back({.kind = Op::Kind::put, .key = "lock", .value = "mine"});
//
// A session takes sequences in [acknowledged_below, acknowledged_below + limits::kSessionResultsMax).
#pragma once

#include <vector>

#include "core/kv/reply.h"
#include "core/kv/types.h"

namespace aspen::kv {

struct Op {
  enum class Kind : uint8_t { put = 1, erase = 2 } kind = Kind::put;
  Bytes key = {};
  Bytes value = {};  // of a put

  bool operator==(const Op&) const = default;
};

struct Condition {
  enum class Kind : uint8_t {
    absent = 1,
    present = 2,
    value_equals = 3,
    mod_revision_equals = 4
  } kind = Kind::absent;
  Bytes key = {};
  Bytes value = {};       // of value_equals
  uint64_t revision = 0;  // of mod_revision_equals; an absent key has 0

  bool operator==(const Condition&) const = default;
};

struct Command {
  enum class Kind : uint8_t { open_session = 1, write = 2, close_session = 3 } kind = Kind::write;
  SessionId session = 0;  // of a write, 0: none, and a command that arrives twice happens twice
  uint64_t sequence = 0;  // this and the next are 0 without a session
  uint64_t acknowledged_below = 0;
  std::vector<Condition> conditions = {};
  std::vector<Op> ops = {};

  bool operator==(const Command&) const = default;
};

// Only the fields that its kind gives a meaning are written.
Bytes encode(const Command& command);
Result<Command> decode_command(BytesView bytes);

// What a user can do wrong: an empty or too long key, a value, operation count or sum of bytes over its
// limit, a key changed twice. Errors: INVALID_ARGUMENT, LIMIT_EXCEEDED, naming the thing and the limit.
Result<> validate(const Command& command);

}  // namespace aspen::kv

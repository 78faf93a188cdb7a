// What clients, and the leader, put in the log.
//
// A session makes a command happen once however often it arrives: the client numbers its commands, the state
// machine remembers the reply to each number, and a number that comes again gets the remembered reply.
// Commands may arrive in any order. `acknowledged_below` tells what need not be remembered any more: the
// client has the reply to every lower number.
//
//   Command command{.kind = Command::Kind::write, .session = s, .sequence = 7, .acknowledged_below = 5};
//   command.transaction.compares = {key_absent("lock")};
//   command.transaction.then = {{.kind = Op::Kind::put, .key = "lock", .value = "mine"}};
//
// A session is its owner's. The member that proposes a command knows whom it is from: it says so in an
// open_session, and refuses commands in a session of somebody else's (StateMachine::session_owner).
//
// A session takes sequences in [acknowledged_below, acknowledged_below + limits::kSessionResultsMax).
#pragma once

#include <vector>

#include "core/base/node_id.h"
#include "core/base/time.h"
#include "core/kv/reply.h"
#include "core/kv/transaction.h"
#include "core/kv/types.h"

namespace aspen::kv {

struct Command {
  enum class Kind : uint8_t {
    open_session = 1,
    write = 2,
    close_session = 3,
    compact = 4,
    lease_grant = 5,
    lease_revoke = 6,
    leases_expire = 7,  // of the leader: their time has run out
    quota_set = 8,
    index_create = 9,
    index_drop = 10,
    index_step = 11,  // of the leader: some more of the index that is to be built, or erased
  } kind = Kind::write;
  SessionId session = 0;  // 0: none, and a command that arrives twice happens twice
  uint64_t sequence = 0;  // this and the next are 0 without a session, and of open and close
  uint64_t acknowledged_below = 0;

  NodeId owner = {};                 // of an open_session: who may use it; all zero: anybody
  Transaction transaction = {};      // of a write
  uint64_t revision = 0;             // of a compact: the oldest that can still be read
  DurationNs ttl = 0;                // of a grant: limits::kLeaseTtlMin to kLeaseTtlMax
  std::vector<LeaseId> leases = {};  // of a revoke: one; of an expiry: ascending
  // Of a quota_set: what all keys with the prefix may come to; both 0: no quota any more. A limit of 0 beside
  // one that is not means that there is none. An index_create has the prefix too. Of a lease_grant: of the
  // keys that can be attached; of a lease_revoke: a lease ends only if it is of such a prefix or a longer
  // one.
  Bytes prefix = {};
  uint64_t bytes_max = 0;
  uint64_t keys_max = 0;
  Bytes name = {};       // of an index_create and an index_drop
  Bytes extractor = {};  // of an index_create (extractor.h)

  bool operator==(const Command&) const = default;
};

// Only the fields that its kind gives a meaning are written.
Bytes encode(const Command& command);
Result<Command> decode_command(BytesView bytes);

// What a user can do wrong (transaction.h). Errors: INVALID_ARGUMENT, LIMIT_EXCEEDED, naming the thing and
// the limit.
Result<> validate(const Command& command);

}  // namespace aspen::kv

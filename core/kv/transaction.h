// A transaction: what must hold, what then happens, and what happens else.
//
// All compares are of the state before the transaction. When every one holds, the operations of `then` run,
// else those of `otherwise`; in order, each sees what the ones before it did. A branch may hold another
// transaction, which compares and runs at its place. All changes have one revision: of a key that was changed
// several times the last one counts. When an operation cannot be carried out, none is.
//
//   Transaction take;
//   take.compares = {key_absent("lock")};
//   take.then = {{.kind = Op::Kind::put, .key = "lock", .value = "mine", .lease = lease}};
//   take.otherwise = {{.kind = Op::Kind::get, .key = "lock"}};
//
// Limits, over all transactions nested in one: limits::kTransactionOpsMax, kTransactionBytesMax,
// kTransactionDepthMax, kTransactionReplyBytesMax, kTransactionRowsMax, kRevisionKeysMax.
#pragma once

#include <optional>
#include <vector>

#include "core/kv/read.h"
#include "core/kv/types.h"

namespace aspen::kv {

struct Compare {
  enum class Target : uint8_t {
    value = 1,
    version = 2,
    create_revision = 3,
    mod_revision = 4,
    lease = 5,
    exists = 6,           // equal to 0 or 1; over a range 1: there is a key in it
    unchanged_since = 7,  // equal: no change, erasures included, after that revision
  } target = Target::exists;
  enum class Relation : uint8_t {
    equal = 1,
    not_equal = 2,
    less = 3,
    greater = 4
  } relation = Relation::equal;
  Bytes key = {};
  // With it the compare is of every key from `key` to this one, which is not in (empty: no end), and holds
  // when there is none.
  std::optional<Bytes> end = {};
  Bytes value = {};     // of a value, which no absent key has
  uint64_t number = 0;  // of the others, which are 0 of an absent key

  bool operator==(const Compare&) const = default;
};

Compare key_absent(Bytes key);
Compare key_present(Bytes key);
Compare value_is(Bytes key, Bytes value);
Compare mod_revision_is(Bytes key, uint64_t revision);

struct Transaction;

struct Op {
  enum class Kind : uint8_t {
    put = 1,
    erase = 2,
    erase_range = 3,
    get = 4,
    range = 5,
    transaction = 6
  } kind = Kind::put;
  Bytes key = {};
  Bytes value = {};       // of a put
  LeaseId lease = 0;      // of a put: it takes the key with it; 0: none, and the key leaves the one it had
  bool previous = false;  // of a put and both erasures: the reply has the records that were there
  // Of a range, and start and end of an erase_range. Its revision is 0.
  RangeRequest range = {};
  std::vector<Transaction> nested;  // of a transaction: one

  bool operator==(const Op& other) const;
};

struct Transaction {
  std::vector<Compare> compares = {};
  std::vector<Op> then = {};
  std::vector<Op> otherwise = {};

  bool operator==(const Transaction&) const;
};

void encode(wire::Writer& writer, const Transaction& transaction);
Transaction decode_transaction(wire::Reader& reader);

// What a user can do wrong. Errors: INVALID_ARGUMENT, LIMIT_EXCEEDED, naming the thing and the limit.
Result<> validate(const Transaction& transaction);

}  // namespace aspen::kv

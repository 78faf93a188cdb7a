// What clients did to the store and what they were told: the input of every linearizability check.
//
//   History history;
//   ASPEN_TRY(size_t id, history.invoke(client, now, Operation::Get{.key = "k"}));
//   ...
//   history.succeed(id, now, reply);        // or history.fail(id, now, error)
//
// An operation takes effect, if it does, at one moment between its invocation and its return. A write whose
// error says that it may have been applied stays open for ever: it takes effect at any later time, or never.
// One whose error says that it was not applied must never be seen. A read that failed says nothing.
//
// Events of a run happen one after another although many have the same virtual time, so the order is told by
// numbers: of two events the one with the lower number was first.
//
// The text form has one line for each operation, so that shrinking a history is leaving out lines.
//
// Limits: kHistoryOperationsMax; what cannot be recorded must not be done.
// Thread safety: none.
#pragma once

#include <variant>
#include <vector>

#include "core/base/time.h"
#include "core/kv/command.h"
#include "core/kv/read.h"
#include "core/node/freshness.h"

namespace aspen::lab {

inline constexpr size_t kHistoryOperationsMax = 1'000'000;
// The order number of a return that has not come.
inline constexpr uint64_t kStillOpen = UINT64_MAX;

// What must hold for a write to happen.
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

// Puts and erasures, of each key at most one.
struct WriteCall {
  std::vector<Condition> conditions = {};
  std::vector<kv::Op> ops = {};
  kv::WriteReply reply = {};
  bool operator==(const WriteCall&) const = default;
  kv::Command command() const;
};

struct GetCall {
  Bytes key = {};
  node::Freshness freshness = {};
  kv::GetReply reply = {};
  bool operator==(const GetCall&) const = default;
};

struct RangeCall {
  kv::RangeRequest request = {};
  node::Freshness freshness = {};
  kv::RangeReply reply = {};
  bool operator==(const RangeCall&) const = default;
};

struct Operation {
  using Write = WriteCall;
  using Get = GetCall;
  using Range = RangeCall;
  using Call = std::variant<Write, Get, Range>;
  enum class Outcome : uint8_t { open, ok, not_applied, maybe };

  uint64_t client = 0;
  Call call;
  Outcome outcome = Outcome::open;
  uint64_t invoked = 0;
  uint64_t returned = kStillOpen;  // also when the outcome is `maybe`
  TimeNs invoked_at = 0;
  TimeNs returned_at = kNever;  // when the client was told, also of `maybe`

  bool ok() const { return outcome == Outcome::ok; }
  const Write* write() const { return std::get_if<Write>(&call); }
  // A write of which nobody knows whether it took effect.
  bool ambiguous() const {
    return write() != nullptr && (outcome == Outcome::open || outcome == Outcome::maybe);
  }
  // Of a write: none.
  node::Freshness freshness() const;
  // May answer with what was true at an earlier time.
  bool stale() const { return freshness().stale(); }
  bool operator==(const Operation&) const = default;
};

// For people: who, what, when, and the answer.
std::string describe(const Operation& operation);
std::string describe(const kv::Record& record);
// The line of the text form, without its end.
std::string to_line(const Operation& operation);

class History {
 public:
  explicit History(size_t operations_max = kHistoryOperationsMax) : operations_max_(operations_max) {}

  // The operation's place in operations(). A call's reply is ignored. Errors: LIMIT_EXCEEDED.
  Result<size_t> invoke(uint64_t client, TimeNs now, Operation::Call call);
  // Requires: the operation is open and of this kind.
  void succeed(size_t id, TimeNs now, kv::WriteReply reply);
  void succeed(size_t id, TimeNs now, kv::GetReply reply);
  void succeed(size_t id, TimeNs now, kv::RangeReply reply);
  void fail(size_t id, TimeNs now, const Error& error);

  // In the order of their invocations.
  const std::vector<Operation>& operations() const { return operations_; }
  const Operation& at(size_t id) const { return operations_.at(id); }
  size_t size() const { return operations_.size(); }
  // Something could not be recorded.
  bool full() const { return full_; }

  std::string text() const;
  // Errors: INVALID_ARGUMENT with the line's number; LIMIT_EXCEEDED.
  static Result<History> parse(std::string_view text);

 private:
  Operation& finish(size_t id, TimeNs now, Operation::Outcome outcome);

  size_t operations_max_;
  bool full_ = false;
  uint64_t next_order_ = 0;
  std::vector<Operation> operations_;
};

}  // namespace aspen::lab

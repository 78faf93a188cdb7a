// A transaction in the making: what it has read, all at one revision, and what it wants to change.
//
// Who reads before knowing what to write cannot put both into one Transaction. A draft keeps the changes to
// itself, shows them to its own later reads, and remembers what was read, keys that are absent and the gaps
// of ranges included. In the end it becomes one Transaction that is carried out only if none of that has
// changed since: optimistic concurrency control with backward validation (Kung and Robinson, "On optimistic
// methods for concurrency control", 1981), the validation being the compare `unchanged_since`.
//
//   Draft draft;
//   ASPEN_TRY(Draft::Found found, draft.get("a"));
//   if (!found.here) { reply = <the store's answer for "a" at draft.revision()>; draft.began(reply.revision);
//   } ASPEN_CHECK(draft.put("b", "1")); Transaction transaction = draft.transaction();
//
// A branch is a draft that lives longer: it is restricted to a prefix, it also checks that nobody else has
// changed the keys that it writes, and it can have branches of its own, which read through it and are
// committed into it. Who changes a draft while it has branches makes those that read or write the same
// keys conflict.
//
// Invariants: reads see the store at revision() with the draft's changes over it; at most
// limits::kTransactionOpsMax compares and operations, and limits::kTransactionBytesMax bytes of them. Thread
// safety: none.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/kv/key_ranges.h"
#include "core/kv/reply.h"
#include "core/kv/transaction.h"

namespace aspen::kv {

class Draft {
 public:
  Draft() = default;
  // A branch of the keys with this prefix.
  explicit Draft(Bytes prefix) : prefix_(std::move(prefix)), branch_(true) {}
  // A branch of a branch. Errors: INVALID_ARGUMENT when the prefix is not within the parent's; LIMIT_EXCEEDED
  // (limits::kBranchDepthMax).
  static Result<Draft> branch(std::shared_ptr<Draft> parent, Bytes prefix);

  // Of the store, which all reads see; 0 until one has been answered. Branches of branches share it.
  uint64_t revision() const { return parent_ ? parent_->revision() : revision_; }
  // Says at which revision the first read was answered; later calls change nothing.
  void began(uint64_t revision);

  struct Found {
    bool here = false;             // else the store has to be asked
    std::optional<Record> record;  // with revisions of 0, when it is the draft's own
  };
  // Reads of a key. Errors: INVALID_ARGUMENT, also of a key that is not in the branch; LIMIT_EXCEEDED.
  Result<Found> get(BytesView key);
  // What to ask the store for, and what its answer comes to with the draft's changes; that may be nothing,
  // with more to come.
  Result<RangeRequest> ask(RangeRequest request) const;
  Result<RangeReply> merge(const RangeRequest& request, RangeReply reply);

  Result<> put(BytesView key, BytesView value, LeaseId lease = 0);
  Result<> erase(BytesView key);
  Result<> erase_range(BytesView start, BytesView end);

  // Nothing was changed: there is nothing to carry out.
  bool changes_nothing() const { return writes_.empty() && erased_.size() == 0; }
  // What commits a draft, or a branch that is no other's.
  Transaction transaction() const;

  // Of a branch: where somebody else was faster.
  struct Conflict {
    Bytes start;
    Bytes end;  // of one key: key_end(start)

    bool operator==(const Conflict&) const = default;
  };
  // From the answer to transaction(). Empty when it succeeded.
  std::vector<Conflict> conflicts(const WriteReply& reply) const;
  // Of a branch of a branch: hands over everything, or, with conflicts, nothing. Errors: LIMIT_EXCEEDED.
  Result<std::vector<Conflict>> commit_into_parent();

 private:
  struct Write {
    std::optional<Bytes> value;  // none: erased
    LeaseId lease = 0;
    uint64_t stamp = 0;
  };
  using Writes = std::map<Bytes, Write, std::less<>>;

  Result<> check_key(BytesView key) const;
  Result<> check_size(size_t more_ops, size_t more_bytes) const;
  Result<> read(Bytes start, Bytes end);
  std::optional<Found> own(BytesView key) const;
  Result<> write(BytesView key, std::optional<Bytes> value, LeaseId lease);
  std::vector<Compare> compares() const;
  void merge_own(const RangeRequest& request, RangeReply& reply) const;
  bool changed_since(uint64_t stamp, BytesView start, BytesView end) const;

  std::shared_ptr<Draft> parent_;
  uint64_t parent_stamp_ = 0;  // its stamp_ when this branch began
  Bytes prefix_;
  bool branch_ = false;
  size_t depth_ = 0;

  uint64_t revision_ = 0;
  uint64_t stamp_ = 0;  // of the latest change
  KeyRanges reads_;
  Writes writes_;
  KeyRanges erased_;  // before any of the writes
  size_t write_bytes_ = 0;
};

}  // namespace aspen::kv

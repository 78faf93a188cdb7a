// What users of drafts and branches read, staged and were told, and whether that is what drafts promise:
//
//   - a read sees the store at the draft's revision with the draft's own changes over it, and with those of
//     the branches that it is a branch of;
//   - a commit that succeeded has changed what was staged and nothing else, at one revision, up to which
//     nothing had changed that was read, or, by a branch, written: the drafts that were committed are
//     serializable in the order of their revisions;
//   - one that did not succeed met such a change, and a branch is told where;
//   - what was not committed changed nothing.
//
// Thread safety: none.
#pragma once

#include "core/lab/committed_model.h"
#include "core/node/shared_draft.h"

namespace aspen::lab {

using Conflict = kv::Draft::Conflict;

// Ranges that were erased, and then keys that were put or erased.
struct Staged {
  std::vector<Conflict> erased = {};
  std::map<Bytes, std::optional<Bytes>> writes = {};  // none: erased

  bool has(const Bytes& key) const;
  void erase_range(const Bytes& start, const Bytes& end);
  void add(const Staged& later);
  // Every key and range that is changed.
  std::vector<Conflict> ranges() const;
  kv::TestModel::State over(kv::TestModel::State state) const;
};

struct DraftStory {
  struct Read {
    kv::RangeRequest request;  // a get is a range of one key
    kv::RangeReply page;
    Staged staged;  // by the draft, and those that it is a branch of, until then
  };

  uint64_t tag = 0;  // of its commit to the store; 0: a branch of a branch
  bool branch = false;
  uint64_t acknowledged = 0;  // a revision that was told before it began
  uint64_t revision = 0;      // 0: nothing was read
  Staged staged = {};
  std::vector<Conflict> read = {};  // of the store
  std::vector<Read> reads = {};
  bool committed = false;                                           // it was asked to be
  std::optional<Result<node::SharedDraft::Committed>> answer = {};  // none: its machine crashed

  bool changes_nothing() const { return staged.erased.empty() && staged.writes.empty(); }
  // What may not have changed since.
  std::vector<Conflict> checked() const;
};

// What is wrong with it; empty: nothing.
std::string check_draft(const DraftStory& story, const CommittedModel& committed);

// Those that were told, of the ranges that were checked, against those that have changed.
std::string check_conflicts(const std::vector<Conflict>& told, const std::vector<Conflict>& checked,
                            const std::function<bool(const Conflict&)>& changed);

}  // namespace aspen::lab

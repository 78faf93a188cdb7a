// What the committed log says happened, made by a state machine of its own: the truth for oracles of watches.
//
// It is shown every member's core after each turn (Cluster::observed) and carries out the entries that it has
// not seen, once and one by one. An entry is in a log in the turn in which somebody first commits it, so none
// can be missed.
//
// Thread safety: none.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "core/kv/state_machine.h"
#include "core/raft/core.h"

namespace aspen::lab {

class CommittedChanges {
 public:
  CommittedChanges();
  ~CommittedChanges();

  // Told of each entry when it has been carried out, with the reply to it; null: nobody asks.
  std::function<void(const raft::EntryPtr& entry, BytesView reply)> carried_out;

  void observe(const raft::Core& core);
  // Another entry. Requires: it comes after the last one.
  void apply(const raft::EntryPtr& entry);

  // By ascending revision.
  const std::vector<kv::ChangeSet>& sets() const { return sets_; }
  // From the first set that is not before the revision.
  std::vector<kv::ChangeSet>::const_iterator from(uint64_t revision) const;
  // All of them up to here are known.
  uint64_t upto() const { return machine_->applied(); }
  // Whether the store was ever compacted to this revision.
  bool compacted_to(uint64_t revision) const { return compactions_.contains(revision); }
  // The oldest revision that can be read.
  uint64_t compacted() const { return machine_->compacted(); }
  // Why it does not know them any more; empty: it does.
  const std::string& failure() const { return failure_; }

 private:
  std::unique_ptr<kv::StateMachine> machine_;
  std::vector<kv::ChangeSet> sets_;
  std::set<uint64_t> compactions_;
  std::string failure_;
};

}  // namespace aspen::lab

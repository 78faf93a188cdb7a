#include "core/lab/committed_changes.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"

namespace aspen::lab {

CommittedChanges::CommittedChanges() {
  auto machine = kv::StateMachine::open(store::open_memory());
  ASPEN_ASSERT(machine);
  machine_ = std::move(*machine);
  machine_->on_changes([this](kv::Changes changes) {
    for (kv::ChangeSet& set : changes.sets) sets_.push_back(std::move(set));
  });
}

CommittedChanges::~CommittedChanges() = default;

void CommittedChanges::observe(const raft::Core& core) {
  const raft::Log& log = core.log();
  for (raft::Index next = upto() + 1; next <= core.commit() && failure_.empty(); ++next) {
    if (next < log.first_index()) {
      failure_ = fmt::format("entry {} was committed and compacted in one turn", next);
      return;
    }
    apply(log.at(next));
  }
}

void CommittedChanges::apply(const raft::EntryPtr& entry) {
  auto replies = machine_->apply({&entry, 1});
  compactions_.insert(machine_->compacted());
  if (!replies) failure_ = replies.error().to_string();
  if (replies && carried_out) carried_out(entry, replies->front());
}

std::vector<kv::ChangeSet>::const_iterator CommittedChanges::from(uint64_t revision) const {
  return std::ranges::lower_bound(sets_, revision, {}, &kv::ChangeSet::revision);
}

}  // namespace aspen::lab

#include "core/raft/durability.h"

#include <algorithm>

#include "core/base/assert.h"

namespace aspen::raft {

void Durability::truncated(Index from) {
  ASPEN_ASSERT(from > 0);
  if (from < unwritten_) {
    truncate_from_ = truncate_from_ == 0 ? from : std::min(truncate_from_, from);
    unwritten_ = from;
  }
  index_ = std::min(index_, from - 1);
  for (InFlight& write : writes_) write.last = std::min(write.last, from - 1);
}

void Durability::reset(Index snapshot) {
  truncate_from_ = 0;
  unwritten_ = snapshot + 1;
  index_ = snapshot;
  for (InFlight& write : writes_) write.last = 0;
}

Durability::Write Durability::begin(const HardState& state, Index last) {
  ASPEN_ASSERT(dirty(state, last));
  Write write{++token_, written_ != state, truncate_from_, unwritten_};
  writes_.push_back({token_, state, last});
  written_ = state;
  truncate_from_ = 0;
  unwritten_ = last + 1;
  return write;
}

void Durability::synced(uint64_t token) {
  while (!writes_.empty() && writes_.front().token <= token) {
    index_ = std::max(index_, writes_.front().last);
    hard_state_ = writes_.front().hard_state;
    writes_.pop_front();
  }
}

void Durability::encode_state(wire::Writer& writer, const std::function<PeerId(PeerId)>& name) const {
  auto hard_state = [&](const HardState& state) {
    writer.u64(state.term);
    writer.u64(name(state.vote));
  };
  hard_state(hard_state_);
  hard_state(written_);
  for (Index index : {index_, unwritten_, truncate_from_}) writer.u64(index);
  writer.u64(writes_.size());
  for (const InFlight& write : writes_) {
    writer.u64(age(write.token));
    hard_state(write.hard_state);
    writer.u64(write.last);
  }
}

}  // namespace aspen::raft

// Which of a core's promises the disk can keep, while writes are still in flight.
//
// The driver writes asynchronously and in order: a write is begun when its effects are taken and done when
// its token comes back. In between the log may be truncated and written again at the same indexes. A
// finished write proves an index only if nothing replaced it since that write was begun: comparing terms
// would not be enough, because an entry can be truncated and come back (A, B, A) while the disk is at B.
// So truncation clips what every write in flight may prove.
//
// Invariants: index() is never past the log's end; entries up to index() are on disk as in the log.
// Thread safety: none; owned by one core.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "core/raft/types.h"

namespace aspen::raft {

class Durability {
 public:
  Durability(HardState on_disk, Index last) : hard_state_(on_disk), index_(last), unwritten_(last + 1) {
    written_ = on_disk;
  }

  // The last entry and the hard state known to be synced.
  Index index() const { return index_; }
  const HardState& hard_state() const { return hard_state_; }

  // Entries at and above `from` left the log.
  void truncated(Index from);
  // The log was replaced, on disk too, by a snapshot.
  void reset(Index snapshot);

  // Whether there is something to write, given the core's hard state and last index.
  bool dirty(const HardState& state, Index last) const {
    return truncate_from_ != 0 || unwritten_ <= last || written_ != state;
  }
  struct Write {
    uint64_t token;
    bool hard_state;      // has to be written
    Index truncate_from;  // 0: nothing
    Index first;          // write the entries from here to the last
  };
  // Requires: dirty().
  Write begin(const HardState& state, Index last);

  bool writing() const { return !writes_.empty(); }
  // The newest write in flight. Requires: writing().
  uint64_t newest() const { return writes_.back().token; }
  // A write, and with it all before it, is on disk. Unknown tokens are ignored.
  void synced(uint64_t token);

  // How many writes were begun after `token`.
  uint64_t age(uint64_t token) const { return token_ - token; }
  // See Core::encode_state.
  void encode_state(wire::Writer& writer, const std::function<PeerId(PeerId)>& name) const;

 private:
  struct InFlight {
    uint64_t token;
    HardState hard_state;
    Index last;
  };
  HardState hard_state_;
  HardState written_;  // handed out with the last write
  Index index_;
  Index unwritten_;  // entries from here on were not handed out
  Index truncate_from_ = 0;
  uint64_t token_ = 0;
  std::deque<InFlight> writes_;
};

}  // namespace aspen::raft

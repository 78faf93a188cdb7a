// How far one follower is, as its leader knows it, and how much may be sent to it.
//
//   probe      the leader looks for where the logs agree: one append at a time
//   replicate  they agree at `match`: appends are pipelined up to a window
//   snapshot   the follower needs entries that are gone: nothing is sent until a snapshot has arrived
//
//   probe --accepted--> replicate --rejected, lost connection--> probe
//   probe --entries are compacted--> snapshot --accepted--> replicate, --snapshot_sent--> probe
//
// Invariants: match < next; in flight only while replicating.
// Thread safety: none; owned by one core.
#pragma once

#include <deque>

#include "core/raft/types.h"

namespace aspen::raft {

class FollowerProgress {
 public:
  enum class State : uint8_t { probe, replicate, snapshot };

  FollowerProgress(Index next, TimeNs now) : contact(now), next_(next) {}

  State state() const { return state_; }
  Index match() const { return match_; }
  Index next() const { return next_; }
  bool idle() const { return in_flight_.empty(); }
  // Whether another append may leave now.
  struct Window {
    size_t appends;
    size_t bytes;  // what is under way is below it when another append leaves
  };
  bool may_send(const Window& window) const;
  // Entries next()..last of so many bytes left (last < next(): none).
  void sent(Index last, size_t bytes);
  void accepted(Index index, Index log_first);
  // A refusal of the append after `rejected`; `agree` is where the logs may agree. False when it is stale.
  bool rejected(Index rejected, Index agree);
  // Messages in flight may be lost: find the follower's end again. `wait` for the next heartbeat with it.
  void probe(bool wait);
  void probe_again() { probe_sent_ = false; }
  size_t bytes_in_flight() const { return bytes_in_flight_; }
  // The entries from next() on are compacted. True, once for each time that next() was a guess from match():
  // now the follower is asked at the log's end instead. It may have more than it could say.
  bool ask_at(Index last);
  void snapshot_offered(Index index);
  void snapshot_ended(bool ok);
  // Everything but the times; see Core::encode_state.
  void encode_state(wire::Writer& writer) const;

  TimeNs contact;             // last heard from
  TimeNs snapshot_after = 0;  // after a failed one, not before this time
  uint64_t round = 0;         // newest read round it confirmed
  TimeNs lease_until = 0;     // by our clock, however fast: until then it gives nobody a vote
  Index commit_sent = 0;      // newest commit index it was told
  Index match_at_tick = 0;    // match() at the last heartbeat, to notice a lost append
  bool ping = false;          // send an append even if it is empty

 private:
  State state_ = State::probe;
  Index match_ = 0;
  Index next_;
  Index snapshot_ = 0;
  bool probe_sent_ = false;
  bool asked_ = true;  // next() is the log's end or comes from the answer to a probe there
  struct InFlight {
    Index last;
    size_t bytes;
  };
  std::deque<InFlight> in_flight_;  // appends not yet answered
  size_t bytes_in_flight_ = 0;

  void forget_in_flight();
};

}  // namespace aspen::raft

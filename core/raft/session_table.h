// Lets a state machine carry out a command once, however often it was sent.
//
// A client that got no answer sends its command again, and both may be committed. So a client opens a
// session, numbers its commands, and waits for the answer to one before it sends the next; the machine keeps
// the last answer of each session as part of its state, and gives it again.
//
//   SessionTable sessions(10'000);
//   uint64_t id = sessions.open(entry.index);                     // carries out an "open" command
//   Result<Bytes> reply = sessions.once(id, sequence, [&] { return carry_out(command); });
//
// The least recently used session goes when there is one too many. Its client is told SESSION_EXPIRED, and
// not served as if its command were new.
//
// Like everything in a state machine it is the same on every replica: who is forgotten depends on the
// commands only. It belongs into fingerprints and snapshots.
//
// Invariants: size() <= sessions_max.
// Thread safety: none; owned by one state machine.
#pragma once

#include <list>
#include <map>

#include "core/base/wire.h"
#include "core/raft/types.h"

namespace aspen::raft {

class SessionTable {
 public:
  explicit SessionTable(size_t sessions_max) : sessions_max_(sessions_max) {}

  // A new session, named by the index of the entry that opens it.
  uint64_t open(Index index);
  // The answer to command `sequence` of `session`: what `carry_out()` returns, or returned the first time.
  // Errors: SESSION_EXPIRED; INVALID_ARGUMENT for a sequence below the last one, whose answer is forgotten.
  template <typename F>
  Result<Bytes> once(uint64_t session, uint64_t sequence, F carry_out) {
    ASPEN_TRY(Session * found, use(session, sequence));
    if (found->sequence < sequence)
      *found = {.sequence = sequence, .reply = carry_out(), .used = found->used};
    return found->reply;
  }
  size_t size() const { return sessions_.size(); }

  // For snapshots: all there is, in an order that depends on nothing else.
  void encode(wire::Writer& writer) const;
  // Replaces everything; what is not canonical is refused by `reader`.
  void decode(wire::Reader& reader);

 private:
  struct Session {
    uint64_t sequence = 0;  // of the last command; 0: none yet
    Bytes reply = {};
    std::list<uint64_t>::iterator used = {};
  };

  Result<Session*> use(uint64_t session, uint64_t sequence);

  size_t sessions_max_;
  std::map<uint64_t, Session> sessions_;
  std::list<uint64_t> by_use_;  // the least recently used first
};

}  // namespace aspen::raft

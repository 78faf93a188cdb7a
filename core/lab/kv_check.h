// Is a history of the key-value store linearizable: single keys, transactions over many, and ranges at once.
//
// The store tells with every answer its revision, the log index at which the operation took effect (a write)
// or up to which the answering state had applied (a read). So the order is known for all that returned, and
// it is enough to replay it: does it agree with real time, and does every answer agree with the state there?
// That takes near-linear time, where a search over orders takes exponential time in the worst case.
//
// Only writes in doubt have no known place. A revision that an answer shows (of a key's last put, or its
// creation) and that no acknowledged write has, must be one of them: it is matched by keys and values. One of
// which no revision was ever seen, say an erase, is assumed to have happened only when the replay is stuck
// without it, at a free log index between the last moment at which its key was known and the one that
// contradicts.
//
// What answers tell of a key narrows that down before the replay: that one who saw a revision knows of no
// change from there to the answer (kv_spans.h), and how many puts a key had had at each put (kv_evidence.h).
// So a put that comes as a later version than the replay has there says how many hidden ones are missing,
// and that they are between it and the put of the last version that was known.
//
// Where several fit, one is tried: the latest place first, and the replay goes back to it by undoing what
// came after. When it is stuck, the latest choice is made otherwise of those that had a part in it: that
// changed the key since answers told all of it, or took the write or the last log index that is missed.
// Places between which nothing has to do with a write differ only by the log index, so one is tried for all
// of them, and the others only after another write was refused its index.
//
// What is checked, by the name a violation gets:
//   revision-reused          two commands at one revision
//   real-time                a before b by revision, though b had ended before a began (stale reads, lost or
//                            reordered writes); also a stale read of what was not written yet
//   too-old                  a read that may be stale, but not so stale
//   not-applied-took-effect  a write is seen whose error said that it was not applied
//   applied-twice            a write is seen at two revisions
//   never-written            a revision or value is seen that no write can have made there
//   wrong-answer             an answer differs from the state at its revision
//
// Requires: the store was empty when the history began; the history has all its writes, and the answers from
// which clients learnt the revisions that are in their conditions.
// Limits: kKvStepsMax, then the verdict is `unknown` and `rule` names the limit.
// Thread safety: none.
#pragma once

#include "core/lab/linearizability.h"

namespace aspen::lab {

// Operations replayed, over all attempts.
inline constexpr uint64_t kKvStepsMax = 20'000'000;

struct KvReport {
  Verdict::Kind kind = Verdict::Kind::linearizable;
  std::string rule;  // empty when linearizable
  std::string text;  // the witness: what was answered, what was expected, and what was done to the key
  uint64_t steps = 0;
  bool linearizable() const { return kind == Verdict::Kind::linearizable; }
};

KvReport check_kv(const History& history, uint64_t steps_max = kKvStepsMax);

}  // namespace aspen::lab

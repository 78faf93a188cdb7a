// What a Raft group carries: a deterministic machine that applies committed commands and can be copied.
//
// The key-value store is one (core/kv). Rules for an implementation:
// - apply() depends on nothing but the state and the entries: no clock, no randomness, no address order.
//   Time is `Entry::time`. A command that cannot be carried out is an ordinary reply, the same on every
//   replica; an error from apply() means this replica's disk or memory failed, and stops the replica.
// - Nothing need be durable when apply() returns. flush() makes it so; the driver keeps log entries until
//   then and applies them again after a crash, so the state and its applied index must be stored together.
//
// Thread safety: all on the engine thread, except flush() and the members of SnapshotSource and
// SnapshotSink, which run on a blocking thread while the engine goes on applying.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/raft/types.h"

namespace aspen::raft {

// A consistent copy of the state after one entry, read in chunks of about limits::kSnapshotChunkBytes. Two
// copies that one process makes of the same state have the same chunks.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  // The next chunk; empty at the end.
  virtual Result<Bytes> next() = 0;
  // Goes to the chunk of this number, from 0, or to one before it. Returns the number of the one that is
  // next.
  virtual Result<uint64_t> seek(uint64_t chunk) = 0;
};

// Receives a copy. Until finish() succeeds the old state stays in place, also across a crash; destroying
// an unfinished sink discards what it got.
class SnapshotSink {
 public:
  virtual ~SnapshotSink() = default;
  virtual Result<> write(BytesView chunk) = 0;
  // Replaces the state, durably and atomically, and makes applied() the snapshot's index. The driver calls
  // nothing else on the state machine while it runs. Errors: CORRUPT when chunks are missing or damaged.
  virtual Result<> finish() = 0;
};

class StateMachine {
 public:
  virtual ~StateMachine() = default;
  // Applies entries in order; one reply for each (empty for entries that are not commands). All of them
  // become visible together with applied() == entries.back()->index.
  virtual Result<std::vector<Bytes>> apply(std::span<const EntryPtr> entries) = 0;
  virtual Index applied() const = 0;
  // Makes the state durable and returns the applied index that a crash can no longer take back.
  virtual Result<Index> flush() = 0;
  virtual Result<std::unique_ptr<SnapshotSource>> snapshot() = 0;
  virtual Result<std::unique_ptr<SnapshotSink>> restore(const SnapshotMeta& meta) = 0;
  // What the last finished restore stood for. After a crash between a restore and the log's reset, the
  // driver repairs the log from it.
  virtual std::optional<SnapshotMeta> restored() const = 0;
  // A hash of the state, equal on replicas with equal applied(). Slow; for tests and `aspen verify`.
  virtual Result<Bytes> fingerprint() = 0;
};

}  // namespace aspen::raft

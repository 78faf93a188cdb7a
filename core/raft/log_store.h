// The log of one group on disk: entries, hard state and what the log starts after, in a store::Store.
//
// Keys and values (message.cc has the encodings), nothing else may be in the store:
//
//   "format"           version varint, then the PeerId as 8 bytes, little endian
//   "hard"             hard state
//   "snapshot"         snapshot meta: the log starts after its index; absent while that is 0
//   "e" + index        one entry; the index is 8 bytes, big endian, so that entries are in order
//
// The PeerId belongs to this log: it is drawn when the log is created and lost with it, so a node whose
// disk was wiped is another peer and cannot break promises it has forgotten (types.h).
//
// Invariants: what a synced write said is there after a crash, and no part of a write without the rest.
// Thread safety: any thread, one call at a time.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "core/raft/core.h"
#include "core/raft/types.h"
#include "core/store/store.h"

namespace aspen::raft {

// What one Effects asks to be written.
struct LogWrite {
  std::optional<HardState> hard_state;
  Index truncate_from = 0;  // not 0: remove entries at and above it first
  std::vector<EntryPtr> entries = {};
};

class LogStore {
 public:
  // Opens the log in `store`, which outlives it; an empty store becomes a log of peer `fresh`, synced.
  // Errors: UNSUPPORTED for another format version, CORRUPT, IO.
  static Result<std::unique_ptr<LogStore>> open(store::Store& store, PeerId fresh);

  PeerId peer() const { return peer_; }

  // Errors: CORRUPT, naming the entry, when one is missing, cannot be decoded or has a term below the one
  // before it or above the hard state's; IO.
  Result<Durable> load() const;

  // All of `writes`, in order and atomically.
  Result<> write(std::span<const LogWrite> writes, store::Sync sync);
  // After a snapshot was installed: removes every entry; the log starts after meta.index. Synced.
  Result<> reset(const SnapshotMeta& meta);
  // Removes the entries up to meta.index. Not synced by itself: after a crash they may be back.
  Result<> compact(const SnapshotMeta& meta);

 private:
  LogStore(store::Store& store, PeerId peer) : store_(store), peer_(peer) {}

  store::Store& store_;
  PeerId peer_;
};

}  // namespace aspen::raft

// Snapshots whose stream broke, so that the next one goes on where it ended: at the leader the copy of the
// state that it was sending, at the follower what it has received of one.
//
// A follower goes on only with a snapshot of the same leader, term, index and configuration: then the leader
// is the same process, and the copy the same state in the same chunks (state_machine.h). The leader offers
// its copy again as long as its log still has what comes after it; else it makes another one.
//
// Bounds: one copy for each follower, one incoming snapshot, kept for kKept after their stream broke. Until
// then a copy holds a snapshot of the store, and an incoming one what it has written there.
//
// Thread safety: none; the driver's thread.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "core/raft/state_machine.h"
#include "core/rt/executor.h"

namespace aspen::raft {

struct SnapshotCopy {
  SnapshotMeta meta;
  std::shared_ptr<SnapshotSource> source;
  bool operator==(const SnapshotCopy&) const = default;
};

struct IncomingSnapshot {
  std::shared_ptr<SnapshotSink> sink;
  uint64_t chunks = 0;  // how many it was given
};

class UnfinishedSnapshots {
 public:
  static constexpr DurationNs kKept = 60 * kSecond;

  explicit UnfinishedSnapshots(rt::Executor& executor)
      : executor_(executor), timer_(executor, [this] { expire(); }) {}

  // The copy that was sent to this follower last, unless it is of an index below `first`.
  std::optional<SnapshotCopy> take_copy(PeerId follower, Index first);
  void keep_copy(PeerId follower, SnapshotCopy copy);
  void drop_copies() { copies_.clear(); }

  // What came of this very snapshot. What came of another is discarded.
  std::optional<IncomingSnapshot> take_incoming(const Message& offer);
  void keep_incoming(const Message& offer, IncomingSnapshot incoming);

  void clear();

 private:
  struct KeptCopy {
    SnapshotCopy copy;
    TimeNs until;
  };
  struct KeptIncoming {
    PeerId leader;
    Term term;
    SnapshotMeta meta;
    IncomingSnapshot snapshot;
    TimeNs until;
  };

  void expire();

  rt::Executor& executor_;
  std::map<PeerId, KeptCopy> copies_;
  std::optional<KeptIncoming> incoming_;
  rt::Timer timer_;
};

}  // namespace aspen::raft

// The log of one group, as its driver sees it: entries, hard state and what the log starts after, in the
// node's journal (log_journal.h), written together with the other groups' (log_writer.h).
//
// The PeerId belongs to this log: it is drawn when the log is created and lost with it, so a node whose
// disk was wiped is another peer and cannot break promises it has forgotten (types.h).
//
// Thread safety: none; the engine thread. open(), load() and reset_now() block on the disk.
#pragma once

#include "core/raft/log_writer.h"

namespace aspen::raft {

class LogStore {
 public:
  // Creates the log, of peer `fresh`, when there is none. The writer outlives it. Errors: IO.
  static Result<LogStore> open(LogWriter& writer, GroupId group, PeerId fresh);

  PeerId peer() const { return peer_; }
  Result<Durable> load() const { return writer_->logs().load(group_); }

  // In order; `done` runs when they are durable. After a crash before that, a first part of them may be.
  void write(std::vector<LogWrite> writes, LogWriter::Done done) {
    writer_->write(group_, std::move(writes), std::move(done));
  }
  // Replaces the log by what follows a snapshot. Requires: nothing is being written.
  Result<> reset_now(const SnapshotMeta& meta);

  // Why new commands should be refused: there is hardly room for what the group writes anyway.
  Result<> check_room() const;

 private:
  LogStore(LogWriter& writer, GroupId group, PeerId peer) : writer_(&writer), group_(group), peer_(peer) {}

  LogWriter* writer_;
  GroupId group_;
  PeerId peer_;
};

}  // namespace aspen::raft

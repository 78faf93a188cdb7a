#include "core/raft/log_store.h"

namespace aspen::raft {

Result<LogStore> LogStore::open(LogWriter& writer, GroupId group, PeerId fresh) {
  LogJournal& logs = writer.logs();
  if (!logs.peer(group)) ASPEN_CHECK(logs.create(group, fresh));
  return LogStore(writer, group, *logs.peer(group));
}

Result<> LogStore::reset_now(const SnapshotMeta& meta) {
  LogJournal::Batch batch{.group = group_, .writes = {}};
  batch.writes.push_back({.reset = meta});
  return writer_->logs().write(std::span(&batch, 1));
}

Result<> LogStore::check_room() const {
  if (!writer_->logs().short_of_room()) return {};
  return fail(Code::OVERLOADED,
              "this member's disk is nearly full: its journal has room for votes only; make room");
}

}  // namespace aspen::raft

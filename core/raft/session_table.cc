#include "core/raft/session_table.h"

#include "core/base/mutant.h"

namespace aspen::raft {

uint64_t SessionTable::open(Index index) {
  if (sessions_.size() >= sessions_max_) {
    sessions_.erase(by_use_.front());
    by_use_.pop_front();
  }
  by_use_.push_back(index);
  sessions_[index] = {.used = std::prev(by_use_.end())};
  return index;
}

Result<SessionTable::Session*> SessionTable::use(uint64_t session, uint64_t sequence) {
  auto it = sessions_.find(session);
  if (it == sessions_.end()) {
    return fail(Code::SESSION_EXPIRED, "session {} is unknown; open another", session);
  }
  if (sequence < it->second.sequence || sequence == 0) {
    return fail(Code::INVALID_ARGUMENT, "command {} of session {} comes after {}; number them from 1 on",
                sequence, session, it->second.sequence);
  }
  if (ASPEN_MUTANT("raft-session-runs-again")) it->second.sequence = 0;
  by_use_.splice(by_use_.end(), by_use_, it->second.used);
  return &it->second;
}

void SessionTable::encode(wire::Writer& writer) const {
  writer.u64(by_use_.size());
  for (uint64_t id : by_use_) {
    const Session& session = sessions_.at(id);
    writer.u64(id);
    writer.u64(session.sequence);
    writer.bytes(session.reply);
  }
}

void SessionTable::decode(wire::Reader& reader) {
  sessions_.clear();
  by_use_.clear();
  for (size_t n = reader.count(sessions_max_, "sessions"); n > 0 && reader.ok(); --n) {
    uint64_t id = reader.u64();
    if (sessions_.contains(id)) reader.refuse("a session twice");
    uint64_t sequence = reader.u64();
    Bytes reply(reader.bytes(kEntryBytesMax, "reply"));
    if (!reader.ok()) return;
    by_use_.push_back(id);
    sessions_[id] = {.sequence = sequence, .reply = std::move(reply), .used = std::prev(by_use_.end())};
  }
}

}  // namespace aspen::raft

#include "core/kv/session_table.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/kv/layout.h"

namespace aspen::kv {

Result<SessionTable> SessionTable::load(const store::Reader& reader, uint32_t generation) {
  SessionTable table(generation);
  const Bytes prefix = layout::sessions_prefix(generation);
  std::unique_ptr<store::Iterator> it = reader.iterate();
  auto session = table.sessions_.end();  // whose results follow
  for (it->seek(prefix); it->valid() && it->key().starts_with(prefix); it->next()) {
    ASPEN_TRY(layout::RowName name, layout::parse_row_name(it->key().substr(layout::kGenerationBytes)));
    if (!name.is_result) {
      ASPEN_TRY(layout::SessionRow row, layout::decode_session(it->value()));
      session = table.sessions_.try_emplace(name.session).first;
      session->second.last_used = row.last_used;
      session->second.acknowledged_below = row.acknowledged_below;
      continue;
    }
    if (session == table.sessions_.end() || session->first != name.session) {
      return fail(Code::CORRUPT, "stored result of session {}, which is not there", name.session);
    }
    ASPEN_TRY(layout::ResultRow row, layout::decode_result(it->value()));
    Session& owner = session->second;
    bool too_high = row.sequence >= owner.acknowledged_below &&
                    row.sequence - owner.acknowledged_below >= limits::kSessionResultsMax;
    if (layout::slot_of(row.sequence) != name.slot || too_high) {
      return fail(Code::CORRUPT, "stored result {} of session {} in slot {}", row.sequence, name.session,
                  name.slot);
    }
    owner.highest_sequence = std::max(owner.highest_sequence, row.sequence);
    if (row.sequence >= owner.acknowledged_below) table.keep_reply(owner, row.sequence, row.reply);
  }
  ASPEN_CHECK(it->status());
  if (table.size() > limits::kSessionsMax) {
    return fail(Code::CORRUPT, "{} stored sessions; at most {}", table.size(), limits::kSessionsMax);
  }
  return table;
}

void SessionTable::open(SessionId id, WallNs now, store::Batch& batch) {
  if (sessions_.size() == limits::kSessionsMax) erase_least_recently_used(batch);
  auto [session, added] = sessions_.try_emplace(id);
  ASPEN_ASSERT(added);  // ids are log indexes
  use(session, now);
  ASPEN_ASSERT(sessions_.size() <= limits::kSessionsMax);
}

void SessionTable::close(SessionId id, store::Batch& batch) {
  if (auto session = sessions_.find(id); session != sessions_.end()) erase(session, batch);
}

Result<std::optional<BytesView>> SessionTable::admit(SessionId id, uint64_t sequence,
                                                     uint64_t acknowledged_below, WallNs now) {
  auto found = sessions_.find(id);
  if (found == sessions_.end()) return fail(Code::SESSION_EXPIRED, "session {} is not open", id);
  use(found, now);
  Session& session = found->second;
  if (acknowledged_below > session.acknowledged_below) {
    session.acknowledged_below = acknowledged_below;
    forget_acknowledged(session);
  }
  if (sequence < session.acknowledged_below) {
    return std::unexpected(Error(Code::INVALID_ARGUMENT, Applied::MAYBE,
                                 fmt::format("write {} of session {}: all below {} are acknowledged",
                                             sequence, id, session.acknowledged_below)));
  }
  if (auto reply = session.replies.find(sequence); reply != session.replies.end()) return reply->second;
  if (sequence - session.acknowledged_below >= limits::kSessionResultsMax) {
    return fail(Code::OVERLOADED, "write {} of session {}: at most {} from the first unacknowledged one, {}",
                sequence, id, limits::kSessionResultsMax, session.acknowledged_below);
  }
  if (session.reply_bytes > kSessionReplyBytesMax) {
    return fail(Code::OVERLOADED, "session {} has {} bytes of unacknowledged replies; at most {}", id,
                session.reply_bytes, kSessionReplyBytesMax);
  }
  return std::nullopt;
}

void SessionTable::remember(SessionId id, uint64_t sequence, BytesView reply, store::Batch& batch) {
  auto session = sessions_.find(id);
  ASPEN_ASSERT(session != sessions_.end());
  ASPEN_ASSERT(sequence >= session->second.acknowledged_below);
  keep_reply(session->second, sequence, reply);
  session->second.highest_sequence = std::max(session->second.highest_sequence, sequence);
  batch.put(layout::result_key(generation_, id, sequence),
            layout::encode(layout::ResultRow{sequence, reply}));
  while (reply_bytes_ > kSessionsReplyBytesMax) erase_least_recently_used(batch);
}

void SessionTable::write_used(store::Batch& batch) {
  for (SessionId id : used_) {
    auto session = sessions_.find(id);
    if (session == sessions_.end()) continue;
    session->second.row_is_stale = false;
    batch.put(
        layout::session_key(generation_, id),
        layout::encode(layout::SessionRow{session->second.last_used, session->second.acknowledged_below}));
  }
  used_.clear();
}

void SessionTable::use(Sessions::iterator session, WallNs now) {
  session->second.last_used = now;
  if (session->second.row_is_stale) return;
  session->second.row_is_stale = true;
  used_.push_back(session->first);
}

void SessionTable::keep_reply(Session& session, uint64_t sequence, BytesView reply) {
  bool added = session.replies.try_emplace(sequence, reply).second;
  ASPEN_ASSERT(added);
  session.reply_bytes += reply.size() + kReplyOverheadBytes;
  reply_bytes_ += reply.size() + kReplyOverheadBytes;
}

void SessionTable::forget_acknowledged(Session& session) {
  auto& replies = session.replies;
  while (!replies.empty() && replies.begin()->first < session.acknowledged_below) {
    size_t bytes = replies.begin()->second.size() + kReplyOverheadBytes;
    session.reply_bytes -= bytes;
    reply_bytes_ -= bytes;
    replies.erase(replies.begin());
  }
}

// Erases its ring slot by slot: a range erasure would slow down later reads of the whole store.
void SessionTable::erase(Sessions::iterator session, store::Batch& batch) {
  const SessionId id = session->first;
  size_t slots = std::min<uint64_t>(session->second.highest_sequence, limits::kSessionResultsMax - 1) + 1;
  for (size_t slot = 0; slot < slots; ++slot) batch.erase(layout::result_key(generation_, id, slot));
  batch.erase(layout::session_key(generation_, id));
  reply_bytes_ -= session->second.reply_bytes;
  sessions_.erase(session);
}

// Looks at all of them: it happens once in as many openings as there may be sessions, or never.
void SessionTable::erase_least_recently_used(store::Batch& batch) {
  ASPEN_ASSERT(!sessions_.empty());
  auto used_before = [](const auto& a, const auto& b) {
    return std::pair(a.second.last_used, a.first) < std::pair(b.second.last_used, b.first);
  };
  erase(std::min_element(sessions_.begin(), sessions_.end(), used_before), batch);
}

}  // namespace aspen::kv

#include "core/kv/session_table.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/mutant.h"

namespace aspen::kv {
namespace {

size_t cost(BytesView reply) {
  return reply.size() + limits::kReplyOverheadBytes;
}

}  // namespace

Result<> Session::add_row(uint16_t slot, const layout::SessionRow& row) {
  if (slot > limits::kSessionResultsMax) return fail(Code::CORRUPT, "stored session row in slot {}", slot);
  if (row.counter >= rows_written_) {
    rows_written_ = row.counter + 1;
    last_used_ = row.last_used;
    acknowledged_below_ = row.acknowledged_below;
  }
  for (const layout::SessionRow::Reply& reply : row.replies) {
    if (replies_.try_emplace(reply.sequence, reply.reply).second) continue;
    return fail(Code::CORRUPT, "stored session with two replies to write {}", reply.sequence);
  }
  if (row.replies.empty()) {
    free_slots_.push_back(slot);
  } else {
    live_rows_.emplace(row.replies.back().sequence, slot);
  }
  slots_ = std::max<uint16_t>(slots_, slot + 1);
  return {};
}

Result<> Session::finish_rows() {
  replies_.erase(replies_.begin(), replies_.lower_bound(acknowledged_below_));
  for (auto end = live_rows_.lower_bound(acknowledged_below_); live_rows_.begin() != end;) {
    free_slots_.push_back(live_rows_.begin()->second);
    live_rows_.erase(live_rows_.begin());
  }
  if (!replies_.empty() && replies_.rbegin()->first - acknowledged_below_ >= limits::kSessionResultsMax) {
    return fail(Code::CORRUPT, "stored reply {} of a session that acknowledged all below {}",
                replies_.rbegin()->first, acknowledged_below_);
  }
  for (const auto& [sequence, reply] : replies_) reply_bytes_ += cost(reply);
  return {};
}

layout::SessionRow Session::merged() const {
  layout::SessionRow row{0, last_used_, acknowledged_below_};
  row.replies.reserve(replies_.size());
  for (const auto& [sequence, reply] : replies_) row.replies.push_back({sequence, reply});
  return row;
}

Result<SessionTable> SessionTable::load(const store::Reader& reader, uint32_t generation) {
  SessionTable table(generation);
  const Bytes prefix = layout::sessions_prefix(generation);
  std::unique_ptr<store::Iterator> it = reader.iterate();
  for (it->seek(prefix); it->valid() && it->key().starts_with(prefix); it->next()) {
    ASPEN_TRY(layout::RowName name, layout::parse_row_name(it->key().substr(layout::kGenerationBytes)));
    ASPEN_TRY(layout::SessionRow row, layout::decode_session(it->value()));
    ASPEN_CHECK(table.sessions_[name.session].add_row(name.slot, row));
  }
  ASPEN_CHECK(it->status());
  for (auto& [id, session] : table.sessions_) {
    ASPEN_CHECK(session.finish_rows());
    table.reply_bytes_ += session.reply_bytes_;
  }
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
  if (ASPEN_MUTANT("kv-session-forgets-early")) acknowledged_below = sequence;
  if (acknowledged_below > session.acknowledged_below_) {
    session.acknowledged_below_ = acknowledged_below;
    forget_acknowledged(session);
  }
  const uint64_t first = session.acknowledged_below_;
  if (sequence < first) {
    return std::unexpected(
        Error(Code::INVALID_ARGUMENT, Applied::MAYBE,
              fmt::format("write {} of session {}: all below {} are acknowledged", sequence, id, first)));
  }
  if (auto reply = session.replies_.find(sequence); reply != session.replies_.end()) return reply->second;
  if (sequence - first >= limits::kSessionResultsMax) {
    return fail(Code::OVERLOADED, "write {} of session {}: at most {} from the first unacknowledged one, {}",
                sequence, id, limits::kSessionResultsMax, first);
  }
  if (session.reply_bytes_ > limits::kSessionReplyBytesMax) {
    return fail(Code::OVERLOADED, "session {} has {} bytes of unacknowledged replies; at most {}", id,
                session.reply_bytes_, limits::kSessionReplyBytesMax);
  }
  return std::nullopt;
}

void SessionTable::remember(SessionId id, uint64_t sequence, BytesView reply, store::Batch& batch) {
  auto found = sessions_.find(id);
  ASPEN_ASSERT(found != sessions_.end());
  Session& session = found->second;
  ASPEN_ASSERT(session.used_ && sequence >= session.acknowledged_below_);
  bool added = session.replies_.try_emplace(sequence, reply).second;
  ASPEN_ASSERT(added);
  if (!ASPEN_MUTANT("kv-session-reply-not-stored")) session.unwritten_.push_back(sequence);
  session.reply_bytes_ += cost(reply);
  reply_bytes_ += cost(reply);
  while (reply_bytes_ > limits::kSessionsReplyBytesMax) erase_least_recently_used(batch);
}

void SessionTable::write_used(store::Batch& batch) {
  for (SessionId id : used_) {
    if (auto session = sessions_.find(id); session != sessions_.end()) write_row(id, session->second, batch);
  }
  used_.clear();
}

// A new row may take the slot of the latest one: they change places when the batch is written.
void SessionTable::write_row(SessionId id, Session& session, store::Batch& batch) {
  layout::SessionRow row{session.rows_written_++, session.last_used_, session.acknowledged_below_};
  std::ranges::sort(session.unwritten_);
  for (uint64_t sequence : session.unwritten_) {
    auto reply = session.replies_.find(sequence);
    if (reply != session.replies_.end()) row.replies.push_back({sequence, reply->second});
  }
  session.unwritten_.clear();
  session.used_ = false;

  uint16_t slot = session.slots_;
  // Which slots a session's rows are in is no part of the state; all of them must stay enough.
  bool spread = session.slots_ < limits::kSessionResultsMax / 2 && ASPEN_BUGGIFY("kv-session-row-spread");
  if (session.free_slots_.empty() || spread) {
    ++session.slots_;
  } else {
    slot = session.free_slots_.back();
    session.free_slots_.pop_back();
  }
  ASPEN_ASSERT(slot <= limits::kSessionResultsMax);
  batch.put(layout::session_key(generation_, id, slot), layout::encode(row));
  if (row.replies.empty()) {
    session.free_slots_.push_back(slot);
  } else {
    session.live_rows_.emplace(row.replies.back().sequence, slot);
  }
}

void SessionTable::use(Sessions::iterator session, WallNs now) {
  session->second.last_used_ = now;
  if (session->second.used_) return;
  session->second.used_ = true;
  used_.push_back(session->first);
}

void SessionTable::forget_acknowledged(Session& session) {
  auto& replies = session.replies_;
  while (!replies.empty() && replies.begin()->first < session.acknowledged_below_) {
    session.reply_bytes_ -= cost(replies.begin()->second);
    reply_bytes_ -= cost(replies.begin()->second);
    replies.erase(replies.begin());
  }
  auto& rows = session.live_rows_;
  while (!rows.empty() && rows.begin()->first < session.acknowledged_below_) {
    session.free_slots_.push_back(rows.begin()->second);
    rows.erase(rows.begin());
  }
}

// Row by row: a range erasure would slow down later reads of the whole store.
void SessionTable::erase(Sessions::iterator session, store::Batch& batch) {
  for (uint16_t slot = 0; slot < session->second.slots_; ++slot) {
    batch.erase(layout::session_key(generation_, session->first, slot));
  }
  reply_bytes_ -= session->second.reply_bytes_;
  sessions_.erase(session);
}

// Looks at all of them: it happens when a client opens one too many, not when it writes.
void SessionTable::erase_least_recently_used(store::Batch& batch) {
  ASPEN_ASSERT(!sessions_.empty());
  auto used_before = [](const auto& a, const auto& b) {
    return std::pair(a.second.last_used_, a.first) < std::pair(b.second.last_used_, b.first);
  };
  erase(std::min_element(sessions_.begin(), sessions_.end(), used_before), batch);
}

}  // namespace aspen::kv

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
    owner_ = row.owner;
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
  row.owner = owner_;
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
    if (session.owner_ == NodeId()) continue;
    Owner& owner = table.owners_[session.owner_];
    owner.sessions.insert(id);
    owner.reply_bytes += session.reply_bytes_;
  }
  if (table.size() > limits::kSessionsMax) {
    return fail(Code::CORRUPT, "{} stored sessions; at most {}", table.size(), limits::kSessionsMax);
  }
  return table;
}

std::optional<NodeId> SessionTable::owner(SessionId id) const {
  auto session = sessions_.find(id);
  return session == sessions_.end() ? std::nullopt : std::optional(session->second.owner_);
}

void SessionTable::open(SessionId id, const NodeId& owner, WallNs now, store::Batch& batch) {
  auto known = owners_.find(owner);
  if (known != owners_.end() && known->second.sessions.size() >= limits::kSessionsPerNodeMax &&
      !ASPEN_MUTANT("kv-sessions-of-a-node-unbounded")) {
    erase_least_recently_used_of(known->second, batch);
  }
  if (sessions_.size() == limits::kSessionsMax) erase_least_recently_used(batch);
  auto [session, added] = sessions_.try_emplace(id);
  ASPEN_ASSERT(added);  // ids are log indexes
  session->second.owner_ = owner;
  if (owner != NodeId()) owners_[owner].sessions.insert(id);
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
  add_reply_bytes(session, static_cast<ptrdiff_t>(cost(reply)));
  Owner* owner = owner_of(session);
  // No session has so much alone, so one of them stays, and the owner with it.
  static_assert(limits::kNodeSessionsReplyBytesMax >
                limits::kSessionReplyBytesMax + limits::kTransactionReplyBytesMax + (1u << 20));
  while (owner != nullptr && owner->reply_bytes > limits::kNodeSessionsReplyBytesMax) {
    erase_least_recently_used_of(*owner, batch);
  }
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
  if (!ASPEN_MUTANT("kv-session-owner-not-stored")) row.owner = session.owner_;
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
    add_reply_bytes(session, -static_cast<ptrdiff_t>(cost(replies.begin()->second)));
    replies.erase(replies.begin());
  }
  auto& rows = session.live_rows_;
  while (!rows.empty() && rows.begin()->first < session.acknowledged_below_) {
    session.free_slots_.push_back(rows.begin()->second);
    rows.erase(rows.begin());
  }
}

SessionTable::Owner* SessionTable::owner_of(const Session& session) {
  auto owner = owners_.find(session.owner_);
  return owner == owners_.end() ? nullptr : &owner->second;
}

void SessionTable::add_reply_bytes(Session& session, ptrdiff_t bytes) {
  session.reply_bytes_ += static_cast<size_t>(bytes);
  reply_bytes_ += static_cast<size_t>(bytes);
  if (Owner* owner = owner_of(session)) owner->reply_bytes += static_cast<size_t>(bytes);
}

// Row by row: a range erasure would slow down later reads of the whole store.
void SessionTable::erase(Sessions::iterator session, store::Batch& batch) {
  for (uint16_t slot = 0; slot < session->second.slots_; ++slot) {
    batch.erase(layout::session_key(generation_, session->first, slot));
  }
  if (Owner* owner = owner_of(session->second)) {
    owner->reply_bytes -= session->second.reply_bytes_;
    owner->sessions.erase(session->first);
    if (owner->sessions.empty()) owners_.erase(session->second.owner_);
  }
  reply_bytes_ -= session->second.reply_bytes_;
  sessions_.erase(session);
}

// Looks at all of them: it happens when a client opens one too many, not when it writes.
void SessionTable::erase_least_recently_used(store::Batch& batch) {
  ASPEN_ASSERT(!sessions_.empty());
  auto last_used = [](const auto& entry) { return std::pair(entry.second.last_used_, entry.first); };
  erase(std::ranges::min_element(sessions_, {}, last_used), batch);
}

void SessionTable::erase_least_recently_used_of(const Owner& owner, store::Batch& batch) {
  auto last_used = [&](SessionId id) { return std::pair(sessions_.at(id).last_used_, id); };
  erase(sessions_.find(*std::ranges::min_element(owner.sessions, {}, last_used)), batch);
}

}  // namespace aspen::kv

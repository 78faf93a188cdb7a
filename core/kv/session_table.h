// What each client session has been answered: the memory behind exactly-once.
//
// Everything is held twice, here for speed and in the Store for good; the rows of what changed (layout.h)
// go into the batch of the commands that changed it, so the two agree as soon as that batch is written.
//
// A session has an owner (kv/command.h), and what one owner opens and leaves unacknowledged is at the cost of
// its own sessions first. Sessions that are anybody's count for nobody.
//
// Invariants: at most limits::kSessionsMax sessions, kSessionsPerNodeMax of one owner; every reply kept has a
// sequence in [acknowledged_below, acknowledged_below + limits::kSessionResultsMax); all of it but the
// division into rows is a function of the log alone. Thread safety: none.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "core/base/limits.h"
#include "core/base/node_id.h"
#include "core/base/time.h"
#include "core/kv/layout.h"
#include "core/kv/types.h"
#include "core/store/store.h"

namespace aspen::kv {

// One session, put together from its rows in any order.
class Session {
 public:
  // Errors: CORRUPT.
  Result<> add_row(uint16_t slot, const layout::SessionRow& row);
  // After the last row: drops what is acknowledged. Errors: CORRUPT.
  Result<> finish_rows();
  // The whole of it in one row, whatever the rows it came from. Borrows the replies.
  layout::SessionRow merged() const;

 private:
  friend class SessionTable;

  NodeId owner_;
  WallNs last_used_ = 0;
  uint64_t acknowledged_below_ = 0;
  std::map<uint64_t, Bytes> replies_;
  size_t reply_bytes_ = 0;

  uint64_t rows_written_ = 0;
  std::map<uint64_t, uint16_t> live_rows_;  // the highest sequence in a row -> its slot
  std::vector<uint16_t> free_slots_;        // of rows with no reply that still counts
  uint16_t slots_ = 0;
  std::vector<uint64_t> unwritten_;  // sequences of replies without a row
  bool used_ = false;                // since the last write_used()
};

class SessionTable {
 public:
  explicit SessionTable(uint32_t generation = 0) : generation_(generation) {}
  // Reads a generation's sessions. Errors: CORRUPT, IO.
  static Result<SessionTable> load(const store::Reader& reader, uint32_t generation);

  size_t size() const { return sessions_.size(); }

  // Whose the session is, all zero: anybody's; nullopt: it is not open.
  std::optional<NodeId> owner(SessionId id) const;

  // Opens a session; when there are too many, of the owner or in all, the least recently used one of these
  // is forgotten first (the lower id, when two were last used at the same time).
  void open(SessionId id, const NodeId& owner, WallNs now, store::Batch& batch);
  // A session that is not there is no fault: it may have been forgotten, or closed already.
  void close(SessionId id, store::Batch& batch);

  // Decides about write number `sequence`: the reply it was given before (borrowed until the next call),
  // or nullopt when it is new and is to be applied and remembered. Errors, to be the write's reply:
  // SESSION_EXPIRED; INVALID_ARGUMENT when the client has acknowledged its reply; OVERLOADED.
  Result<std::optional<BytesView>> admit(SessionId id, uint64_t sequence, uint64_t acknowledged_below,
                                         WallNs now);
  // Requires: admit() has just returned nullopt for this write.
  void remember(SessionId id, uint64_t sequence, BytesView reply, store::Batch& batch);

  // Adds a row for each session used since the last call. Requires: called before the batch is written.
  void write_used(store::Batch& batch);

 private:
  using Sessions = std::unordered_map<SessionId, Session>;
  struct Owner {
    std::set<SessionId> sessions;
    size_t reply_bytes = 0;
  };

  // Null: they are anybody's.
  Owner* owner_of(const Session& session);
  void add_reply_bytes(Session& session, ptrdiff_t bytes);
  void use(Sessions::iterator session, WallNs now);
  void forget_acknowledged(Session& session);
  void write_row(SessionId id, Session& session, store::Batch& batch);
  void erase(Sessions::iterator session, store::Batch& batch);
  void erase_least_recently_used(store::Batch& batch);
  void erase_least_recently_used_of(const Owner& owner, store::Batch& batch);

  uint32_t generation_;
  Sessions sessions_;
  std::unordered_map<NodeId, Owner> owners_;  // of those that have sessions
  std::vector<SessionId> used_;
  size_t reply_bytes_ = 0;
};

}  // namespace aspen::kv

// How far one watch has come: puts whole revisions together from what members send, and knows where to go on
// at another member when one is lost, without a gap and without a change told twice.
//
//   WatchCursor cursor(request, window_bytes);
//   send(cursor.open(id));                       // to a member; to another one when that is lost
//   cursor.take(news) ...                        // what it answers
//   while (auto item = cursor.pop()) ...         // for the user
//   if (auto bytes = cursor.credit()) send(WatchCredit{id, bytes});
//
// What is kept for the user is bounded by the window: the member is given credit only for what there is room
// for. A revision that is not complete does not count, else one that is larger could never be completed; it
// is at most limits::kWatchRevisionBytesMax.
//
// Invariants: items come by ascending revision; a change set is whole; a mark comes after everything it
// speaks of and never says less than the one before. Thread safety: none.
#pragma once

#include <deque>

#include "core/node/watch_protocol.h"

namespace aspen::node {

// A change set, or that there is nothing else up to a revision.
struct WatchItem {
  uint64_t revision = 0;
  std::vector<kv::Event> events = {};  // empty: a mark
};

class WatchCursor {
 public:
  WatchCursor(kv::WatchRequest request, size_t window_bytes)
      : request_(std::move(request)),
        window_(static_cast<int64_t>(window_bytes)),
        next_(request_.first_revision) {}

  // The call that begins the watch at a member, or takes it up again.
  WatchOpen open(uint64_t id);
  // What the member said of this watch. Errors: PROTOCOL, when it breaks its promises; LIMIT_EXCEEDED.
  Result<> take(WatchOpened opened);
  Result<> take(WatchEvents events);
  Result<> take(WatchMark mark);

  std::optional<WatchItem> pop();
  // What the member may be given now; 0 while it is not worth a message.
  size_t credit();
  // The first revision that is not known whole; 0: not known.
  uint64_t next() const { return next_; }
  bool opened() const { return opened_; }
  // The first revision of all that it tells; 0: not known.
  uint64_t first() const { return first_; }

 private:
  struct Ready {
    WatchItem item;
    size_t bytes;
  };
  Result<> take(WatchPart part);

  const kv::WatchRequest request_;
  const int64_t window_;
  uint64_t first_ = 0;
  uint64_t next_;
  bool opened_ = false;             // by the member that is asked now
  int64_t outstanding_ = 0;         // credit that this member has left
  std::vector<kv::Event> partial_;  // of the revision partial_revision_
  uint64_t partial_revision_ = 0;
  size_t partial_bytes_ = 0;
  std::deque<Ready> ready_;
  size_t ready_bytes_ = 0;
};

}  // namespace aspen::node

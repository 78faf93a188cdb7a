// A node's own watches, whoever serves them: its own replica, or a member over the network.
//
//   ASPEN_CO_TRY(auto watch, co_await client.open(cx, {.start = "a", .end = "b"}));
//   for (;;) {
//     ASPEN_CO_TRY(WatchItem item, co_await watch->next(cx));
//     ...                                       // item.events, or a mark when there are none
//   }
//
// When the member is lost, refuses or falls silent, the next next() goes on at another one, from the revision
// after the last whole one (watch_cursor.h): no change is left out and none told twice. Nothing runs between
// the calls but what arrives, which credit bounds; who does not call takes no more than the window.
//
// A watch ends for good with COMPACTED, INVALID_ARGUMENT, LIMIT_EXCEEDED, PERMISSION_DENIED, or when the node
// closes; every further next() says the same. A cancelled next() loses nothing: the next one goes on.
//
// Thread safety: none; the engine thread.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>

#include "core/node/router.h"
#include "core/node/watch_cursor.h"
#include "core/node/watch_service.h"
#include "core/rt/notify.h"

namespace aspen::node {

class WatchClient;

// One at a time may call next().
class Watch {
 public:
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  rt::Task<Result<WatchItem>> next(rt::Cx& cx);
  // What is there already.
  std::optional<WatchItem> poll();
  // Wants a mark soon, also one that says nothing new.
  void ask_mark();
  // The first revision that it tells.
  uint64_t first_revision() const { return cursor_.first(); }
  // After COMPACTED: the first revision from which a watch is possible.
  uint64_t compacted() const { return compacted_; }

 private:
  friend class WatchClient;
  enum class Place : uint8_t { nowhere, here, member };

  Watch(WatchClient& client, kv::WatchRequest request, size_t window_bytes);
  rt::Task<Result<>> attach(rt::Cx& cx);
  void take(WatchNews news);
  void take(const kv::WatchOutput& output);
  void ended(WatchEnded ended);
  void lost(const Error& why);
  void give_credit();

  WatchClient* client_;  // null: it has gone
  const uint64_t serial_;
  WatchCursor cursor_;
  Place place_ = Place::nowhere;
  NodeId member_;
  uint64_t id_ = 0;   // at its place
  size_t start_ = 0;  // with which member to begin
  std::optional<Error> end_;
  Error why_lost_{Code::UNAVAILABLE, "no member was reached"};
  uint64_t compacted_ = 0;
  rt::Notify news_;
};

class WatchClient {
 public:
  // All outlive the client, but for its watches.
  WatchClient(Router& router, const NodeId& self) : router_(router), self_(self) {}
  ~WatchClient();

  // Null on a node without a replica.
  void attach(WatchService* local) { local_ = local; }

  // Returns when a member serves the watch. One from now on is told what is acknowledged after that, and not
  // what was before the call; it takes a linearizable read. Errors: those that end a watch, the router's, and
  // the task's.
  rt::Task<Result<std::unique_ptr<Watch>>> open(rt::Cx& cx, kv::WatchRequest request,
                                                size_t window_bytes = limits::kWatchWindowBytes);
  size_t size() const { return watches_.size(); }

 private:
  friend class Watch;
  struct Link {
    net::Stream* stream = nullptr;
    std::unordered_map<uint64_t, Watch*> watches;
  };

  // Asks a member to serve it; the answer comes as news.
  rt::Task<Result<>> begin(rt::Cx& cx, Watch& watch, size_t attempt);
  Result<> begin_here(Watch& watch);
  rt::Task<Result<>> begin_at(rt::Cx& cx, Watch& watch, NodeId member);
  Result<Link*> link(net::Connection& connection);
  void received(const NodeId& member, BytesView frame);
  void closed(const NodeId& member, const Error& why);
  void leave(Watch& watch);
  void say(Watch& watch, const WatchCall& call);

  Router& router_;
  NodeId self_;
  WatchService* local_ = nullptr;
  std::unordered_map<NodeId, Link> links_;
  std::map<uint64_t, Watch*> watches_;  // in the order they were opened
  uint64_t last_id_ = 0;
};

}  // namespace aspen::node

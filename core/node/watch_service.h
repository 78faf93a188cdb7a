// The member's side of watches: one hub for all of them, fed by what the state machine applies.
//
// A peer opens a kWatch stream and has its watches on it; this node's own are open()ed here. Any member
// serves them from what it has applied, so a follower may tell of a change later than the leader. One that
// has not heard of a leader for kLeaderlessMax does not know what it misses, and one that has failed will not
// hear of it: both end their watches with UNAVAILABLE, and their users go elsewhere.
//
// The state machine makes change sets only while somebody watches here: who begins later, and asks for what
// came before, is served from the store.
//
// Events are encoded when the stream takes them. While more than limits::kWatchStreamBytesMax of a peer's
// wait to be acknowledged, its watches are held; they go on later from the hub's ring or the store.
//
// Thread safety: none; the engine thread. A sink is never called inside a call of this class.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>

#include "core/net/endpoint.h"
#include "core/node/replica.h"
#include "core/node/service.h"
#include "core/node/watch_protocol.h"
#include "core/rt/executor.h"

namespace aspen::node {

class WatchService {
 public:
  // Both outlive the service.
  WatchService(rt::Executor& executor, Replica& replica);
  ~WatchService();

  // A kWatch stream that a peer opened.
  void accept(net::Stream& stream);

  // This node's own. After `ended` nothing more comes.
  using Sink = std::move_only_function<void(const kv::WatchOutput&)>;
  struct Opened {
    uint64_t watcher;
    uint64_t first_revision;
  };
  Result<Opened> open(kv::WatchRequest request, size_t credit, Sink sink);
  void add_credit(uint64_t watcher, size_t bytes);
  void ask_mark(uint64_t watcher);
  void cancel(uint64_t watcher);

  size_t watchers() const { return routes_.size(); }

 private:
  class Source;
  // A peer's stream. It outlives the watches on it.
  struct Peer {
    Caller caller;
    net::Stream* stream = nullptr;                    // null: closed
    std::unordered_map<uint64_t, uint64_t> watchers;  // by the peer's id
    std::deque<std::pair<uint64_t, kv::WatchOutput>>
        waiting;  // until the stream takes more; by the peer's id
    bool held() const { return !waiting.empty(); }
  };
  struct Route {
    std::shared_ptr<Peer> peer;  // null: this node
    uint64_t id = 0;             // the peer's
    Sink sink;
  };

  Result<> usable() const;
  void listen();
  void stop_listening();
  void catch_up_with_state();
  void handle(const std::shared_ptr<Peer>& peer, WatchCall call);
  Result<uint64_t> open(const std::shared_ptr<Peer>& peer, WatchOpen open);
  void forget(Peer& peer, uint64_t id);
  void closed(const std::shared_ptr<Peer>& peer);
  void send(const std::shared_ptr<Peer>& peer, uint64_t id, kv::WatchOutput output);
  bool pour(Peer& peer);
  void hold(Peer& peer, bool held);
  void work_later() { executor_.at_turn_end(work_); }
  void work();
  void flush();
  void end_all(const Error& error);
  void tick();

  rt::Executor& executor_;
  Replica& replica_;
  kv::WatchHub hub_;
  bool listening_ = false;
  std::unordered_map<uint64_t, Route> routes_;
  std::unordered_map<NodeId, size_t> peer_watchers_;
  std::vector<std::shared_ptr<Peer>> held_;
  uint64_t last_watcher_ = 0;
  TimeNs leader_seen_ = 0;
  rt::Deferred work_;
  rt::Timer timer_;
};

}  // namespace aspen::node

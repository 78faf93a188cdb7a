#include "core/node/watch_service.h"

#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/mutant.h"

namespace aspen::node {
namespace {

constexpr DurationNs kTickPeriod = 20 * kMillisecond;
constexpr DurationNs kIdleTickPeriod = 100 * kMillisecond;  // without watchers
constexpr DurationNs kLeaderlessMax = 3 * kSecond;
// Of catching up, in one turn of the engine: what else there is to do must not wait.
constexpr int kStepsPerTurn = 4;

bool within(const kv::WatchRequest& request, BytesView scope) {
  Bytes end = prefix_end(scope);
  return BytesView(request.start) >= scope && (end.empty() || (!request.end.empty() && request.end <= end));
}

}  // namespace

// What the replica's state machine has of the past.
class WatchService::Source final : public kv::ChangeSource {
 public:
  explicit Source(const kv::StateMachine& machine) : machine_(machine) {}
  Result<Page> changes(uint64_t from, uint64_t to, size_t bytes_max) override {
    // With previous records, whoever asks: watchers at the same place share a page.
    ASPEN_TRY(kv::Changes changes, machine_.changes(from, bytes_max, true));
    Page page{.until = std::min(to, changes.upto)};
    for (kv::ChangeSet& set : changes.sets) {
      if (set.revision <= to) page.sets.push_back(std::make_shared<kv::ChangeSet>(std::move(set)));
    }
    return page;
  }
  uint64_t compacted() const override { return machine_.compacted(); }

 private:
  const kv::StateMachine& machine_;
};

WatchService::WatchService(rt::Executor& executor, Replica& replica)
    : executor_(executor),
      replica_(replica),
      hub_(replica.machine().applied()),
      leader_seen_(executor.now()),
      work_([this] { work(); }),
      timer_(executor, [this] { tick(); }) {
  timer_.arm(next_multiple(executor_.now(), kIdleTickPeriod));
}

WatchService::~WatchService() {
  replica_.machine().on_changes(nullptr);
}

// What was applied up to now is in the store, what comes is published.
void WatchService::listen() {
  catch_up_with_state();
  if (std::exchange(listening_, true)) return;
  timer_.arm(next_multiple(executor_.now(), kTickPeriod));
  replica_.machine().on_changes([this](kv::Changes changes) {
    // A snapshot came between this call and the one before.
    const bool missed = changes.after > hub_.head() && !ASPEN_MUTANT("node-watch-misses-snapshot");
    if (missed) hub_.replaced(changes.after);
    std::vector<kv::ChangeSetPtr> sets;
    for (kv::ChangeSet& set : changes.sets) sets.push_back(std::make_shared<kv::ChangeSet>(std::move(set)));
    hub_.publish(sets, changes.upto);
    work_later();
  });
}

void WatchService::stop_listening() {
  if (!std::exchange(listening_, false)) return;
  replica_.machine().on_changes(nullptr);
  hub_.replaced(hub_.head());  // drops the ring
}

// The hub may not have heard of what was applied last: it came with a snapshot, or while nobody watched.
void WatchService::catch_up_with_state() {
  const uint64_t applied = replica_.machine().applied();
  if (replica_.driver().replacing() || applied <= hub_.head()) return;
  if (ASPEN_MUTANT("node-watch-deaf-is-quiet")) return hub_.publish({}, applied);
  hub_.replaced(applied);
}

// Errors: of a member that should not be asked.
Result<> WatchService::usable() const {
  const raft::Driver& driver = replica_.driver();
  if (const auto& stopped = driver.failure()) {
    return fail(Code::UNAVAILABLE, "this member has stopped: {}", stopped->message);
  }
  if (executor_.now() - leader_seen_ > kLeaderlessMax) {
    return fail(Code::UNAVAILABLE, "this member has not heard of a leader for {} ms",
                (executor_.now() - leader_seen_) / kMillisecond);
  }
  return {};
}

// --- this node's own ---

Result<WatchService::Opened> WatchService::open(kv::WatchRequest request, size_t credit, Sink sink) {
  ASPEN_CHECK(usable());
  ASPEN_CHECK(kv::validate(request));
  listen();
  const uint64_t watcher = last_watcher_ + 1;
  ASPEN_TRY(uint64_t first, hub_.add(watcher, std::move(request), credit, executor_.now()));
  last_watcher_ = watcher;
  routes_[watcher].sink = std::move(sink);
  work_later();
  return Opened{watcher, first};
}

void WatchService::add_credit(uint64_t watcher, size_t bytes) {
  hub_.add_credit(watcher, bytes);
  work_later();
}

void WatchService::ask_mark(uint64_t watcher) {
  hub_.ask_progress(watcher);
  work_later();
}

void WatchService::cancel(uint64_t watcher) {
  hub_.remove(watcher);
  routes_.erase(watcher);
}

// --- those of peers ---

void WatchService::accept(net::Stream& stream) {
  auto peer = std::make_shared<Peer>();
  const net::Connection& connection = stream.connection();
  peer->caller = {connection.peer(), connection.membership().roles, connection.membership().scope};
  peer->stream = &stream;
  stream.on_close([this, peer](const Error&) { closed(peer); });
  stream.on_frame([this, peer](Bytes frame) {
    auto call = decode_watch_call(frame);
    if (!call) return peer->stream->reset(Code::PROTOCOL, call.error().message);
    handle(peer, std::move(*call));
  });
}

void WatchService::closed(const std::shared_ptr<Peer>& peer) {
  peer->stream = nullptr;
  for (const auto& [id, watcher] : peer->watchers) cancel(watcher);
  if (auto count = peer_watchers_.find(peer->caller.node); count != peer_watchers_.end()) {
    count->second -= std::min(count->second, peer->watchers.size());
    if (count->second == 0) peer_watchers_.erase(count);
  }
  peer->watchers.clear();
  peer->waiting.clear();
}

void WatchService::handle(const std::shared_ptr<Peer>& peer, WatchCall call) {
  if (auto* open = std::get_if<WatchOpen>(&call)) {
    const uint64_t id = open->id;
    if (peer->watchers.contains(id)) {
      return peer->stream->reset(Code::PROTOCOL, fmt::format("watch {} is open already", id));
    }
    Result<uint64_t> first = this->open(peer, std::move(*open));
    WatchNews answer =
        first ? WatchNews(WatchOpened{id, *first}) : WatchNews(WatchEnded{id, 0, first.error()});
    if (auto sent = peer->stream->send(encode(answer)); !sent) {
      peer->stream->reset(sent.error().code, "the peer does not take its answers");
    }
    return work_later();
  }
  // One that has ended here may not have heard of it.
  uint64_t id = std::visit([](const auto& named) { return named.id; }, call);
  auto found = peer->watchers.find(id);
  if (found == peer->watchers.end()) return;
  const uint64_t watcher = found->second;
  if (auto* credit = std::get_if<WatchCredit>(&call)) {
    add_credit(watcher, credit->bytes);
  } else if (std::holds_alternative<WatchAsk>(call)) {
    ask_mark(watcher);
  } else {
    cancel(watcher);
    forget(*peer, id);
    std::erase_if(peer->waiting, [id](const auto& waiting) { return waiting.first == id; });
  }
}

Result<uint64_t> WatchService::open(const std::shared_ptr<Peer>& peer, WatchOpen open) {
  ASPEN_CHECK(usable());
  ASPEN_CHECK(kv::validate(open.request));
  const Caller& caller = peer->caller;
  const bool all = caller.scope.empty() || ASPEN_MUTANT("node-watch-out-of-scope");
  if (!all && !within(open.request, caller.scope)) {
    return fail(Code::PERMISSION_DENIED,
                "the caller's grant covers only keys that start with its scope of {} bytes",
                caller.scope.size());
  }
  size_t& count = peer_watchers_[caller.node];
  const bool full = count >= limits::kWatchersPerPeerMax && !ASPEN_MUTANT("node-watch-peers-unlimited");
  if (full || ASPEN_BUGGIFY("node-watch-refused")) {
    return fail(Code::OVERLOADED, "this node has {} watches at this member; at most {}", count,
                limits::kWatchersPerPeerMax);
  }
  listen();
  const uint64_t watcher = last_watcher_ + 1;
  ASPEN_TRY(uint64_t first, hub_.add(watcher, std::move(open.request), open.credit, executor_.now()));
  last_watcher_ = watcher;
  ++count;
  routes_[watcher] = {.peer = peer, .id = open.id, .sink = {}};
  peer->watchers[open.id] = watcher;
  if (peer->held()) hub_.hold(watcher, true);
  return first;
}

// The peer's watch is none any more.
void WatchService::forget(Peer& peer, uint64_t id) {
  if (peer.watchers.erase(id) == 0) return;
  auto count = peer_watchers_.find(peer.caller.node);
  if (--count->second == 0) peer_watchers_.erase(count);
}

// --- the work of a turn ---

void WatchService::work() {
  Source source(replica_.machine());
  // While a snapshot replaces the state, nothing of it may be read.
  bool more = false;
  for (int i = 0; i < kStepsPerTurn && !replica_.driver().replacing(); ++i) {
    more = hub_.catch_up(source);
    if (!more) break;
  }
  flush();
  if (more) executor_.schedule(work_);
}

void WatchService::flush() {
  for (kv::WatchOutput& output : hub_.take_outputs()) {
    auto found = routes_.find(output.watcher);
    if (found == routes_.end()) continue;
    const bool ended = output.kind == kv::WatchOutput::Kind::ended;
    if (found->second.peer) {
      std::shared_ptr<Peer> peer = found->second.peer;
      const uint64_t id = found->second.id;
      if (ended) {
        routes_.erase(found);
        forget(*peer, id);
      }
      send(peer, id, std::move(output));
      continue;
    }
    // The sink may cancel its watch.
    Sink sink = std::move(found->second.sink);
    if (ended) routes_.erase(found);
    const uint64_t watcher = output.watcher;
    sink(output);
    if (auto again = routes_.find(watcher); again != routes_.end()) again->second.sink = std::move(sink);
  }
}

void WatchService::send(const std::shared_ptr<Peer>& peer, uint64_t id, kv::WatchOutput output) {
  if (peer->stream == nullptr) return;
  const bool was_held = peer->held();
  peer->waiting.emplace_back(id, std::move(output));
  if (was_held || pour(*peer)) return;
  hold(*peer, true);
  held_.push_back(peer);
}

// Gives the stream what it takes. True when nothing waits any more.
bool WatchService::pour(Peer& peer) {
  while (!peer.waiting.empty() && peer.stream != nullptr) {
    bool full =
        peer.stream->buffered() >= limits::kWatchStreamBytesMax || ASPEN_BUGGIFY("node-watch-stream-full");
    if (full) return false;
    auto& [id, output] = peer.waiting.front();
    if (auto sent = peer.stream->send(encode(id, output)); !sent) {
      peer.waiting.clear();
      peer.stream->reset(sent.error().code, "the peer does not take its events");
      return true;
    }
    peer.waiting.pop_front();
  }
  return true;
}

void WatchService::hold(Peer& peer, bool held) {
  // In the order of the ids: that of the map is not the same everywhere.
  std::vector<uint64_t> watchers;
  for (const auto& [id, watcher] : peer.watchers) watchers.push_back(watcher);
  std::ranges::sort(watchers);
  for (uint64_t watcher : watchers) hub_.hold(watcher, held);
}

void WatchService::tick() {
  timer_.arm(next_multiple(executor_.now(), listening_ ? kTickPeriod : kIdleTickPeriod));
  const raft::Driver& driver = replica_.driver();
  if (driver.leader() != raft::kNobody) leader_seen_ = executor_.now();
  if (Result<> serves = usable(); !serves) return end_all(serves.error());
  std::erase_if(held_, [this](const std::shared_ptr<Peer>& peer) {
    if (!pour(*peer)) return false;
    hold(*peer, false);
    return true;
  });
  if (hub_.size() == 0) return stop_listening();
  catch_up_with_state();
  hub_.tick(executor_.now());
  work_later();
}

void WatchService::end_all(const Error& error) {
  std::vector<uint64_t> watchers;
  for (const auto& [watcher, route] : routes_) watchers.push_back(watcher);
  std::ranges::sort(watchers);
  for (uint64_t watcher : watchers) hub_.end(watcher, error);
  flush();
}

}  // namespace aspen::node

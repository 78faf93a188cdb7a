#include "core/node/router.h"

#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/base/mutant.h"

namespace aspen::node {
namespace {

constexpr DurationNs kSuspectAfter = 400 * kMillisecond;
constexpr DurationNs kSuspectPeriod = 100 * kMillisecond;
constexpr DurationNs kConnectPatience = kSecond;
constexpr DurationNs kAvoidFor = 500 * kMillisecond;
constexpr DurationNs kProbePatience = 500 * kMillisecond;
constexpr DurationNs kBackoffMin = 5 * kMillisecond;
constexpr DurationNs kBackoffMax = 100 * kMillisecond;
constexpr DurationNs kNoPatience = kNever;
constexpr DurationNs kImpatience = 5 * kMillisecond;  // the lab's
constexpr int kHopsMax = 2;
// All the members that a group can have, and what a ticket named.
constexpr size_t kPeersMax = limits::kMembersMax + limits::kTicketPeersMax;

Response refused(Error error) {
  return {std::unexpected(std::move(error)), std::nullopt};
}

// Nothing has left this node.
Response unsent(const Error& error) {
  return refused(Error(error.code, Applied::NO, error.message));
}

bool reads_keys(RequestKind kind) {
  return kind == RequestKind::get || kind == RequestKind::range || kind == RequestKind::index_scan;
}

bool only_the_leader_answers(RequestKind kind) {
  return kind != RequestKind::status && kind != RequestKind::members;
}

}  // namespace

bool worth_retrying(Code code) {
  return code == Code::NOT_LEADER || code == Code::CONNECTION_LOST || code == Code::UNAVAILABLE ||
         code == Code::OVERLOADED || code == Code::SHUTDOWN;
}

// A sequence number in use. While it lives the cluster keeps the reply for it.
class Router::Outstanding {
 public:
  explicit Outstanding(Session& session)
      : session_(session), id_(session.id), sequence_(session.next_sequence++) {
    session_.outstanding.insert(sequence_);
  }
  ~Outstanding() {
    if (session_.id == id_) session_.outstanding.erase(sequence_);
  }
  Outstanding(const Outstanding&) = delete;
  Outstanding& operator=(const Outstanding&) = delete;
  kv::SessionId session() const { return id_; }
  uint64_t sequence() const { return sequence_; }
  uint64_t acknowledged_below() const { return *session_.outstanding.begin(); }

 private:
  Session& session_;
  kv::SessionId id_;
  uint64_t sequence_;
};

Router::~Router() = default;

void Router::attach(net::Endpoint* endpoint, Service* local) {
  endpoint_ = endpoint;
  local_ = local;
}

void Router::learn(const NodeId& node, const std::string& address) {
  if (node == self_ || address.empty()) return;
  auto known = peers_.find(node);
  if (known == peers_.end()) {
    size_t peers_max = ASPEN_BUGGIFY("node-router-one-peer") ? 1 : kPeersMax;
    if (peers_.size() >= peers_max && !forget_idle()) return;
    known = peers_.try_emplace(node).first;
    order_.push_back(node);
  }
  known->second.address = address;
}

// Makes room: of the members that nothing waits for, the one learnt first goes.
bool Router::forget_idle() {
  auto idle = std::find_if(order_.begin(), order_.end(), [this](const NodeId& node) {
    const Peer& peer = peers_.at(node);
    return peer.stream == nullptr && peer.pending.empty() && peer.connecting.empty() && leader_ != node;
  });
  if (idle == order_.end()) return false;
  peers_.erase(*idle);
  order_.erase(idle);
  return true;
}

void Router::learn_members(const MemberList& list) {
  for (const LeaderHint& member : list.members) learn(member.node, member.address);
  if (list.leader) {
    learn(list.leader->node, list.leader->address);
    set_leader(list.leader->node);
  }
}

void Router::set_leader(const NodeId& leader) {
  if (leader_ == leader || (leader != self_ && !peers_.contains(leader))) return;
  if (ASPEN_BUGGIFY("node-router-news-lost")) return;
  std::optional<NodeId> former = std::exchange(leader_, leader);
  if (!former) return;
  if (auto it = peers_.find(*former); it != peers_.end()) {
    answer_pending(it->second, Error(Code::CONNECTION_LOST, "the leader changed before it answered"));
  }
}

void Router::answer_pending(Peer& peer, const Error& error) {
  for (auto& [id, reply] : std::exchange(peer.pending, {}))
    reply->set({std::unexpected(error), std::nullopt});
}

// --- connections ---

// A peer with a stream is not forgotten.
Result<> Router::open_stream(Peer& peer, net::Connection& connection) {
  if (peer.stream != nullptr) return {};
  ASPEN_TRY(net::Stream * stream, connection.open_stream(kStore));
  stream->on_frame([this, &peer, stream](Bytes frame) {
    auto response = decode_response(frame);
    if (!response) return stream->reset(Code::PROTOCOL, response.error().message);
    peer.heard = executor_.now();
    if (auto pending = peer.pending.extract(response->id))
      pending.mapped()->set(std::move(response->response));
  });
  stream->on_close([this, &peer](const Error& why) {
    peer.stream = nullptr;
    answer_pending(peer, Error(Code::CONNECTION_LOST, why.message));
  });
  peer.stream = stream;
  peer.heard = executor_.now();
  return {};
}

void Router::on_connected(net::Connection& connection) {
  auto it = peers_.find(connection.peer());
  if (it == peers_.end()) return;
  it->second.avoid_until = 0;
  if (it->second.connecting.empty()) return;
  Result<> opened = open_stream(it->second, connection);
  for (auto* waiting : std::exchange(it->second.connecting, {})) waiting->set(opened);
}

void Router::on_disconnected(net::Connection& connection, const Error& why) {
  auto it = peers_.find(connection.peer());
  if (it == peers_.end() || endpoint_->find(connection.peer()) != nullptr) return;  // another one stands
  avoid(connection.peer());
  for (auto* waiting : std::exchange(it->second.connecting, {})) waiting->set(std::unexpected(why));
}

rt::Task<Result<>> Router::connect(rt::Cx& cx, const NodeId& node) {
  if (endpoint_ == nullptr) co_return fail(Code::UNAVAILABLE, "this node has no network");
  auto known = peers_.find(node);
  if (known == peers_.end()) co_return fail(Code::UNAVAILABLE, "{} was forgotten", node.short_string());
  Peer& peer = known->second;
  if (net::Connection* connection = endpoint_->find(node)) co_return open_stream(peer, *connection);
  if (auto dialed = endpoint_->connect(node, peer.address); !dialed) {
    avoid(node);
    co_return std::unexpected(dialed.error());
  }
  rt::Oneshot<Result<>> connected;
  peer.connecting.push_back(&connected);
  rt::Timer patience(executor_, [&] {
    if (connected.has_value()) return;
    std::erase(peer.connecting, &connected);
    connected.set(fail(Code::UNAVAILABLE, "{} does not answer", describe(node)));
  });
  patience.arm(cx.now() + kConnectPatience);
  auto result = co_await connected.recv(cx);
  // Answered, it is in no list any more, and the peer may have been forgotten.
  if (!connected.has_value()) std::erase(peer.connecting, &connected);
  if (!result) co_return std::unexpected(result.error());
  if (!*result) avoid(node);
  co_return std::move(*result);
}

std::vector<NodeId> Router::reachable() const {
  std::vector<NodeId> nodes;
  for (const NodeId& node : order_) {
    if (!avoided(node)) nodes.push_back(node);
  }
  return nodes.empty() ? order_ : nodes;
}

rt::Task<Result<net::Connection*>> Router::connection(rt::Cx& cx, NodeId node) {
  ASPEN_CO_CHECK(co_await connect(cx, node));
  if (net::Connection* connection = endpoint_->find(node)) co_return connection;
  co_return fail(Code::CONNECTION_LOST, "the connection ended");
}

std::string Router::describe(const NodeId& node) const {
  auto it = peers_.find(node);
  if (it == peers_.end()) return node == self_ ? "this node" : node.short_string();
  return fmt::format("{} at {}", node.short_string(), it->second.address);
}

// --- one question to one member ---

rt::Task<Response> Router::ask(rt::Cx& cx, const NodeId& node, const Request& request, DurationNs patience,
                               bool& reached) {
  Reply reply;
  if (node == self_) {
    reached = true;
    // The replica may answer after this call was given up.
    struct Link {
      Reply* reply;
    };
    auto link = std::make_shared<Link>(&reply);
    local_->handle({self_, crypto::kRolesAll, {}}, request, [link](Response response) {
      if (link->reply != nullptr) link->reply->set(std::move(response));
    });
    auto answer = co_await reply.recv(cx);
    link->reply = nullptr;
    if (!answer) co_return refused(answer.error());
    co_return std::move(*answer);
  }
  if (auto connected = co_await connect(cx, node); !connected) co_return unsent(connected.error());
  auto known = peers_.find(node);
  if (known == peers_.end() || known->second.stream == nullptr) {
    co_return unsent(Error(Code::CONNECTION_LOST, "the connection ended"));
  }
  Peer& peer = known->second;
  reached = true;
  uint64_t id = next_id_++;
  if (auto queued = peer.stream->send(encode_request(id, request)); !queued) co_return unsent(queued.error());
  if (peer.pending.empty()) peer.heard = executor_.now();
  peer.pending.emplace(id, &reply);
  rt::Timer timer(executor_, [&] {
    if (reply.has_value()) return;
    peer.pending.erase(id);
    reply.set(refused(Error(Code::CONNECTION_LOST, "no answer in time")));
  });
  if (patience != kNoPatience) timer.arm(cx.now() + patience);
  auto answer = co_await reply.recv(cx);
  if (!reply.has_value()) peer.pending.erase(id);  // as in connect()
  if (!answer) co_return refused(answer.error());
  if (ASPEN_BUGGIFY("node-router-drops-connection")) {
    net::Connection* connection = endpoint_->find(node);
    if (connection != nullptr) connection->close(Code::CONNECTION_LOST, "dropped after an answer");
  }
  if (ASPEN_BUGGIFY("node-router-answer-lost")) {
    co_return refused(Error(Code::CONNECTION_LOST, "the answer was lost"));
  }
  co_return std::move(*answer);
}

rt::Task<Response> Router::ask(rt::Cx& cx, NodeId node, Request request) {
  bool reached = false;
  co_return co_await ask(cx, node, request, kNoPatience, reached);
}

bool Router::avoided(const NodeId& node) const {
  auto it = peers_.find(node);
  return it != peers_.end() && executor_.now() < it->second.avoid_until;
}

void Router::avoid(const NodeId& node) {
  if (auto it = peers_.find(node); it != peers_.end()) it->second.avoid_until = executor_.now() + kAvoidFor;
  if (leader_ == node) leader_.reset();
}

// The leader when known; else the members in turn, this node's own replica first if it is one of them.
NodeId Router::pick(size_t attempt) const {
  if (leader_) return *leader_;
  std::vector<NodeId> choices;
  if (local_ != nullptr && (order_.empty() || local_->is_voter())) choices.push_back(self_);
  for (const NodeId& node : order_) {
    if (!avoided(node)) choices.push_back(node);
  }
  if (choices.empty()) choices = order_;
  return choices.empty() ? self_ : choices[attempt % choices.size()];
}

rt::Task<Result<Bytes>> Router::route(rt::Cx& cx, Request request, bool& maybe_applied) {
  DurationNs backoff = kBackoffMin;
  Error last(Code::UNAVAILABLE, "no member was reached");
  size_t refusals = 0;  // members in a row that will not have us
  int hops = 0;         // hints followed without a pause: two members may each believe the other leads
  for (size_t attempt = 0;; ++attempt) {
    if (ASPEN_BUGGIFY("node-router-forgets-leader")) leader_.reset();
    bool first_here = reads_here_ && reads_keys(request.kind) && attempt == 0;
    // This member may be cut off from those who know what is fresh enough.
    bool stale_here = request.freshness.stale() && (request.freshness.age_max == 0 || attempt == 0);
    bool here = (stale_here || first_here) && local_ != nullptr && !local_->has_stopped();
    NodeId target = here ? self_ : pick(attempt);
    if (target == self_ && local_ == nullptr) co_return fail(Code::UNAVAILABLE, "this node knows no member");
    bool reached = false;
    DurationNs patience = ASPEN_BUGGIFY("node-router-impatient") ? kImpatience : kNoPatience;
    Response response = co_await ask(cx, target, request, patience, reached);
    if (response.body) {
      bool leads = only_the_leader_answers(request.kind) && !(reads_here_ && reads_keys(request.kind));
      if (!request.freshness.stale() && leads && !leader_) leader_ = target;
      co_return std::move(response.body);
    }
    const Error& error = response.body.error();
    if (error.applied == Applied::MAYBE && !ASPEN_MUTANT("node-maybe-becomes-no")) maybe_applied = true;
    if (auto cancelled = cx.checkpoint(); !cancelled) {
      co_return fail(cancelled.error().code, "{}, waiting for {}; last: {}", cancelled.error().message,
                     describe(target), last.to_string());
    }
    // What one member cannot be asked for (its name does not resolve, another node has its address), others
    // can; unless all say the same.
    bool permanent = !worth_retrying(error.code);
    refusals = permanent ? refusals + 1 : 0;
    if (permanent && (reached || refusals >= order_.size())) co_return std::unexpected(error);
    last = Error(error.code, fmt::format("{}: {}", describe(target), error.message));
    log(LogLevel::debug, "request to {} is tried again: {}{}", target.short_string(), error.to_string(),
        response.leader ? ", ask " + response.leader->node.short_string() : "");
    if (leader_ == target && error.code != Code::OVERLOADED) leader_.reset();
    if (response.leader && response.leader->node != target && !avoided(response.leader->node)) {
      learn(response.leader->node, response.leader->address);
      set_leader(response.leader->node);
      if (++hops <= kHopsMax) continue;
    }
    hops = 0;
    auto slept = co_await cx.sleep(backoff);
    if (!slept) co_return fail(slept.error().code, "{}; last: {}", slept.error().message, last.to_string());
    backoff = std::min(backoff * 2, kBackoffMax);
  }
}

rt::Task<Result<Bytes>> Router::call(rt::Cx& cx, Request request) {
  bool maybe_applied = false;
  auto result = co_await route(cx, std::move(request), maybe_applied);
  if (!result) result.error().applied = Applied::NO;
  co_return result;
}

rt::Task<Result<Bytes>> Router::change(rt::Cx& cx, Request request) {
  bool maybe_applied = false;
  auto result = co_await route(cx, std::move(request), maybe_applied);
  if (!result) result.error().applied = maybe_applied ? Applied::MAYBE : Applied::NO;
  co_return result;
}

// --- writes ---

rt::Task<Result<>> Router::ensure_session(rt::Cx& cx) {
  while (session_.id == 0) {
    if (session_.opening) {
      session_ready_.reset();
      ASPEN_CO_CHECK(co_await session_ready_.wait(cx));
      continue;
    }
    session_.opening = true;
    auto reply = co_await call(
        cx, {.kind = RequestKind::write, .body = kv::encode({.kind = kv::Command::Kind::open_session})});
    session_.opening = false;
    session_ready_.set();
    if (!reply) co_return std::unexpected(reply.error());
    ASPEN_CO_TRY(kv::SessionId id, kv::decode_session_reply(*reply));
    session_ = {.id = id};
  }
  co_return Result<>();
}

rt::Task<Result<kv::GetReply>> Router::get(rt::Cx& cx, kv::GetRequest get, Freshness freshness) {
  ASPEN_CO_TRY(Bytes reply, co_await call(cx, {RequestKind::get, freshness, kv::encode(get)}));
  co_return kv::decode_get_reply(BytesView(reply));
}

rt::Task<Result<kv::RangeReply>> Router::range(rt::Cx& cx, kv::RangeRequest range, Freshness freshness) {
  ASPEN_CO_TRY(Bytes reply, co_await call(cx, {RequestKind::range, freshness, kv::encode(range)}));
  co_return kv::decode_range_reply(BytesView(reply));
}

rt::Task<Result<QuotaList>> Router::quotas(rt::Cx& cx) {
  ASPEN_CO_TRY(Bytes reply, co_await call(cx, {.kind = RequestKind::quotas}));
  co_return decode_quota_list(reply);
}

rt::Task<Result<kv::IndexScanReply>> Router::scan(rt::Cx& cx, kv::IndexScanRequest scan) {
  ASPEN_CO_TRY(Bytes reply, co_await call(cx, {.kind = RequestKind::index_scan, .body = kv::encode(scan)}));
  co_return kv::decode_index_scan_reply(reply);
}

rt::Task<Result<kv::IndexList>> Router::indexes(rt::Cx& cx) {
  ASPEN_CO_TRY(Bytes reply, co_await call(cx, {.kind = RequestKind::indexes}));
  co_return kv::decode_index_list(reply);
}

rt::Task<Result<kv::WriteReply>> Router::write(rt::Cx& cx, kv::Command command) {
  return in_session(cx, std::move(command), kv::decode_write_reply);
}

rt::Task<Result<kv::DoneReply>> Router::run(rt::Cx& cx, kv::Command command) {
  return in_session(cx, std::move(command), kv::decode_done_reply);
}

rt::Task<Result<LeasesKept>> Router::keep_alive(rt::Cx& cx, std::vector<kv::LeaseId> ids) {
  const size_t asked = ids.size();
  Bytes body = encode(LeaseKeepAlive{std::move(ids)});
  ASPEN_CO_TRY(Bytes reply,
               co_await call(cx, {.kind = RequestKind::lease_keep_alive, .body = std::move(body)}));
  ASPEN_CO_TRY(LeasesKept kept, decode_leases_kept(reply));
  if (kept.ttls.size() == asked) co_return kept;
  co_return fail(Code::PROTOCOL, "an answer about {} leases to a question about {}", kept.ttls.size(), asked);
}

rt::Task<Result<LeaseInfo>> Router::lease(rt::Cx& cx, LeaseRequest request) {
  ASPEN_CO_TRY(Bytes reply, co_await call(cx, {.kind = RequestKind::lease_info, .body = encode(request)}));
  co_return decode_lease_info(reply);
}

rt::Task<Result<LeaseList>> Router::leases(rt::Cx& cx, LeaseListRequest request) {
  ASPEN_CO_TRY(Bytes reply, co_await call(cx, {.kind = RequestKind::lease_list, .body = encode(request)}));
  co_return decode_lease_list(reply);
}

template <typename Reply>
rt::Task<Result<Reply>> Router::in_session(rt::Cx& cx, kv::Command command,
                                           Result<Reply> (*decode)(BytesView)) {
  for (;;) {
    if (session_.id != 0 && ASPEN_BUGGIFY("node-session-forgotten")) session_ = {};
    if (auto ready = co_await ensure_session(cx); !ready) {
      co_return std::unexpected(Error(ready.error().code, Applied::NO, ready.error().message));
    }
    // The cluster remembers this many replies: a write that takes long holds back those far behind it.
    size_t window = ASPEN_BUGGIFY("node-session-window-one") ? 1 : limits::kSessionResultsMax;
    while (session_.id != 0 && !session_.outstanding.empty() &&
           session_.next_sequence - *session_.outstanding.begin() >= window) {
      if (auto slept = co_await cx.sleep(kMillisecond); !slept) {
        co_return std::unexpected(Error(slept.error().code, Applied::NO, slept.error().message));
      }
    }
    if (session_.id == 0) continue;
    Outstanding number(session_);
    command.session = number.session();
    command.sequence = number.sequence();
    command.acknowledged_below = number.acknowledged_below();
    if (ASPEN_MUTANT("node-retry-without-session")) command.session = command.sequence = 0;
    if (ASPEN_MUTANT("node-acknowledges-all")) command.acknowledged_below = session_.next_sequence;
    bool maybe_applied = false;
    auto reply = co_await route(cx, {.kind = RequestKind::write, .body = kv::encode(command)}, maybe_applied);
    Applied unless_told = maybe_applied ? Applied::MAYBE : Applied::NO;
    if (!reply) co_return std::unexpected(Error(reply.error().code, unless_told, reply.error().message));
    auto decoded = decode(*reply);
    // An answer that is none says nothing about what became of the write.
    if (!decoded && decoded.error().code == Code::PROTOCOL) decoded.error().applied = Applied::MAYBE;
    if (decoded || decoded.error().code != Code::SESSION_EXPIRED) co_return decoded;
    // It says nothing about an earlier attempt, which may have been applied before the session went.
    if (session_.id == number.session()) session_ = {};
    if (maybe_applied) {
      co_return std::unexpected(Error(Code::SESSION_EXPIRED, Applied::MAYBE, decoded.error().message));
    }
  }
}

// --- a silent leader ---

rt::Task<Result<>> Router::look_for_leader(rt::Cx& cx, NodeId silent) {
  std::vector<NodeId> others = order_;
  for (const NodeId& node : others) {
    if (node == silent || leader_ != silent) continue;
    bool reached = false;
    Response response = co_await ask(cx, node, {.kind = RequestKind::members}, kProbePatience, reached);
    ASPEN_CO_CHECK(cx.checkpoint());
    if (!response.body) continue;
    auto list = decode_member_list(*response.body);
    if (list && list->leader && list->leader->node != silent) {
      learn_members(*list);
      co_return Result<>();
    }
  }
  co_return Result<>();
}

rt::Task<Result<>> Router::watch_leader(rt::Cx& cx) {
  for (;;) {
    ASPEN_CO_CHECK(co_await cx.sleep_until(next_multiple(cx.now(), kSuspectPeriod)));
    if (!leader_ || *leader_ == self_) continue;
    auto it = peers_.find(*leader_);
    if (it == peers_.end() || it->second.pending.empty()) continue;
    DurationNs suspect_after = ASPEN_BUGGIFY("node-router-suspects-early") ? 0 : kSuspectAfter;
    if (cx.now() - it->second.heard < suspect_after) continue;
    ASPEN_CO_CHECK(co_await look_for_leader(cx, *leader_));
  }
}

}  // namespace aspen::node

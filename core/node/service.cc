#include "core/node/service.h"

#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/base/mutant.h"

namespace aspen::node {
namespace {

Error out_of_scope(BytesView scope) {
  return Error(
      Code::PERMISSION_DENIED,
      fmt::format("the caller's grant covers only keys that start with its scope of {} bytes", scope.size()));
}

bool range_within(BytesView start, BytesView end, BytesView scope) {
  Bytes scope_end = prefix_end(scope);
  return start >= scope && (scope_end.empty() || (!end.empty() && end <= scope_end));
}

bool within(const kv::Transaction& transaction, BytesView scope) {
  auto compare_within = [&](const kv::Compare& compare) {
    return compare.end ? range_within(compare.key, *compare.end, scope)
                       : BytesView(compare.key).starts_with(scope);
  };
  auto op_within = [&](const kv::Op& op) {
    switch (op.kind) {
      case kv::Op::Kind::erase_range:
      case kv::Op::Kind::range:
        return range_within(op.range.start, op.range.end, scope);
      case kv::Op::Kind::transaction:
        return within(op.nested.at(0), scope);
      default:
        return BytesView(op.key).starts_with(scope);
    }
  };
  return std::ranges::all_of(transaction.compares, compare_within) &&
         std::ranges::all_of(transaction.then, op_within) &&
         std::ranges::all_of(transaction.otherwise, op_within);
}

// What is about no key in particular is for those who may touch all of them.
bool within(const kv::Command& command, BytesView scope) {
  switch (command.kind) {
    case kv::Command::Kind::write:
      return within(command.transaction, scope);
    case kv::Command::Kind::open_session:
    case kv::Command::Kind::close_session:
    case kv::Command::Kind::lease_grant:
    case kv::Command::Kind::lease_revoke:
      return true;
    default:
      return scope.empty();
  }
}

}  // namespace

Response Service::failure(Error error) const {
  return failure(replica_.group(), std::move(error));
}

Response Service::failure(const Group& group, Error error) {
  Response response{std::unexpected(group.stopped_here(std::move(error))), std::nullopt};
  if (response.body.error().code == Code::NOT_LEADER) {
    if (const raft::Member* leader = group.leader())
      response.leader = LeaderHint{leader->node, leader->address};
  }
  return response;
}

Result<> Service::check_scope(const Caller& caller, const Request& request) const {
  if (caller.scope.empty()) return {};
  switch (request.kind) {
    case RequestKind::get: {
      ASPEN_TRY(kv::GetRequest get, kv::decode_get_request(BytesView(request.body)));
      if (!BytesView(get.key).starts_with(caller.scope)) return std::unexpected(out_of_scope(caller.scope));
      return {};
    }
    case RequestKind::range: {
      ASPEN_TRY(kv::RangeRequest range, kv::decode_range_request(BytesView(request.body)));
      if (!range_within(range.start, range.end, caller.scope))
        return std::unexpected(out_of_scope(caller.scope));
      return {};
    }
    case RequestKind::write: {
      ASPEN_TRY(kv::Command command, kv::decode_command(request.body));
      if (!within(command, caller.scope)) return std::unexpected(out_of_scope(caller.scope));
      return {};
    }
    default:
      return {};
  }
}

Service::~Service() {
  for (Unfinished& one : std::exchange(unfinished_, {})) {
    one.respond({fail(Code::SHUTDOWN, "the node is closing"), std::nullopt});
  }
}

void Service::handle(const Caller& caller, Request request, Respond respond) {
  // One that has stopped still says who the others are.
  const auto& stopped = replica_.driver().failure();
  if (stopped && request.kind != RequestKind::members) {
    return respond(failure(Error(stopped->code, Applied::NO, stopped->message)));
  }
  if (auto allowed = check_scope(caller, request); !allowed) return respond(failure(allowed.error()));
  size_t& in_flight = in_flight_[caller.node];
  if (in_flight >= limits::kRequestsPerPeerMax || ASPEN_BUGGIFY("node-service-overloaded")) {
    return respond(
        failure(Error(Code::OVERLOADED, fmt::format("{} requests of this node wait already; at most {}",
                                                    in_flight, limits::kRequestsPerPeerMax))));
  }
  ++in_flight;
  Respond counted = [this, alive = std::weak_ptr<bool>(alive_), node = caller.node,
                     respond = std::move(respond)](Response response) mutable {
    if (!alive.expired()) {
      if (auto it = in_flight_.find(node); --it->second == 0) in_flight_.erase(it);
    }
    respond(std::move(response));
  };
  switch (request.kind) {
    case RequestKind::write:
      return write(caller, std::move(request.body), std::move(counted));
    case RequestKind::get:
    case RequestKind::range:
    case RequestKind::quotas:
    case RequestKind::index_scan:
    case RequestKind::indexes:
      return read(caller, std::move(request), std::move(counted));
    case RequestKind::status:
      return counted({status_(), std::nullopt});
    case RequestKind::members:
      return counted(members());
    case RequestKind::join:
      return join(caller, request.body, std::move(counted));
    case RequestKind::remove_member:
    case RequestKind::transfer_leadership:
      return change_members(caller, request, std::move(counted));
    case RequestKind::group_command:
      return group_command(caller, request.body, std::move(counted));
    case RequestKind::lease_keep_alive:
    case RequestKind::lease_info:
    case RequestKind::lease_list:
      return about_leases(caller, request, std::move(counted));
  }
}

void Service::write(const Caller& caller, Bytes command, Respond respond) {
  // Checked before it is replicated: what a peer sends must not cost every member a log entry.
  auto decoded = kv::decode_command(command);
  Result<> valid = decoded ? kv::validate(*decoded) : std::unexpected(decoded.error());
  if (valid && decoded->kind == kv::Command::Kind::leases_expire) {
    valid = fail(Code::PERMISSION_DENIED, "only the leader says that the time of a lease has run out");
  }
  if (valid && decoded->kind == kv::Command::Kind::index_step) {
    valid = fail(Code::PERMISSION_DENIED, "only the leader says when an index is built further");
  }
  if (valid && !caller.scope.empty() && !replica_.driver().replacing()) {
    valid = leases_.restrict(caller.scope, *decoded);
    command = kv::encode(*decoded);
  }
  if (!valid) return respond(failure(valid.error()));
  if (decoded->kind == kv::Command::Kind::open_session) {
    decoded->owner = caller.node;
    command = kv::encode(*decoded);
  }
  const kv::SessionId session = decoded->session;
  if (session == 0 || ASPEN_MUTANT("node-session-of-anybody")) {
    return propose(std::move(command), std::move(respond));
  }
  if (session <= replica_.machine().applied() && !ASPEN_BUGGIFY("node-service-session-not-applied")) {
    return propose_in_session(caller.node, session, std::move(command), std::move(respond));
  }
  // The caller knows a session that was opened under an earlier leader; its opening is committed.
  replica_.read({},
                [this, node = caller.node, session, command = std::move(command),
                 alive = std::weak_ptr<bool>(alive_), respond = std::move(respond)](Result<> ready) mutable {
                  if (alive.expired()) return respond({fail(Code::SHUTDOWN, "the node is closing"), {}});
                  if (!ready) return respond(failure(std::move(ready).error()));
                  propose_in_session(node, session, std::move(command), std::move(respond));
                });
}

// Ids are log indexes: what has been applied says all there is to say about the lower ones, and the higher
// ones are nobody's yet, even if the next entry opens one.
void Service::propose_in_session(const NodeId& caller, kv::SessionId session, Bytes command,
                                 Respond respond) {
  if (replica_.driver().replacing()) {
    return respond(failure(Error(Code::UNAVAILABLE, "the state is being replaced by a snapshot")));
  }
  if (session > replica_.machine().applied() && !ASPEN_MUTANT("node-session-to-come")) {
    return respond(
        failure(Error(Code::SESSION_EXPIRED, Applied::NO, fmt::format("session {} is not open", session))));
  }
  const std::optional<NodeId> owner = replica_.machine().session_owner(session);
  if (owner && *owner != NodeId() && *owner != caller) {
    return respond(failure(Error(Code::PERMISSION_DENIED, Applied::NO,
                                 fmt::format("session {} is another node's; open one", session))));
  }
  propose(std::move(command), std::move(respond));
}

void Service::propose(Bytes command, Respond respond) {
  replica_.driver().propose(std::move(command), [this, alive = std::weak_ptr<bool>(alive_),
                                                 respond = std::move(respond)](Result<Bytes> reply) mutable {
    if (reply || alive.expired()) return respond({std::move(reply), std::nullopt});
    respond(failure(std::move(reply).error()));
  });
}

bool Service::fresh_enough(const Freshness& wanted) const {
  if (ASPEN_MUTANT("node-read-not-confirmed")) return true;
  if (!wanted.stale()) return false;
  if (wanted.age_max == 0 || ASPEN_MUTANT("node-stale-any-age")) return true;
  return fresh_as_of_ >= 0 && executor_.env().now() - fresh_as_of_ <= wanted.age_max;
}

void Service::read(const Caller& caller, Request request, Respond respond) {
  bool stale = request.freshness.stale();
  if (stale && (replica_.driver().replacing() || ASPEN_BUGGIFY("node-service-replacing"))) {
    return respond(failure(Error(Code::UNAVAILABLE, "the state is being replaced by a snapshot")));
  }
  const bool scans = request.kind == RequestKind::index_scan;
  const bool unconfirmed = scans && ASPEN_MUTANT("node-index-scan-not-confirmed");
  if (unconfirmed || fresh_enough(request.freshness)) return answer(caller, request, std::move(respond));
  bool lease = request.freshness.kind == Freshness::Kind::lease;
  TimeNs began = executor_.env().now();
  replica_.read({.lease = lease, .here = stale},
                [this, began, alive = std::weak_ptr<bool>(alive_), caller, request = std::move(request),
                 respond = std::move(respond)](Result<> ready) mutable {
                  if (alive.expired()) return respond({fail(Code::SHUTDOWN, "the node is closing"), {}});
                  if (!ready) return respond(failure(std::move(ready).error()));
                  fresh_as_of_ = std::max(fresh_as_of_, began);
                  answer(caller, request, std::move(respond));
                });
}

void Service::answer(const Caller& caller, const Request& request, Respond respond) {
  if (request.kind == RequestKind::range) return answer_range(request.body, std::move(respond));
  respond(read_now(caller, request));
}

void Service::answer_range(BytesView body, Respond respond) {
  auto range = kv::decode_range_request(body);
  if (!range) return respond(failure(range.error()));
  unfinished_.push_front({*std::move(range), std::move(respond)});
  go_on();
}

void Service::go_on() {
  Unfinished one = std::move(unfinished_.front());
  unfinished_.pop_front();
  Result<kv::RangeReply> reply = fail(Code::UNAVAILABLE, "the state is being replaced by a snapshot");
  if (!replica_.driver().replacing()) reply = replica_.machine().range(one.range);
  if (reply && reply->entries.empty() && reply->more && !ASPEN_MUTANT("node-range-ends-early")) {
    (one.range.reverse ? one.range.end : one.range.start) = std::move(reply->continuation);
    unfinished_.push_back(std::move(one));
  } else if (reply) {
    one.respond({kv::encode(*reply), std::nullopt});
  } else {
    one.respond({std::unexpected(std::move(reply).error()), std::nullopt});
  }
  if (!unfinished_.empty()) executor_.schedule(go_on_);
}

void Service::about_leases(const Caller& caller, const Request& request, Respond respond) {
  auto answer = [this, alive = std::weak_ptr<bool>(alive_),
                 respond = std::move(respond)](Result<Bytes> reply) mutable {
    if (reply || alive.expired()) return respond({std::move(reply), std::nullopt});
    respond(failure(std::move(reply).error()));
  };
  if (request.kind == RequestKind::lease_keep_alive) {
    leases_.keep_alive(caller.scope, request.body, std::move(answer));
  } else if (request.kind == RequestKind::lease_info) {
    leases_.info(caller.scope, request.body, std::move(answer));
  } else {
    leases_.list(caller.scope, request.body, std::move(answer));
  }
}

Response Service::read_now(const Caller& caller, const Request& request) const {
  auto answer = [&]() -> Result<Bytes> {
    if (request.kind == RequestKind::quotas) return quotas(caller);
    if (request.kind == RequestKind::index_scan) return scan(caller, request.body);
    if (request.kind == RequestKind::indexes) return indexes(caller);
    if (request.kind == RequestKind::get) {
      ASPEN_TRY(kv::GetRequest get, kv::decode_get_request(BytesView(request.body)));
      ASPEN_TRY(kv::GetReply reply, replica_.machine().get(get));
      return kv::encode(reply);
    }
    return fail(Code::INTERNAL, "request kind {} reads nothing", static_cast<int>(request.kind));
  };
  return {answer(), std::nullopt};
}

void Service::join(const Caller& caller, BytesView body, Respond respond) {
  auto join = decode_join(body);
  if (!join) return respond(failure(join.error()));
  if ((caller.roles & crypto::kRoleMember) == 0 || !caller.scope.empty()) {
    return respond(
        failure(Error(Code::PERMISSION_DENIED, "the caller's grant does not allow it to hold replicas")));
  }
  auto group = find_group(join->group);
  if (!group) return respond(failure(group.error()));
  auto done = [this, id = join->group, alive = std::weak_ptr<bool>(alive_),
               respond = std::move(respond)](Result<> result) mutable {
    if (result || alive.expired()) return respond({Bytes(), std::nullopt});
    auto still = find_group(id);
    respond(still ? failure(**still, std::move(result).error()) : failure(still.error()));
  };
  (*group)->join(caller.node, *join, std::move(done));
}

void Service::change_members(const Caller& caller, const Request& request, Respond respond) {
  Result<MemberRequest> removal;
  Result<TransferRequest> transfer;
  const bool removes = request.kind == RequestKind::remove_member;
  removes ? void(removal = decode_member_request(request.body))
          : void(transfer = decode_transfer_request(request.body));
  if (!removal) return respond(failure(removal.error()));
  if (!transfer) return respond(failure(transfer.error()));
  const bool may = (caller.roles & crypto::kRoleMember) != 0 && caller.scope.empty();
  if (!may && !ASPEN_MUTANT("node-anybody-removes-members")) {
    return respond(
        failure(Error(Code::PERMISSION_DENIED,
                      "who the members are, and who leads, is for callers whose grant lets them be "
                      "members, of all keys")));
  }
  const raft::GroupId id = removes ? removal->group : transfer->group;
  auto group = find_group(id);
  if (!group) return respond(failure(group.error()));
  auto answer = [this, id, alive = std::weak_ptr<bool>(alive_),
                 respond = std::move(respond)](auto result) mutable {
    if (result) return respond({encode(*result), std::nullopt});
    auto still = alive.expired() ? Result<Group*>(nullptr) : find_group(id);
    if (!still || *still == nullptr) return respond({std::unexpected(result.error()), std::nullopt});
    respond(failure(**still, std::move(result).error()));
  };
  removes ? (*group)->remove(removal->node, std::move(answer))
          : (*group)->transfer(*transfer, std::move(answer));
}

Result<Group*> Service::find_group(raft::GroupId id) {
  if (id == kStoreGroup) return &replica_.group();
  if (Group* group = groups_.find(id)) return group;
  return std::unexpected(
      Error(Code::NOT_FOUND, Applied::NO, fmt::format("this node has no part in group {}", id)));
}

void Service::group_command(const Caller& caller, BytesView body, Respond respond) {
  auto command = decode_group_command(body);
  if (!command) return respond(failure(command.error()));
  if (command->group == kStoreGroup || !caller.scope.empty()) {
    return respond(
        failure(Error(Code::PERMISSION_DENIED, Applied::NO,
                      "commands of groups are for callers with all keys, and not for the store's")));
  }
  auto group = find_group(command->group);
  if (!group) return respond(failure(group.error()));
  auto done = [this, id = command->group, alive = std::weak_ptr<bool>(alive_),
               respond = std::move(respond)](Result<Bytes> reply) mutable {
    if (reply) return respond({std::move(reply), std::nullopt});
    auto still = alive.expired() ? Result<Group*>(nullptr) : find_group(id);
    if (!still || *still == nullptr) return respond({std::move(reply), std::nullopt});
    respond(failure(**still, std::move(reply).error()));
  };
  (*group)->driver().propose(std::move(command->command), std::move(done));
}

Bytes Service::quotas(const Caller& caller) const {
  QuotaList list{.quotas = replica_.machine().quotas(), .revision = replica_.machine().applied()};
  std::erase_if(list.quotas,
                [&](const kv::Quota& quota) { return !BytesView(quota.prefix).starts_with(caller.scope); });
  return encode(list);
}

// Only here is it known what the index is over: it may be another one of the same name by now.
Result<Bytes> Service::scan(const Caller& caller, BytesView body) const {
  ASPEN_TRY(kv::IndexScanRequest request, kv::decode_index_scan_request(body));
  const kv::Index* index = replica_.machine().indexes().find(request.index);
  if (index != nullptr && !BytesView(index->prefix).starts_with(caller.scope) &&
      !ASPEN_MUTANT("node-index-scope-ignored")) {
    return std::unexpected(out_of_scope(caller.scope));
  }
  ASPEN_TRY(kv::IndexScanReply reply, replica_.machine().scan(request));
  return kv::encode(reply);
}

Bytes Service::indexes(const Caller& caller) const {
  kv::IndexList list{replica_.machine().indexes().all()};
  std::erase_if(list.indexes,
                [&](const kv::Index& index) { return !BytesView(index.prefix).starts_with(caller.scope); });
  return kv::encode(list);
}

Response Service::members() const {
  MemberList list;
  if (const raft::Member* leader = replica_.group().leader())
    list.leader = LeaderHint{leader->node, leader->address};
  for (const raft::Member& member : replica_.driver().core().config().members) {
    list.members.push_back({member.node, member.address});
  }
  return {encode(list), std::nullopt};
}

void Service::accept(net::Stream& stream) {
  // Replies find the stream gone when the peer left meanwhile.
  auto open = std::make_shared<net::Stream*>(&stream);
  stream.on_close([open](const Error&) { *open = nullptr; });
  const net::Connection& connection = stream.connection();
  Caller caller{connection.peer(), connection.membership().roles, connection.membership().scope};
  stream.on_frame([this, open, caller = std::move(caller)](Bytes frame) {
    auto request = decode_request(frame);
    if (!request) return (*open)->reset(Code::PROTOCOL, request.error().message);
    handle(caller, std::move(request->request), [open, id = request->id](Response response) {
      if (*open == nullptr) return;
      if (auto sent = (*open)->send(encode_response(id, response)); !sent) {
        (*open)->reset(sent.error().code, "the caller does not take its replies");
      }
    });
  });
}

}  // namespace aspen::node

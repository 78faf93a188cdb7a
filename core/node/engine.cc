#include "core/node/engine.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/net/address.h"

namespace aspen::node {
namespace {

constexpr DurationNs kExpiryPeriod = 200 * kMillisecond;
constexpr DurationNs kPeerIdleTimeout = 4 * kSecond;
constexpr DurationNs kPeerKeepAlive = kSecond;
constexpr DurationNs kAskAgain = 20 * kMillisecond;

const char* role_name(const raft::Status& status) {
  const raft::Member* self = status.config.find(status.self);
  if (self == nullptr || self->role == raft::MemberRole::learner) return "learner";
  switch (status.role) {
    case raft::Role::leader:
      return "leader";
    case raft::Role::follower:
      return "follower";
    default:
      return "candidate";
  }
}

const char* mode_name(Mode mode) {
  switch (mode) {
    case Mode::embedded:
      return "embedded";
    case Mode::client:
      return "client";
    default:
      return "member";
  }
}

bool any_address(const std::string& address) {
  return address.starts_with("0.0.0.0:") || address.starts_with("[::]:");
}

crypto::TicketPeer ticket_peer(const raft::Member& member) {
  return {member.node, member.address};
}

}  // namespace

Engine::Engine(Platform& platform, const NodeOptions& options)
    : platform_(platform),
      env_(platform.executor().env()),
      options_(options),
      background_(platform.executor()),
      operations_(platform.executor()) {
  crypto::initialize();
}

Engine::~Engine() = default;

// --- identity ---

Result<> Engine::join_by_ticket(crypto::Ticket ticket, crypto::Roles roles) {
  identity_->network = ticket.network;
  ASPEN_TRY(identity_->membership, crypto::admit(ticket, key_->id(), roles));
  identity_->invitation = std::move(ticket);
  return {};
}

// In memory: it is saved when nothing stands in the node's way any more.
Result<> Engine::create_identity() {
  key_ = crypto::KeyPair::generate();
  identity_.emplace();
  identity_->node_seed = key_->seed();
  if (options_.mode == Mode::join || options_.mode == Mode::client) {
    ASPEN_TRY(crypto::Ticket ticket, crypto::parse_ticket(options_.ticket, env_.wall_now()));
    // A client may do what its ticket lets it: change who the members are, too.
    const crypto::Roles granted = ticket.chain.empty() ? 0 : ticket.chain.back().roles & crypto::kRolesAll;
    return join_by_ticket(std::move(ticket),
                          has_replica() ? crypto::kRolesAll : granted | crypto::kRoleClient);
  }
  crypto::KeyPair root = crypto::KeyPair::generate();
  identity_->network = root.id();
  identity_->root_seed = root.seed();
  crypto::Grant grant{.kind = crypto::GrantKind::node, .subject = key_->id(), .roles = crypto::kRolesAll};
  ASPEN_TRY(grant, crypto::issue(root.id(), {}, root, std::move(grant)));
  identity_->membership = {std::move(grant)};
  return {};
}

Result<> Engine::identify_by_dir() {
  std::optional<crypto::Ticket> ticket;
  if (!options_.ticket.empty()) {
    ASPEN_TRY(ticket, crypto::parse_ticket(options_.ticket, env_.wall_now()));
  }
  ASPEN_TRY(home_, platform_.open_home(options_.dir));
  const bool restores = !options_.restore_from.empty();
  if (home_->node() && home_->node()->restoring && !restores && !ASPEN_MUTANT("node-restore-not-marked")) {
    return fail(Code::CORRUPT,
                "a restore into {} was interrupted: open it with `restore_from` again, or remove it",
                options_.dir);
  }
  if (home_->node() && !home_->node()->restoring && restores) {
    return fail(Code::ALREADY_EXISTS, "{} holds a node; a backup is restored into a new directory",
                options_.dir);
  }
  if (!home_->node()) {
    if (options_.mode == Mode::join && !ticket) {
      return fail(Code::INVALID_ARGUMENT, "{} is new: joining needs a ticket", options_.dir);
    }
    return create_identity();
  }
  identity_ = *home_->node();
  key_ = crypto::KeyPair::from_seed(identity_->node_seed);
  if (!ticket) return {};
  if (ticket->network != identity_->network) {
    return fail(Code::WRONG_NODE, "{} belongs to network {}, the ticket is of network {}", options_.dir,
                identity_->network.to_string(), ticket->network.to_string());
  }
  identity_->invitation = std::move(ticket);
  return {};
}

Result<> Engine::identify() {
  ASPEN_CHECK(has_replica() ? identify_by_dir() : create_identity());
  ASPEN_TRY(auto membership,
            crypto::verify_chain(identity_->network, identity_->membership, key_->id(), env_.wall_now()));
  if (has_replica() && !membership.scope.empty()) {
    return fail(Code::PERMISSION_DENIED,
                "the ticket allows only keys that start with its scope; a member holds all keys");
  }
  return {};
}

// --- restoring ---

rt::Task<Result<>> Engine::check_backup(rt::Cx& cx) {
  ASPEN_CO_TRY(auto directory, platform_.open_folder(options_.restore_from, false));
  ASPEN_CO_TRY(restored_from_, BackupReader::open(std::move(directory), options_.restore_from));
  BackupCheck check(*restored_from_);
  for (bool more = !ASPEN_MUTANT("node-restore-unchecked"); more;) {
    ASPEN_CO_TRY(more, co_await backup_lane_->run(cx, [&check] { return check.step(); }));
  }
  restored_from_->rewind();
  co_return Result<>();
}

rt::Task<Result<>> Engine::restore(rt::Cx& cx) {
  ASPEN_CO_CHECK(
      co_await Replica::begin_with(cx, *backup_lane_, *home_, *logs_, *restored_from_, key_->id(), address_));
  log(LogLevel::info, "{} is restored at revision {}", options_.restore_from,
      restored_from_->manifest().revision());
  restored_from_.reset();
  identity_->restoring = false;
  identity_->has_log = true;
  co_return home_->save(*identity_);
}

// --- coming up ---

Result<> Engine::open_logs() {
  ASPEN_TRY(logs_, LogHost::open(platform_, *home_, options_.journal_segment_bytes));
  return {};
}

// Streams that come while a backup is restored are for nobody yet.
std::function<void(net::Stream&)> Engine::when_up(std::function<void(net::Stream&)> accept) {
  return [this, accept = std::move(accept)](net::Stream& stream) {
    if (backups_ != nullptr) return accept(stream);
    stream.reset(Code::UNAVAILABLE, "the node is opening");
  };
}

Result<> Engine::open_endpoint() {
  if (options_.mode == Mode::embedded) return {};
  if (!options_.advertise.empty()) ASPEN_CHECK(net::split_host_port(options_.advertise));
  net::EndpointOptions options;
  options.key = &*key_;
  options.network = identity_->network;
  options.membership = identity_->membership;
  options.listen = options_.mode == Mode::client ? "" : options_.listen;
  options.idle_timeout = kPeerIdleTimeout;
  options.keep_alive = kPeerKeepAlive;
  net::Subprotocol raft{.id = kRaft};
  net::Subprotocol snapshot{.id = kSnapshot};
  net::Subprotocol store{.id = kStore};
  net::Subprotocol watch{.id = kWatch};
  net::Subprotocol backup{.id = kBackup};
  if (has_replica()) {
    raft.required_roles = snapshot.required_roles = crypto::kRoleMember;
    store.required_roles = watch.required_roles = backup.required_roles = crypto::kRoleClient;
    raft.on_stream = when_up([this](net::Stream& stream) { links_->accept_raft(stream); });
    snapshot.on_stream = when_up([this](net::Stream& stream) { links_->accept_snapshot(stream); });
    store.on_stream = when_up([this](net::Stream& stream) { service_->accept(stream); });
    watch.on_stream = when_up([this](net::Stream& stream) { watch_service_->accept(stream); });
    backup.on_stream = when_up([this](net::Stream& stream) { backups_->accept(stream); });
    options.subprotocols = {raft, snapshot, store, watch, backup};
  } else {
    options.subprotocols = {store, watch, backup};
  }
  options.on_connected = [this](net::Connection& connection) { router_->on_connected(connection); };
  options.on_disconnected = [this](net::Connection& connection, const Error& why) {
    log(LogLevel::info, "connection to {} ended: {}", connection.peer().short_string(), why.to_string());
    router_->on_disconnected(connection, why);
  };
  options.on_refused = [](const std::string& from, const Error& why) {
    log(LogLevel::warn, "refused a connection from {}: {}", from, why.to_string());
  };
  ASPEN_TRY(endpoint_, platform_.open_endpoint(std::move(options)));
  if (has_replica()) {
    address_ = options_.advertise.empty() ? endpoint_->local_address() : options_.advertise;
    ASPEN_TRY(auto host_port, net::split_host_port(address_));
    if (host_port.second == "0")
      return fail(Code::INVALID_ARGUMENT, "nobody can dial port 0 of {}", address_);
    if (any_address(address_)) {
      return fail(Code::INVALID_ARGUMENT,
                  "{} means every address; say with `advertise` which one others dial", address_);
    }
  }
  return {};
}

Result<> Engine::open_replica() {
  if (!has_replica()) return {};
  links_ = std::make_unique<GroupLinks>(background_);
  GroupOptions group;
  group.node = key_->id();
  group.address = address_;
  group.heartbeat = options_.heartbeat;
  group.election = options_.election;
  group.lease_reads = options_.lease_reads;
  group.clock_drift_ppm_max = options_.clock_drift_ppm_max;
  group.dead_voter_after = options_.dead_voter_after;
  groups_ = std::make_unique<Groups>(platform_, *links_, *logs_, *router_, group);
  group.log_entries_max = options_.log_entries_max;
  if (options_.member_reads) router_->read_here();
  group.on_state = [this](const raft::Status& status) {
    for (const raft::Member& member : status.config.members) router_->learn(member.node, member.address);
    if (const raft::Member* leader = status.config.find(status.leader)) router_->set_leader(leader->node);
  };
  ReplicaOptions options{std::move(group), options_.member_reads, options_.history};
  ASPEN_TRY(replica_, Replica::open(platform_, background_, *home_, *links_, *logs_, std::move(options)));
  ASPEN_CHECK(begin_replica());
  service_ = std::make_unique<Service>(platform_.executor(), *replica_, *groups_,
                                       [this] { return member_status(); });
  watch_service_ = std::make_unique<WatchService>(platform_.executor(), *replica_);
  return {};
}

Result<> Engine::begin_replica() {
  bool founder = identity_->root_seed.has_value();
  size_t members = replica_->driver().core().config().members.size();
  if (options_.mode == Mode::embedded && (!founder || members > 1)) {
    return fail(Code::WRONG_NODE, "{} belongs to a member of a network; open it as a member", options_.dir);
  }
  if (!replica_->group().empty() || !founder) return {};
  if (!identity_->has_log) {
    replica_->group().bootstrap();
  } else if (!identity_->invitation) {
    return fail(Code::CORRUPT,
                "{} has lost its log; a founder cannot begin a second time, only join what it founded",
                options_.dir);
  }
  return {};
}

rt::Task<Result<NodeFacts>> Engine::open(rt::Cx& cx) {
  if (!options_.restore_from.empty() && options_.mode != Mode::embedded && options_.mode != Mode::found) {
    co_return fail(Code::INVALID_ARGUMENT, "only a node that founds, or is embedded, restores a backup");
  }
  ASPEN_CO_CHECK(identify());
  backup_lane_ = platform_.open_lane(LaneUse::background);
  const bool restores = !options_.restore_from.empty();
  if (restores) ASPEN_CO_CHECK(co_await check_backup(cx));
  router_ = std::make_unique<Router>(platform_.executor(), key_->id());
  ASPEN_CO_CHECK(open_endpoint());
  identity_->restoring = restores;
  if (home_ && !home_->node()) ASPEN_CO_CHECK(home_->save(*identity_));
  if (has_replica()) ASPEN_CO_CHECK(open_logs());
  if (restores) ASPEN_CO_CHECK(co_await restore(cx));
  ASPEN_CO_CHECK(open_replica());
  backups_ = std::make_unique<Backups>(platform_, background_, *backup_lane_, *router_, replica_.get(),
                                       identity_->network, key_->id());
  router_->attach(endpoint_.get(), service_.get());
  watch_client_ = std::make_unique<WatchClient>(*router_, key_->id());
  watch_client_->attach(watch_service_.get());
  open_watches_ = std::make_unique<OpenWatches>(*watch_client_);
  if (replica_) {
    links_->attach(endpoint_.get());
    background_.spawn("store", [this](rt::Cx& cx) { return replica_->keep(cx); });
    background_.spawn("groups", [this](rt::Cx& cx) { return groups_->keep(cx); });
    background_.spawn("leases", [this](rt::Cx& cx) { return replica_->leases().run(cx); });
    background_.spawn("log check", [this](rt::Cx& cx) {
      return logs_->verify(cx, replica_->background(), [this](const Error& error) {
        replica_->driver().storage_failed(error);
        groups_->storage_failed(error);
      });
    });
  }
  if (endpoint_) background_.spawn("expiry", [this](rt::Cx& cx) { return end_expired(cx); });
  renewer_ = std::make_unique<LeaseRenewer>(platform_.executor(), *router_);
  background_.spawn("lease renewal", [this](rt::Cx& cx) { return renewer_->run(cx); });
  background_.spawn("leader watch", [this](rt::Cx& cx) { return router_->watch_leader(cx); });
  if (identity_->invitation) {
    for (const crypto::TicketPeer& peer : identity_->invitation->peers)
      router_->learn(peer.node, peer.address);
  }
  ASPEN_CO_CHECK(co_await serve(cx));
  serving_ = true;
  co_return NodeFacts{key_->id().to_string(), address_};
}

rt::Task<Result<>> Engine::serve(rt::Cx& cx) {
  if (!replica_) {
    // A client serves when a member has answered it.
    auto reply = co_await router_->call(cx, {.kind = RequestKind::members});
    ASPEN_CO_CHECK(reply);
    ASPEN_CO_TRY(MemberList list, decode_member_list(*reply));
    for (const LeaderHint& member : list.members) router_->learn(member.node, member.address);
    if (list.leader) router_->set_leader(list.leader->node);
    co_return Result<>();
  }
  const bool outside = replica_->driver().core().config().find(replica_->group().peer()) == nullptr;
  if (outside) ASPEN_CO_CHECK(check_invitation());
  // One whose log was lost begins anew, as another incarnation.
  const bool admitted = identity_->has_log && !replica_->group().empty();
  ASPEN_CO_CHECK(co_await replica_->group().enter(
      cx, background_, [this](rt::Cx& task, bool again) { return join(task, again); }, admitted));
  co_return remember_log();
}

Result<> Engine::remember_log() {
  if (identity_->has_log) return {};
  identity_->has_log = true;
  return home_->save(*identity_);
}

// A founder's first ticket names only the founder.
Result<> Engine::check_invitation() const {
  if (!identity_->invitation) return {};
  auto is_self = [this](const crypto::TicketPeer& peer) { return peer.node == key_->id(); };
  const auto& peers = identity_->invitation->peers;
  if (peers.empty() || !std::ranges::all_of(peers, is_self)) return {};
  return fail(
      Code::INVALID_ARGUMENT,
      "{} has lost its data, and the ticket names no other node that has them; use a ticket that another "
      "member gives out now",
      key_->id().short_string());
}

rt::Task<Result<>> Engine::join(rt::Cx& cx, bool again) {
  Bytes body = encode(JoinRequest{kStoreGroup, replica_->group().peer(), address_, again});
  ASPEN_CO_CHECK(co_await router_->call(cx, {.kind = RequestKind::join, .body = std::move(body)}));
  // From here on it is a member until it is told otherwise.
  co_return remember_log();
}

// The hello checked the membership; it may run out while the connection lives.
rt::Task<Result<>> Engine::end_expired(rt::Cx& cx) {
  for (;;) {
    ASPEN_CO_CHECK(co_await cx.sleep_until(next_multiple(cx.now(), kExpiryPeriod)));
    for (net::Connection* connection : endpoint_->connections()) {
      WallNs not_after = connection->membership().not_after;
      if (not_after != 0 && env_.wall_now() > not_after) {
        connection->close(Code::GRANT_EXPIRED, "the peer's membership has expired");
      }
    }
  }
}

// --- going down ---

rt::Task<Result<>> Engine::close(rt::Cx& cx) {
  rt::CancelReason reason{rt::CancelKind::shutdown, "the node is closing"};
  if (replica_) {
    (void)co_await groups_->hand_over(cx);
    (void)co_await replica_->group().hand_over(cx);
  }
  serving_ = false;
  operations_.cancel(reason);
  co_await operations_.close();
  open_watches_.reset();
  if (groups_) co_await groups_->close_all(cx);
  background_.cancel(reason);
  co_await background_.close();
  if (endpoint_) {
    rt::Oneshot<bool> closed;
    endpoint_->close(Code::SHUTDOWN, "the node is closing", [&closed] { closed.set(true); });
    (void)co_await closed.recv(cx);
  }
  if (links_) links_->attach(nullptr);
  if (replica_) {
    replica_->group().detach();
    rt::Oneshot<bool> closed;
    replica_->group().close([&closed] { closed.set(true); });
    (void)co_await closed.recv(cx);
  }
  endpoint_.reset();
  watch_client_.reset();
  watch_service_.reset();
  service_.reset();
  backups_.reset();
  restored_from_.reset();
  backup_lane_.reset();
  replica_.reset();
  groups_.reset();
  links_.reset();
  logs_.reset();
  renewer_.reset();
  router_.reset();
  home_.reset();
  co_return Result<>();
}

Result<Groups*> Engine::need_groups() {
  if (groups_ != nullptr) return groups_.get();
  return std::unexpected(
      Error(Code::UNSUPPORTED, Applied::NO, "a client has no part in groups; join as a member"));
}

// --- status and tickets ---

std::string Engine::member_status() const {
  raft::Status status = replica_->driver().status();
  const raft::Member* leader = status.config.find(status.leader);
  nlohmann::ordered_json json = {{"node_id", key_->id().to_string()},
                                 {"network_id", identity_->network.to_string()},
                                 {"mode", mode_name(options_.mode)},
                                 {"role", replica_->driver().failure() ? "failed" : role_name(status)},
                                 {"address", address_},
                                 {"leader", leader != nullptr ? leader->node.to_string() : ""},
                                 {"term", status.term},
                                 {"commit", status.commit},
                                 {"applied", status.applied},
                                 {"members", nlohmann::ordered_json::array()}};
  for (const raft::Member& member : status.config.members) {
    bool reachable = member.peer == status.self || (endpoint_ && endpoint_->find(member.node) != nullptr);
    json["members"].push_back({{"node_id", member.node.to_string()},
                               {"address", member.address},
                               {"role", member.role == raft::MemberRole::voter ? "voter" : "learner"},
                               {"leader", member.peer == status.leader},
                               {"reachable", reachable}});
  }
  return json.dump();
}

rt::Task<Result<Bytes>> Engine::change_members(rt::Cx& cx, raft::GroupId group, Request request) {
  if (group == kStoreGroup) co_return co_await router_->change(cx, std::move(request));
  ASPEN_CO_TRY(Groups * groups, need_groups());
  co_return co_await groups->change(cx, group, std::move(request));
}

rt::Task<Result<bool>> Engine::remove_member(rt::Cx& cx, MemberRequest member) {
  Request request{.kind = RequestKind::remove_member, .body = encode(member)};
  ASPEN_CO_TRY(Bytes reply, co_await change_members(cx, member.group, std::move(request)));
  ASPEN_CO_TRY(MemberRemoved removed, decode_member_removed(reply));
  co_return removed.was_member;
}

rt::Task<Result<NodeId>> Engine::transfer_leadership(rt::Cx& cx, raft::GroupId group, NodeId to) {
  TransferRequest transfer{.group = group, .to = to};
  if (to == NodeId()) {
    ASPEN_CO_TRY(transfer.from, co_await leader_of(cx, group));
  }
  Request request{.kind = RequestKind::transfer_leadership, .body = encode(transfer)};
  ASPEN_CO_TRY(Bytes reply, co_await change_members(cx, group, std::move(request)));
  ASPEN_CO_TRY(NewLeader leader, decode_new_leader(reply));
  co_return leader.node;
}

rt::Task<Result<NodeId>> Engine::leader_of(rt::Cx& cx, raft::GroupId group) {
  for (;;) {
    if (group == kStoreGroup) {
      ASPEN_CO_TRY(Bytes reply, co_await router_->call(cx, {.kind = RequestKind::members}));
      ASPEN_CO_TRY(MemberList list, decode_member_list(reply));
      if (list.leader) co_return list.leader->node;
    } else {
      ASPEN_CO_TRY(Groups * groups, need_groups());
      ASPEN_CO_TRY(raft::Status status, groups->status(group));
      if (const raft::Member* leader = status.config.find(status.leader)) co_return leader->node;
    }
    if (auto slept = co_await cx.sleep(kAskAgain); !slept) {
      co_return fail(slept.error().code, "{}; nobody leads", slept.error().message);
    }
  }
}

rt::Task<Result<std::string>> Engine::status(rt::Cx& cx) {
  if (replica_) co_return member_status();
  ASPEN_CO_TRY(Bytes reply, co_await router_->call(cx, {.kind = RequestKind::status}));
  auto json = nlohmann::ordered_json::parse(reply, nullptr, false);
  if (!json.is_object()) co_return fail(Code::PROTOCOL, "a member answered with a status that is not JSON");
  json["node_id"] = key_->id().to_string();
  json["mode"] = json["role"] = "client";
  json["address"] = "";
  co_return json.dump();
}

Result<std::string> Engine::ticket(DurationNs valid) {
  if (options_.mode == Mode::embedded) {
    return fail(Code::UNSUPPORTED, "an embedded node has no network to invite to; open it with an address");
  }
  crypto::Ticket ticket;
  if (identity_->root_seed) {
    const WallNs now = env_.wall_now();
    crypto::KeyPair root = crypto::KeyPair::from_seed(*identity_->root_seed);
    crypto::KeyPair invitation = crypto::KeyPair::generate();
    crypto::Grant grant{.kind = crypto::GrantKind::invitation,
                        .subject = invitation.id(),
                        .roles = crypto::kRolesAll,
                        .not_after = valid > 0 && valid < kNever - now ? now + valid : 0};
    ASPEN_TRY(grant, crypto::issue(identity_->network, {}, root, std::move(grant)));
    ticket = {identity_->network, {}, invitation.seed(), {std::move(grant)}};
  } else if (identity_->invitation && valid == 0) {
    ticket = *identity_->invitation;
  } else {
    return fail(Code::PERMISSION_DENIED,
                "this node joined by a ticket and can only hand on the same one, with the validity it has");
  }
  if (replica_) {
    ticket.peers.clear();
    for (const raft::Member& member : replica_->driver().core().config().members) {
      if (ticket.peers.size() < limits::kTicketPeersMax) ticket.peers.push_back(ticket_peer(member));
    }
  }
  std::string text = crypto::format_ticket(ticket);
  for (; text.size() > limits::kTicketBytesMax && !ticket.peers.empty();
       text = crypto::format_ticket(ticket)) {
    ticket.peers.pop_back();
  }
  return text;
}

}  // namespace aspen::node

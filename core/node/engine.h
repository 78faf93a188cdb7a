// What lives on a node's engine thread, and the order in which it comes up and goes down.
//
//   up:    directory -> key and membership -> endpoint -> journal -> replica -> service and router -> serving
//   (a node that restores checks the backup before anything else, and takes it over before the replica opens)
//   down:  leadership handed on -> operations ended -> background work ended -> peers told -> state flushed
//
// Modes differ only in what comes up: embedded has no endpoint, a client no directory and no replica. A
// directory that already holds a node decides who the node is; the options only say where it listens.
//
// Thread safety: none; the engine thread.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "core/node/backups.h"
#include "core/node/groups.h"
#include "core/node/lease_renewer.h"
#include "core/node/node.h"
#include "core/node/open_watches.h"
#include "core/node/platform.h"
#include "core/node/replica.h"
#include "core/node/router.h"
#include "core/node/service.h"

namespace aspen::node {

class Engine {
 public:
  Engine(Platform& platform, const NodeOptions& options);
  ~Engine();

  rt::Task<Result<NodeFacts>> open(rt::Cx& cx);
  // Ends everything; after a failed open too.
  rt::Task<Result<>> close(rt::Cx& cx);

  // Between a successful open and the end of operations. Requires, of all that follow: serving().
  bool serving() const { return serving_; }
  Router& router() { return *router_; }
  WatchClient& watches() { return *watch_client_; }
  OpenWatches& open_watches() { return *open_watches_; }
  LeaseRenewer& renewer() { return *renewer_; }
  Backups& backups() { return *backups_; }
  // Null on a client.
  Groups* groups() { return groups_.get(); }
  Result<Groups*> need_groups();
  // As Node says.
  rt::Task<Result<bool>> remove_member(rt::Cx& cx, MemberRequest member);
  rt::Task<Result<NodeId>> transfer_leadership(rt::Cx& cx, raft::GroupId group, NodeId to);
  rt::Region& operations() { return operations_; }
  // Null on a client. For who looks inside: the lab.
  Replica* replica() { return replica_.get(); }
  rt::Task<Result<std::string>> status(rt::Cx& cx);
  Result<std::string> ticket(DurationNs valid);

  // Operations that can be cancelled, by id.
  std::unordered_map<uint64_t, std::function<void()>> cancels;

 private:
  rt::Task<Result<Bytes>> change_members(rt::Cx& cx, raft::GroupId group, Request request);
  rt::Task<Result<NodeId>> leader_of(rt::Cx& cx, raft::GroupId group);
  Result<> identify();
  Result<> identify_by_dir();
  Result<> create_identity();
  Result<> join_by_ticket(crypto::Ticket ticket, crypto::Roles roles);
  Result<> begin_replica();
  Result<> open_logs();
  // What a new node that restores does before it has a name on the disk, and after.
  rt::Task<Result<>> check_backup(rt::Cx& cx);
  rt::Task<Result<>> restore(rt::Cx& cx);
  Result<> open_endpoint();
  std::function<void(net::Stream&)> when_up(std::function<void(net::Stream&)> accept);
  Result<> open_replica();
  rt::Task<Result<>> serve(rt::Cx& cx);
  Result<> check_invitation() const;
  rt::Task<Result<>> join(rt::Cx& cx, bool again);
  Result<> remember_log();
  rt::Task<Result<>> end_expired(rt::Cx& cx);
  std::string member_status() const;
  bool has_replica() const { return options_.mode != Mode::client; }

  Platform& platform_;
  rt::Env& env_;
  NodeOptions options_;
  rt::Region background_;
  rt::Region operations_;
  bool serving_ = false;

  std::unique_ptr<Home> home_;
  std::optional<NodeFile> identity_;
  std::optional<crypto::KeyPair> key_;
  std::string address_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<LeaseRenewer> renewer_;
  std::unique_ptr<LogHost> logs_;
  std::unique_ptr<BackupReader> restored_from_;  // while it opens
  std::unique_ptr<GroupLinks> links_;
  std::unique_ptr<Groups> groups_;
  std::unique_ptr<Replica> replica_;
  std::unique_ptr<rt::Lane> backup_lane_;  // finishes what it runs before the replica goes
  std::unique_ptr<Backups> backups_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<WatchService> watch_service_;
  std::unique_ptr<WatchClient> watch_client_;
  std::unique_ptr<OpenWatches> open_watches_;
  std::unique_ptr<net::Endpoint> endpoint_;
};

}  // namespace aspen::node

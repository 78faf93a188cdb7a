// The member's side of a request: checks what the caller may do, asks the replica, answers once.
//
// Writes go through the log; linearizable reads wait until the leader has confirmed that it still leads, or
// has a lease, and the state has caught up (raft::ReadKind); stale reads answer from what is applied. One
// that may only be so old needs that the state was confirmed since: it is when any read was served here that
// was not stale, and otherwise this one is confirmed as a linearizable one is, at any member. A member that
// is not the leader says so and names the leader, but for reads that the node's options let it serve.
//
// Who may do what: a caller's scope is a prefix of all keys that it reads, compares or changes. What is about
// no key in particular is for those who may touch all of them, but for sessions, and leases as
// lease_service.h has it. A session is its caller's who opened it: a command in somebody else's is refused
// before it is proposed, which is enough, because only members propose.
//
// Limits: limits::kRequestsPerPeerMax requests of one caller at a time, more are answered OVERLOADED.
// Thread safety: none; the engine thread.
#pragma once

#include <deque>
#include <functional>
#include <unordered_map>

#include "core/net/endpoint.h"
#include "core/node/groups.h"
#include "core/node/lease_service.h"
#include "core/node/protocol.h"
#include "core/node/replica.h"

namespace aspen::node {

struct Caller {
  NodeId node;
  crypto::Roles roles = 0;
  Bytes scope;  // keys it may touch start with it
};

class Service {
 public:
  using Respond = std::move_only_function<void(Response)>;

  // `status` makes the member's status document. The replica and the groups outlive the service.
  Service(rt::Executor& executor, Replica& replica, Groups& groups, std::function<std::string()> status)
      : executor_(executor),
        replica_(replica),
        groups_(groups),
        leases_(replica),
        status_(std::move(status)),
        alive_(std::make_shared<bool>(true)) {}

  ~Service();

  void handle(const Caller& caller, Request request, Respond respond);
  bool is_voter() const { return replica_.group().is_voter(); }
  bool has_stopped() const { return replica_.driver().failure().has_value(); }
  // A kStore stream a peer opened.
  void accept(net::Stream& stream);

 private:
  void write(const Caller& caller, Bytes command, Respond respond);
  void propose_in_session(const NodeId& caller, kv::SessionId session, Bytes command, Respond respond);
  void propose(Bytes command, Respond respond);
  void read(const Caller& caller, Request request, Respond respond);
  bool fresh_enough(const Freshness& wanted) const;
  // Answers once the state may be read.
  void answer(const Caller& caller, const Request& request, Respond respond);
  void answer_range(BytesView body, Respond respond);
  void go_on();
  Response read_now(const Caller& caller, const Request& request) const;
  void about_leases(const Caller& caller, const Request& request, Respond respond);
  void join(const Caller& caller, BytesView body, Respond respond);
  void change_members(const Caller& caller, const Request& request, Respond respond);
  void group_command(const Caller& caller, BytesView body, Respond respond);
  Result<Group*> find_group(raft::GroupId id);
  Response members() const;
  Bytes quotas(const Caller& caller) const;
  Result<Bytes> scan(const Caller& caller, BytesView body) const;
  Bytes indexes(const Caller& caller) const;
  Response failure(Error error) const;
  static Response failure(const Group& group, Error error);
  Result<> check_scope(const Caller& caller, const Request& request) const;

  rt::Executor& executor_;
  Replica& replica_;
  Groups& groups_;
  LeaseService leases_;
  std::function<std::string()> status_;
  std::unordered_map<NodeId, size_t> in_flight_;
  TimeNs fresh_as_of_ = -1;  // what was acknowledged before is in the state; -1: nothing is known
  // Ranges at a revision that have to pass over much, a step of one in each turn.
  struct Unfinished {
    kv::RangeRequest range;
    Respond respond;
  };
  std::deque<Unfinished> unfinished_;
  rt::Deferred go_on_{[this] { go_on(); }};
  std::shared_ptr<bool> alive_;  // replies outlive a service that is closing
};

}  // namespace aspen::node

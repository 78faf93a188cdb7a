// The requester's side: finds the member that can answer, follows a leader that changes, and makes a write
// happen once however often it had to be sent.
//
// Every write carries the client session and a sequence number; the state machine remembers replies, so
// sending again after a lost reply is safe (thesis 6.3). A call ends with an answer, with an error that
// sending again cannot mend, or with its task's deadline or cancel; the error then says whether the write
// may have been applied.
//
// The leader is learnt from hints, from the member list, and on a member from its own replica. A leader that
// leaves requests unanswered for kSuspectAfter is suspected: another member is asked who leads, and if it is
// someone else, the requests move there at once instead of waiting for the connection to time out. A member
// that could not be reached is left alone for kAvoidFor, also when others still believe that it leads.
//
// Thread safety: none; the engine thread.
#pragma once

#include <memory>
#include <set>
#include <unordered_map>

#include "core/kv/command.h"
#include "core/kv/index_read.h"
#include "core/kv/read.h"
#include "core/net/endpoint.h"
#include "core/node/protocol.h"
#include "core/node/service.h"
#include "core/rt/event.h"
#include "core/rt/oneshot.h"

namespace aspen::node {

// Whether asking again, maybe elsewhere, can succeed.
bool worth_retrying(Code code);

class Router {
 public:
  // `endpoint` is null on an embedded node, `local` on a node without a replica; `self` is this node.
  Router(rt::Executor& executor, const NodeId& self) : executor_(executor), self_(self) {}
  ~Router();

  void attach(net::Endpoint* endpoint, Service* local);
  // Linearizable reads try the local replica first, whoever leads.
  void read_here() { reads_here_ = true; }
  // Adds or updates where a member is reached; a member long idle makes room for one too many.
  void learn(const NodeId& node, const std::string& address);
  // The leader, as the local replica knows it, if it is a member that was learnt; requests that wait at
  // another member move.
  void set_leader(const NodeId& leader);
  size_t known() const { return order_.size(); }

  // A read, or a request that may be repeated. Errors: any of the table but NOT_LEADER.
  rt::Task<Result<Bytes>> call(rt::Cx& cx, Request request);
  // The same for a request whose error may leave open whether it was carried out.
  rt::Task<Result<Bytes>> change(rt::Cx& cx, Request request);
  rt::Task<Result<kv::GetReply>> get(rt::Cx& cx, kv::GetRequest get, Freshness freshness = {});
  rt::Task<Result<kv::RangeReply>> range(rt::Cx& cx, kv::RangeRequest range, Freshness freshness = {});
  rt::Task<Result<QuotaList>> quotas(rt::Cx& cx);
  rt::Task<Result<kv::IndexScanReply>> scan(rt::Cx& cx, kv::IndexScanRequest scan);
  rt::Task<Result<kv::IndexList>> indexes(rt::Cx& cx);
  // A write, applied at most once.
  rt::Task<Result<kv::WriteReply>> write(rt::Cx& cx, kv::Command command);
  // Another command that is neither a write nor about a session, in the same way.
  rt::Task<Result<kv::DoneReply>> run(rt::Cx& cx, kv::Command command);
  // For each of these leases, which ascend: how long it lasts from now on at least; 0: there is no such
  // lease.
  rt::Task<Result<LeasesKept>> keep_alive(rt::Cx& cx, std::vector<kv::LeaseId> ids);
  rt::Task<Result<LeaseInfo>> lease(rt::Cx& cx, LeaseRequest request);
  rt::Task<Result<LeaseList>> leases(rt::Cx& cx, LeaseListRequest request);
  // For other subprotocols: the members that were learnt and can probably be reached, in the order they were
  // learnt; and the connection to one of them, which may end at any time.
  std::vector<NodeId> reachable() const;
  rt::Task<Result<net::Connection*>> connection(rt::Cx& cx, NodeId node);
  // One question to one member, sent once. Errors: any of the table; of what did not leave this node, with
  // Applied::NO.
  rt::Task<Response> ask(rt::Cx& cx, NodeId node, Request request);
  // Watches for a leader that went silent; runs until cancelled.
  rt::Task<Result<>> watch_leader(rt::Cx& cx);

  // The endpoint's news.
  void on_connected(net::Connection& connection);
  void on_disconnected(net::Connection& connection, const Error& why);

 private:
  using Reply = rt::Oneshot<Response>;
  struct Peer {
    std::string address;
    net::Stream* stream = nullptr;
    std::unordered_map<uint64_t, Reply*> pending;
    TimeNs heard = 0;
    TimeNs avoid_until = 0;                          // it could not be reached a moment ago
    std::vector<rt::Oneshot<Result<>>*> connecting;  // calls that wait for the stream
  };
  struct Session {
    kv::SessionId id = 0;
    uint64_t next_sequence = 1;
    std::set<uint64_t> outstanding;
    bool opening = false;
  };
  class Outstanding;

  template <typename Reply>
  rt::Task<Result<Reply>> in_session(rt::Cx& cx, kv::Command command, Result<Reply> (*decode)(BytesView));
  rt::Task<Result<Bytes>> route(rt::Cx& cx, Request request, bool& maybe_applied);
  rt::Task<Response> ask(rt::Cx& cx, const NodeId& node, const Request& request, DurationNs patience,
                         bool& reached);
  rt::Task<Result<>> connect(rt::Cx& cx, const NodeId& node);
  rt::Task<Result<>> ensure_session(rt::Cx& cx);
  rt::Task<Result<>> look_for_leader(rt::Cx& cx, NodeId silent);
  Result<> open_stream(Peer& peer, net::Connection& connection);
  void answer_pending(Peer& peer, const Error& error);
  void learn_members(const MemberList& list);
  NodeId pick(size_t attempt) const;
  bool forget_idle();
  std::string describe(const NodeId& node) const;
  bool avoided(const NodeId& node) const;
  void avoid(const NodeId& node);

  rt::Executor& executor_;
  NodeId self_;
  net::Endpoint* endpoint_ = nullptr;
  Service* local_ = nullptr;
  bool reads_here_ = false;
  std::unordered_map<NodeId, Peer> peers_;
  std::vector<NodeId> order_;  // for rotation, in the order they were learnt
  std::optional<NodeId> leader_;
  uint64_t next_id_ = 1;
  Session session_;
  rt::Event session_ready_;
};

}  // namespace aspen::node

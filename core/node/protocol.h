// What nodes say to each other above a connection: the subprotocols, and the requests one of them makes of
// a member. docs/wire.md specifies the bytes.
//
// A requester keeps one stream of subprotocol kStore to a member and sends any number of requests on it;
// each is answered once, in any order, by the id it carries.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/node_id.h"
#include "core/kv/quotas.h"
#include "core/node/freshness.h"
#include "core/raft/types.h"

namespace aspen::node {

enum SubprotocolId : uint64_t {
  kRaft = 1,      // raft::GroupMessage frames, one direction
  kSnapshot = 2,  // the offer, the chunks, end; SnapshotAnswers back
  kStore = 3,     // requests and responses
  kWatch = 4,     // watch_protocol.h
  kBackup = 5,    // backup_protocol.h
};

// The group that carries the key-value store; every member of a network has a part in it.
inline constexpr raft::GroupId kStoreGroup = 1;

enum class RequestKind : uint8_t {
  write = 1,       // body: an encoded kv::Command; reply: its encoded reply
  get = 2,         // body: kv::GetRequest; reply: kv::GetReply
  range = 3,       // body: kv::RangeRequest; reply: kv::RangeReply
  status = 4,      // reply: the JSON status document of the member
  members = 5,     // reply: MemberList
  join = 6,        // body: JoinRequest; reply: empty, when the change is committed
  quotas = 7,      // reply: QuotaList, of the prefixes in the caller's scope
  index_scan = 8,  // body: kv::IndexScanRequest; reply: kv::IndexScanReply
  indexes = 9,     // reply: kv::IndexList, of the prefixes in the caller's scope
  // lease_protocol.h
  lease_keep_alive = 10,  // body: LeaseKeepAlive; reply: LeasesKept
  lease_info = 11,        // body: LeaseRequest; reply: LeaseInfo
  lease_list = 12,        // body: LeaseListRequest; reply: LeaseList
  group_command = 13,     // body: GroupCommand; reply: the machine's
  // body: MemberRequest; reply: MemberRemoved, when the change is committed
  remove_member = 14,
  transfer_leadership = 15,  // body: TransferRequest; reply: NewLeader, once it leads
};

struct Request {
  RequestKind kind = RequestKind::get;
  Freshness freshness = {};  // of get and range
  Bytes body;                // of status and members: none
};

// Where to ask instead.
struct LeaderHint {
  NodeId node;
  std::string address;
};

struct Response {
  Result<Bytes> body;
  std::optional<LeaderHint> leader;  // with NOT_LEADER, when known
};

// What the receiver of a snapshot says to the offer: the number, from 0, of the first chunk that it wants.
struct SnapshotBegin {
  uint64_t chunk = 0;
};

// And at the end, or instead: the snapshot is in force, or why not.
struct SnapshotVerdict {
  Result<> verdict;
};

using SnapshotAnswer = std::variant<SnapshotBegin, SnapshotVerdict>;

// To take part in a group, as this incarnation of the caller, at this address.
struct JoinRequest {
  raft::GroupId group = kStoreGroup;
  raft::PeerId peer = raft::kNobody;
  std::string address;
  bool again = false;  // it was a voter: only to hear that it still is a member, or to have moved
};

struct MemberRequest {
  raft::GroupId group = kStoreGroup;
  NodeId node;
};

// A request moves with the leadership, so one to hand it to anybody names who is to let go of it.
struct TransferRequest {
  raft::GroupId group = kStoreGroup;
  NodeId to;    // zeros: any voter
  NodeId from;  // when `to` is zeros; else zeros
};

struct MemberRemoved {
  bool was_member = false;  // when it was carried out
};

struct NewLeader {
  NodeId node;
};

// For the state machine of a group that is not the store's, at its leader.
struct GroupCommand {
  raft::GroupId group = 0;
  Bytes command;
};

// Linearizable.
struct QuotaList {
  std::vector<kv::Quota> quotas;  // by prefix
  uint64_t revision = 0;
};

struct MemberList {
  std::optional<LeaderHint> leader;
  std::vector<LeaderHint> members;
};

// Encoders write only what means something: no freshness, body or leader where there is none.
Bytes encode_request(uint64_t id, const Request& request);
struct IdentifiedRequest {
  uint64_t id;
  Request request;
};
Result<IdentifiedRequest> decode_request(BytesView frame);

Bytes encode_response(uint64_t id, const Response& response);
struct IdentifiedResponse {
  uint64_t id;
  Response response;
};
Result<IdentifiedResponse> decode_response(BytesView frame);

Bytes encode(const SnapshotAnswer& answer);
Result<SnapshotAnswer> decode_snapshot_answer(BytesView frame);

Bytes encode(const JoinRequest& join);
Result<JoinRequest> decode_join(BytesView bytes);
Bytes encode(const MemberRequest& request);
Result<MemberRequest> decode_member_request(BytesView bytes);
Bytes encode(const TransferRequest& request);
Result<TransferRequest> decode_transfer_request(BytesView bytes);
Bytes encode(const MemberRemoved& removed);
Result<MemberRemoved> decode_member_removed(BytesView bytes);
Bytes encode(const NewLeader& leader);
Result<NewLeader> decode_new_leader(BytesView bytes);
Bytes encode(const GroupCommand& command);
Result<GroupCommand> decode_group_command(BytesView bytes);
Bytes encode(const QuotaList& list);
Result<QuotaList> decode_quota_list(BytesView bytes);
Bytes encode(const MemberList& list);
Result<MemberList> decode_member_list(BytesView bytes);

}  // namespace aspen::node

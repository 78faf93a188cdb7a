#include "core/node/protocol.h"

#include "core/base/limits.h"
#include "core/net/address.h"

namespace aspen::node {
namespace {

enum ResponseKind : uint64_t { kReply = 1, kError = 2 };
constexpr uint64_t kLastKind = static_cast<uint64_t>(RequestKind::transfer_leadership);
enum SnapshotAnswerKind : uint64_t { kAccepted = 1, kRefused = 2, kBegin = 3 };

bool has_freshness(RequestKind kind) {
  return kind == RequestKind::get || kind == RequestKind::range;
}

bool has_body(RequestKind kind) {
  return kind != RequestKind::status && kind != RequestKind::members && kind != RequestKind::quotas &&
         kind != RequestKind::indexes;
}

NodeId decode_node(wire::Reader& reader) {
  auto id = NodeId::from_bytes(reader.fixed(NodeId::kSize));
  return id ? *id : NodeId();
}

void encode_hint(wire::Writer& writer, const LeaderHint& hint) {
  writer.fixed(hint.node.view());
  writer.bytes(hint.address);
}

LeaderHint decode_hint(wire::Reader& reader) {
  LeaderHint hint;
  hint.node = decode_node(reader);
  hint.address = reader.text(limits::kAddressBytesMax, "address");
  return hint;
}

void encode_hint(wire::Writer& writer, const std::optional<LeaderHint>& hint) {
  writer.boolean(hint.has_value());
  if (hint) encode_hint(writer, *hint);
}

std::optional<LeaderHint> decode_optional_hint(wire::Reader& reader) {
  if (!reader.boolean()) return std::nullopt;
  return decode_hint(reader);
}

}  // namespace

Bytes encode_request(uint64_t id, const Request& request) {
  wire::Writer writer;
  writer.begin(static_cast<uint64_t>(request.kind));
  writer.u64(id);
  Freshness freshness = has_freshness(request.kind) ? request.freshness : Freshness{};
  writer.u64(static_cast<uint64_t>(freshness.kind));
  writer.u64(freshness.stale() ? static_cast<uint64_t>(freshness.age_max) : 0);
  writer.bytes(has_body(request.kind) ? BytesView(request.body) : BytesView());
  writer.end();
  return writer.take();
}

Result<IdentifiedRequest> decode_request(BytesView frame) {
  wire::Reader reader(frame);
  IdentifiedRequest out{};
  uint64_t kind = reader.begin();
  if (kind < static_cast<uint64_t>(RequestKind::write) || kind > kLastKind) {
    reader.refuse(fmt::format("unknown request kind {}", kind));
  }
  out.request.kind = static_cast<RequestKind>(kind);
  out.id = reader.u64();
  out.request.freshness.kind = static_cast<Freshness::Kind>(
      reader.u64_max(static_cast<uint64_t>(Freshness::Kind::lease), "freshness"));
  out.request.freshness.age_max = static_cast<DurationNs>(reader.u64_max(INT64_MAX, "age_max"));
  if (out.request.freshness != Freshness{} && !has_freshness(out.request.kind))
    reader.refuse("freshness of a request that reads no keys");
  if (out.request.freshness.age_max != 0 && !out.request.freshness.stale())
    reader.refuse("age_max of a read that may not be stale");
  out.request.body = reader.bytes(limits::kFrameBytesMax, "request body");
  if (!out.request.body.empty() && !has_body(out.request.kind))
    reader.refuse("a body in a request without one");
  reader.end();
  ASPEN_CHECK(reader.finish("request"));
  return out;
}

Bytes encode_response(uint64_t id, const Response& response) {
  wire::Writer writer;
  writer.begin(response.body ? kReply : kError);
  writer.u64(id);
  if (response.body) {
    writer.bytes(*response.body);
  } else {
    const Error& error = response.body.error();
    wire::encode_error(writer, error);
    encode_hint(writer, error.code == Code::NOT_LEADER ? response.leader : std::nullopt);
  }
  writer.end();
  return writer.take();
}

Result<IdentifiedResponse> decode_response(BytesView frame) {
  wire::Reader reader(frame);
  IdentifiedResponse out{};
  uint64_t kind = reader.begin();
  out.id = reader.u64();
  if (kind == kReply) {
    out.response.body = Bytes(reader.bytes(limits::kFrameBytesMax, "response body"));
  } else if (kind == kError) {
    Error error = wire::decode_error(reader);
    out.response.leader = decode_optional_hint(reader);
    if (out.response.leader && error.code != Code::NOT_LEADER) reader.refuse("a leader with another error");
    out.response.body = std::unexpected(std::move(error));
  } else {
    reader.refuse(fmt::format("unknown response kind {}", kind));
  }
  reader.end();
  ASPEN_CHECK(reader.finish("response"));
  return out;
}

Bytes encode(const SnapshotAnswer& answer) {
  wire::Writer writer;
  if (const auto* begin = std::get_if<SnapshotBegin>(&answer)) {
    writer.begin(kBegin);
    writer.u64(begin->chunk);
  } else {
    const Result<>& verdict = std::get<SnapshotVerdict>(answer).verdict;
    writer.begin(verdict ? kAccepted : kRefused);
    if (!verdict) wire::encode_error(writer, verdict.error());
  }
  writer.end();
  return writer.take();
}

Result<SnapshotAnswer> decode_snapshot_answer(BytesView frame) {
  wire::Reader reader(frame);
  SnapshotAnswer answer = SnapshotVerdict();
  uint64_t kind = reader.begin();
  if (kind == kRefused) {
    answer = SnapshotVerdict{std::unexpected(wire::decode_error(reader))};
  } else if (kind == kBegin) {
    answer = SnapshotBegin{reader.u64()};
  } else if (kind != kAccepted) {
    reader.refuse(fmt::format("unknown snapshot answer kind {}", kind));
  }
  reader.end();
  ASPEN_CHECK(reader.finish("snapshot answer"));
  return answer;
}

Bytes encode(const JoinRequest& join) {
  wire::Writer writer;
  writer.u64(join.group);
  raft::encode_peer(writer, join.peer);
  writer.bytes(join.address);
  writer.boolean(join.again);
  return writer.take();
}

Result<JoinRequest> decode_join(BytesView bytes) {
  wire::Reader reader(bytes);
  JoinRequest join;
  join.group = reader.u64_max(raft::kNumberMax, "group");
  join.peer = raft::decode_peer(reader);
  join.address = reader.text(limits::kAddressBytesMax, "address");
  join.again = reader.boolean();
  ASPEN_CHECK(reader.finish("join request"));
  // Every member would dial it, on and on.
  ASPEN_CHECK(net::split_host_port(join.address));
  return join;
}

Bytes encode(const MemberRequest& request) {
  wire::Writer writer;
  writer.u64(request.group);
  writer.fixed(request.node.view());
  return writer.take();
}

Result<MemberRequest> decode_member_request(BytesView bytes) {
  wire::Reader reader(bytes);
  MemberRequest request;
  request.group = reader.u64_max(raft::kNumberMax, "group");
  request.node = decode_node(reader);
  ASPEN_CHECK(reader.finish("member request"));
  return request;
}

Bytes encode(const TransferRequest& request) {
  wire::Writer writer;
  writer.u64(request.group);
  writer.fixed(request.to.view());
  writer.fixed(request.from.view());
  return writer.take();
}

Result<TransferRequest> decode_transfer_request(BytesView bytes) {
  wire::Reader reader(bytes);
  TransferRequest request;
  request.group = reader.u64_max(raft::kNumberMax, "group");
  request.to = decode_node(reader);
  request.from = decode_node(reader);
  if ((request.to == NodeId()) == (request.from == NodeId())) {
    reader.refuse("leadership goes to one node, or from one");
  }
  ASPEN_CHECK(reader.finish("transfer request"));
  return request;
}

Bytes encode(const MemberRemoved& removed) {
  wire::Writer writer;
  writer.boolean(removed.was_member);
  return writer.take();
}

Result<MemberRemoved> decode_member_removed(BytesView bytes) {
  wire::Reader reader(bytes);
  MemberRemoved removed{reader.boolean()};
  ASPEN_CHECK(reader.finish("member removed"));
  return removed;
}

Bytes encode(const NewLeader& leader) {
  return Bytes(leader.node.view());
}

Result<NewLeader> decode_new_leader(BytesView bytes) {
  wire::Reader reader(bytes);
  NewLeader leader{decode_node(reader)};
  ASPEN_CHECK(reader.finish("new leader"));
  return leader;
}

Bytes encode(const GroupCommand& command) {
  wire::Writer writer;
  writer.u64(command.group);
  writer.bytes(command.command);
  return writer.take();
}

Result<GroupCommand> decode_group_command(BytesView bytes) {
  wire::Reader reader(bytes);
  GroupCommand command;
  command.group = reader.u64_max(raft::kNumberMax, "group");
  command.command = Bytes(reader.bytes(raft::kEntryBytesMax, "command"));
  ASPEN_CHECK(reader.finish("group command"));
  return command;
}

Bytes encode(const QuotaList& list) {
  wire::Writer writer;
  writer.u64(list.revision);
  writer.u64(list.quotas.size());
  for (const kv::Quota& quota : list.quotas) {
    writer.bytes(quota.prefix);
    for (uint64_t number : {quota.bytes_max, quota.keys_max, quota.bytes, quota.keys}) writer.u64(number);
  }
  return writer.take();
}

Result<QuotaList> decode_quota_list(BytesView bytes) {
  wire::Reader reader(bytes);
  QuotaList list;
  list.revision = reader.u64();
  size_t count = reader.count(limits::kQuotasMax, "quotas");
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    kv::Quota quota;
    quota.prefix = Bytes(reader.bytes(limits::kKeyBytesMax, "prefix"));
    for (uint64_t* number : {&quota.bytes_max, &quota.keys_max, &quota.bytes, &quota.keys}) {
      *number = reader.u64();
    }
    if (i > 0 && quota.prefix <= list.quotas.back().prefix) reader.refuse("prefixes are not in order");
    list.quotas.push_back(std::move(quota));
  }
  ASPEN_CHECK(reader.finish("quota list"));
  return list;
}

Bytes encode(const MemberList& list) {
  wire::Writer writer;
  encode_hint(writer, list.leader);
  writer.u64(list.members.size());
  for (const LeaderHint& member : list.members) encode_hint(writer, member);
  return writer.take();
}

Result<MemberList> decode_member_list(BytesView bytes) {
  wire::Reader reader(bytes);
  MemberList list;
  list.leader = decode_optional_hint(reader);
  size_t count = reader.count(limits::kMembersMax, "members");
  for (size_t i = 0; i < count && reader.ok(); ++i) list.members.push_back(decode_hint(reader));
  ASPEN_CHECK(reader.finish("member list"));
  return list;
}

}  // namespace aspen::node

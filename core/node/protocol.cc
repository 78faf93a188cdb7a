#include "core/node/protocol.h"

#include "core/base/limits.h"
#include "core/net/address.h"

namespace aspen::node {
namespace {

enum ResponseKind : uint64_t { kReply = 1, kError = 2 };

constexpr size_t kMessageBytesMax = 4096;

void encode_hint(wire::Writer& writer, const LeaderHint& hint) {
  writer.fixed(hint.node.view());
  writer.bytes(hint.address);
}

LeaderHint decode_hint(wire::Reader& reader) {
  LeaderHint hint;
  if (auto id = NodeId::from_bytes(reader.fixed(NodeId::kSize))) hint.node = *id;
  hint.address = reader.bytes(limits::kAddressBytesMax, "address");
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
  writer.boolean(request.stale);
  writer.bytes(request.body);
  writer.end();
  return writer.take();
}

Result<IdentifiedRequest> decode_request(BytesView frame) {
  wire::Reader reader(frame);
  IdentifiedRequest out{};
  uint64_t kind = reader.begin();
  if (kind < static_cast<uint64_t>(RequestKind::write) || kind > static_cast<uint64_t>(RequestKind::join)) {
    reader.refuse(fmt::format("unknown request kind {}", kind));
  }
  out.request.kind = static_cast<RequestKind>(kind);
  out.id = reader.u64();
  out.request.stale = reader.boolean();
  out.request.body = reader.bytes(limits::kFrameBytesMax, "request body");
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
    writer.u64(static_cast<uint64_t>(error.code));
    writer.boolean(error.applied == Applied::MAYBE);
    writer.bytes(BytesView(error.message).substr(0, kMessageBytesMax));
    encode_hint(writer, response.leader);
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
    uint64_t code = reader.u64();
    const ErrorInfo* info = code <= INT32_MAX ? error_info(static_cast<int32_t>(code)) : nullptr;
    if (info == nullptr) reader.refuse(fmt::format("unknown error code {}", code));
    Applied applied = reader.boolean() ? Applied::MAYBE : Applied::NO;
    std::string message(reader.bytes(kMessageBytesMax, "error message"));
    if (info != nullptr) out.response.body = std::unexpected(Error(info->code, applied, std::move(message)));
    out.response.leader = decode_optional_hint(reader);
  } else {
    reader.refuse(fmt::format("unknown response kind {}", kind));
  }
  reader.end();
  ASPEN_CHECK(reader.finish("response"));
  return out;
}

Bytes encode(const JoinRequest& join) {
  wire::Writer writer;
  writer.u64(join.peer);
  writer.bytes(join.address);
  return writer.take();
}

Result<JoinRequest> decode_join(BytesView bytes) {
  wire::Reader reader(bytes);
  JoinRequest join;
  join.peer = reader.u64();
  join.address = reader.bytes(limits::kAddressBytesMax, "address");
  if (join.peer == raft::kNobody) reader.refuse("peer id is 0");
  ASPEN_CHECK(reader.finish("join request"));
  // Every member would dial it, on and on.
  ASPEN_CHECK(net::split_host_port(join.address));
  return join;
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

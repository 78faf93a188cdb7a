#include "core/net/hello.h"

#include <algorithm>
#include <limits>

#include "core/base/limits.h"

namespace aspen::net {
namespace {

constexpr uint64_t kHelloKind = 1;

void encode_subprotocols(wire::Writer& writer, const std::vector<SubprotocolVersions>& subprotocols) {
  writer.u64(subprotocols.size());
  for (const SubprotocolVersions& s : subprotocols) {
    writer.u64(s.id);
    writer.u64(s.version_min);
    writer.u64(s.version_max);
  }
}

std::vector<SubprotocolVersions> decode_subprotocols(wire::Reader& reader) {
  constexpr uint64_t kVersionLimit = std::numeric_limits<uint32_t>::max();
  std::vector<SubprotocolVersions> out;
  size_t count = reader.count(limits::kSubprotocolsMax, "subprotocols");
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    SubprotocolVersions s;
    s.id = reader.u64();
    s.version_min = static_cast<uint32_t>(reader.u64_max(kVersionLimit, "subprotocol version"));
    s.version_max = static_cast<uint32_t>(reader.u64_max(kVersionLimit, "subprotocol version"));
    if (s.version_min > s.version_max) reader.refuse("subprotocol versions are in the wrong order");
    if (!out.empty() && s.id <= out.back().id) reader.refuse("subprotocols are not in order");
    out.push_back(s);
  }
  return out;
}

}  // namespace

Bytes encode_hello(const Hello& hello) {
  wire::Writer writer;
  writer.begin(kHelloKind);
  writer.u64(hello.version_min);
  writer.u64(hello.version_max);
  writer.fixed(hello.network.view());
  encode(writer, hello.membership);
  encode_subprotocols(writer, hello.subprotocols);
  writer.fixed(as_bytes(hello.reset_token.data(), hello.reset_token.size()));
  writer.end();
  return writer.take();
}

Result<Hello> decode_hello(BytesView frame) {
  Hello hello;
  wire::Reader reader(frame);
  if (uint64_t kind = reader.begin(); kind != kHelloKind) {
    reader.refuse(fmt::format("message of kind {} instead of a hello", kind));
  }
  hello.version_min = reader.u64();
  hello.version_max = reader.u64();
  if (hello.version_min > hello.version_max) reader.refuse("versions are in the wrong order");
  auto fixed = [&reader](auto& out) {
    BytesView bytes = reader.fixed(out.size());
    std::copy(bytes.begin(), bytes.end(), out.begin());
  };
  fixed(hello.network.key);
  hello.membership = crypto::decode_chain(reader);
  hello.subprotocols = decode_subprotocols(reader);
  fixed(hello.reset_token);
  // A newer peer may say more than this build knows.
  if (hello.version_max > kVersionMax) {
    reader.end_skip();
  } else {
    reader.end();
  }
  ASPEN_CHECK(reader.finish("hello"));
  return hello;
}

Result<Acceptance> accept_hello(const Hello& ours, const Hello& theirs, const NodeId& peer, WallNs now) {
  if (theirs.version_min > ours.version_max || theirs.version_max < ours.version_min) {
    return fail(Code::UNSUPPORTED, "node {} speaks versions {} to {}; this node speaks {} to {}",
                peer.short_string(), theirs.version_min, theirs.version_max, ours.version_min,
                ours.version_max);
  }
  if (theirs.network != ours.network) {
    return fail(Code::NOT_A_MEMBER, "node {} belongs to network {}; this network is {}", peer.short_string(),
                theirs.network.short_string(), ours.network.short_string());
  }
  Acceptance acceptance;
  auto membership = crypto::verify_chain(ours.network, theirs.membership, peer, now);
  if (!membership) {
    return fail(membership.error().code, "node {}: {}", peer.short_string(), membership.error().message);
  }
  acceptance.membership = *std::move(membership);
  for (const SubprotocolVersions& mine : ours.subprotocols) {
    auto other = std::ranges::lower_bound(theirs.subprotocols, mine.id, {}, &SubprotocolVersions::id);
    if (other == theirs.subprotocols.end() || other->id != mine.id) continue;
    uint32_t highest = std::min(mine.version_max, other->version_max);
    if (highest >= std::max(mine.version_min, other->version_min)) acceptance.versions[mine.id] = highest;
  }
  return acceptance;
}

}  // namespace aspen::net

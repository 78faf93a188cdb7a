#include "core/node/node_file.h"

#include <algorithm>
#include <cstring>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/wire.h"

namespace aspen::node {
namespace {

constexpr std::string_view kMagic = "aspen-node";
constexpr uint64_t kFormatVersion = 2;
constexpr std::string_view kChecksumDomain = "aspen/node-file/1";

// How far its log and state are.
enum Stage : uint64_t { kNew = 0, kHasLog = 1, kRestoring = 2 };

crypto::Seed read_seed(wire::Reader& reader) {
  crypto::Seed seed{};
  BytesView bytes = reader.fixed(seed.size());
  if (bytes.size() == seed.size()) std::memcpy(seed.data(), bytes.data(), seed.size());
  return seed;
}

}  // namespace

Bytes encode_node_file(const NodeFile& node) {
  wire::Writer writer;
  writer.fixed(kMagic);
  writer.u64(kFormatVersion);
  writer.fixed(as_bytes(node.node_seed.data(), node.node_seed.size()));
  writer.fixed(node.network.view());
  crypto::encode(writer, node.membership);
  writer.boolean(node.root_seed.has_value());
  if (node.root_seed) writer.fixed(as_bytes(node.root_seed->data(), node.root_seed->size()));
  writer.bytes(node.invitation ? crypto::format_ticket(*node.invitation) : "");
  writer.u64(node.restoring ? kRestoring : node.has_log ? kHasLog : kNew);
  Hash checksum = hash(kChecksumDomain, {writer.view()});
  writer.fixed(hash_view(checksum));
  return writer.take();
}

Result<NodeFile> decode_node_file(BytesView bytes, const std::string& path) {
  if (!bytes.starts_with(kMagic.substr(0, bytes.size()))) {
    return fail(Code::WRONG_NODE, "{} is not an aspen node file", path);
  }
  wire::Reader version_reader(bytes.substr(std::min(bytes.size(), kMagic.size())));
  uint64_t version = version_reader.u64();
  if (version_reader.ok() && version != kFormatVersion) {
    return fail(Code::UNSUPPORTED, "{} has format version {}; this build reads version {}: {}", path, version,
                kFormatVersion,
                version > kFormatVersion
                    ? "use a newer release"
                    : "open it with the release that made it, or empty the directory and "
                      "let the node join again");
  }
  constexpr size_t kChecksumBytes = sizeof(Hash);
  if (bytes.size() < kChecksumBytes ||
      hash_view(hash(kChecksumDomain, {bytes.substr(0, bytes.size() - kChecksumBytes)})) !=
          bytes.substr(bytes.size() - kChecksumBytes)) {
    return fail(Code::CORRUPT, "{} does not match its checksum; restore it from a backup or start afresh",
                path);
  }
  wire::Reader reader(bytes.substr(0, bytes.size() - kChecksumBytes));
  reader.fixed(kMagic.size());
  reader.u64();
  NodeFile node;
  node.node_seed = read_seed(reader);
  if (auto network = NodeId::from_bytes(reader.fixed(NodeId::kSize))) node.network = *network;
  node.membership = crypto::decode_chain(reader);
  if (reader.boolean()) node.root_seed = read_seed(reader);
  BytesView ticket = reader.bytes(limits::kTicketBytesMax, "ticket");
  uint64_t stage = reader.u64_max(kRestoring, "stage");
  node.has_log = stage == kHasLog;
  node.restoring = stage == kRestoring;
  if (auto finished = reader.finish("node file"); !finished) {
    return fail(Code::CORRUPT, "{}: {}", path, finished.error().message);
  }
  if (!ticket.empty()) {
    // An invitation that has expired since is of no use any more, but does not make the file wrong.
    auto parsed = crypto::parse_ticket(ticket, 0);
    if (!parsed) return fail(Code::CORRUPT, "{}: {}", path, parsed.error().message);
    node.invitation = std::move(*parsed);
  }
  return node;
}

}  // namespace aspen::node

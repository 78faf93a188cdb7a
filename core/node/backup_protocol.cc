#include "core/node/backup_protocol.h"

namespace aspen::node {
namespace {

enum Kind : uint64_t { kRequest = 1, kOrigin = 2 };

NodeId read_id(wire::Reader& reader) {
  auto id = NodeId::from_bytes(reader.fixed(NodeId::kSize));
  return id ? *id : NodeId();
}

void expect(wire::Reader& reader, Kind expected) {
  uint64_t kind = reader.begin();
  if (reader.ok() && kind != expected) reader.refuse(fmt::format("kind {} instead of {}", kind, +expected));
}

}  // namespace

Bytes encode(const BackupRequest& request) {
  wire::Writer writer;
  writer.begin(kRequest);
  writer.boolean(request.stale);
  writer.end();
  return writer.take();
}

Result<BackupRequest> decode_backup_request(BytesView frame) {
  wire::Reader reader(frame);
  expect(reader, kRequest);
  BackupRequest request{.stale = reader.boolean()};
  reader.end();
  ASPEN_CHECK(reader.finish("backup request"));
  return request;
}

Bytes encode(const BackupOrigin& origin) {
  wire::Writer writer;
  writer.begin(kOrigin);
  writer.fixed(origin.network.view());
  writer.fixed(origin.node.view());
  writer.u64(origin.term);
  writer.end();
  return writer.take();
}

Result<BackupOrigin> decode_backup_origin(BytesView frame) {
  wire::Reader reader(frame);
  expect(reader, kOrigin);
  BackupOrigin origin;
  origin.network = read_id(reader);
  origin.node = read_id(reader);
  origin.term = reader.u64_max(raft::kNumberMax, "term");
  reader.end();
  ASPEN_CHECK(reader.finish("backup origin"));
  return origin;
}

}  // namespace aspen::node

#include "core/node/lease_protocol.h"

#include <algorithm>

#include "core/base/wire.h"

namespace aspen::node {
namespace {

template <typename Range, typename Projection = std::identity>
void require_ascending(wire::Reader& reader, const Range& range, const char* what,
                       Projection projection = {}) {
  if (!reader.ok()) return;
  if (std::ranges::adjacent_find(range, std::greater_equal(), projection) != range.end()) {
    reader.refuse(fmt::format("{} are not in order", what));
  }
}

void encode_time(wire::Writer& writer, DurationNs time) {
  writer.u64(static_cast<uint64_t>(time));
}

DurationNs decode_time(wire::Reader& reader) {
  return static_cast<DurationNs>(reader.u64_max(INT64_MAX, "time of a lease"));
}

void encode(wire::Writer& writer, const LeaseState& lease) {
  writer.u64(lease.id);
  encode_time(writer, lease.ttl);
  encode_time(writer, lease.remaining);
  writer.u64(lease.keys);
}

LeaseState decode_lease_state(wire::Reader& reader) {
  LeaseState lease;
  lease.id = reader.u64();
  lease.ttl = decode_time(reader);
  lease.remaining = decode_time(reader);
  lease.keys = reader.u64_max(limits::kLeaseKeysMax, "keys of a lease");
  return lease;
}

}  // namespace

Bytes encode(const LeaseKeepAlive& request) {
  wire::Writer writer;
  writer.u64(request.ids.size());
  for (kv::LeaseId id : request.ids) writer.u64(id);
  return writer.take();
}

Result<LeaseKeepAlive> decode_lease_keep_alive(BytesView bytes) {
  wire::Reader reader(bytes);
  LeaseKeepAlive request;
  request.ids.resize(reader.count(kLeasesKeptMax, "leases"));
  for (kv::LeaseId& id : request.ids) id = reader.u64();
  if (request.ids.empty()) reader.refuse("a keep-alive without leases");
  require_ascending(reader, request.ids, "leases");
  ASPEN_CHECK(reader.finish("keep-alive"));
  return request;
}

Bytes encode(const LeasesKept& kept) {
  wire::Writer writer;
  writer.u64(kept.ttls.size());
  for (DurationNs ttl : kept.ttls) encode_time(writer, ttl);
  return writer.take();
}

Result<LeasesKept> decode_leases_kept(BytesView bytes) {
  wire::Reader reader(bytes);
  LeasesKept kept;
  kept.ttls.resize(reader.count(kLeasesKeptMax, "leases"));
  for (DurationNs& ttl : kept.ttls) ttl = decode_time(reader);
  ASPEN_CHECK(reader.finish("answer to a keep-alive"));
  return kept;
}

Bytes encode(const LeaseRequest& request) {
  wire::Writer writer;
  writer.u64(request.id);
  writer.bytes(request.start);
  writer.u64(request.limit);
  return writer.take();
}

Result<LeaseRequest> decode_lease_request(BytesView bytes) {
  wire::Reader reader(bytes);
  LeaseRequest request;
  request.id = reader.u64();
  request.start = reader.bytes(kv::kBoundBytesMax, "start");
  request.limit = static_cast<uint32_t>(reader.u64_max(UINT32_MAX, "limit"));
  ASPEN_CHECK(reader.finish("lease request"));
  return request;
}

Bytes encode(const LeaseInfo& info) {
  wire::Writer writer;
  encode(writer, info.lease);
  writer.u64(info.keys.size());
  for (const Bytes& key : info.keys) writer.bytes(key);
  writer.boolean(info.more);
  return writer.take();
}

Result<LeaseInfo> decode_lease_info(BytesView bytes) {
  wire::Reader reader(bytes);
  LeaseInfo info;
  info.lease = decode_lease_state(reader);
  size_t count = reader.count(limits::kRangeEntriesMax, "keys");
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    info.keys.emplace_back(reader.bytes(limits::kKeyBytesMax, "key"));
  }
  require_ascending(reader, info.keys, "keys");
  info.more = reader.boolean();
  ASPEN_CHECK(reader.finish("lease"));
  return info;
}

Bytes encode(const LeaseListRequest& request) {
  wire::Writer writer;
  writer.u64(request.after);
  writer.u64(request.limit);
  return writer.take();
}

Result<LeaseListRequest> decode_lease_list_request(BytesView bytes) {
  wire::Reader reader(bytes);
  LeaseListRequest request;
  request.after = reader.u64();
  request.limit = static_cast<uint32_t>(reader.u64_max(UINT32_MAX, "limit"));
  ASPEN_CHECK(reader.finish("lease list request"));
  return request;
}

Bytes encode(const LeaseList& list) {
  wire::Writer writer;
  writer.u64(list.leases.size());
  for (const LeaseState& lease : list.leases) encode(writer, lease);
  writer.boolean(list.more);
  return writer.take();
}

Result<LeaseList> decode_lease_list(BytesView bytes) {
  wire::Reader reader(bytes);
  LeaseList list;
  size_t count = reader.count(kLeasesListedMax, "leases");
  for (size_t i = 0; i < count && reader.ok(); ++i) list.leases.push_back(decode_lease_state(reader));
  require_ascending(reader, list.leases, "leases", &LeaseState::id);
  list.more = reader.boolean();
  ASPEN_CHECK(reader.finish("lease list"));
  return list;
}

}  // namespace aspen::node

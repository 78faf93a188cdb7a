#include "core/kv/read.h"

#include <algorithm>

#include "core/base/limits.h"

namespace aspen::kv {
namespace {

template <typename T>
Bytes encode_alone(const T& value) {
  wire::Writer writer;
  encode(writer, value);
  return writer.take();
}

// A range is read in the order of its keys, or in reverse, and holds no key twice.
bool in_order(const std::vector<KeyRecord>& entries) {
  bool ascending = entries.size() < 2 || entries[0].key < entries[1].key;
  return std::ranges::adjacent_find(entries, [ascending](const KeyRecord& a, const KeyRecord& b) {
           return ascending ? a.key >= b.key : a.key <= b.key;
         }) == entries.end();
}

}  // namespace

void encode(wire::Writer& writer, const GetRequest& request) {
  writer.bytes(request.key);
  writer.u64(request.revision);
}

void encode(wire::Writer& writer, const RangeRequest& request) {
  writer.bytes(request.start);
  writer.bytes(request.end);
  writer.u64(request.limit);
  writer.boolean(request.reverse);
  writer.boolean(request.keys_only);
  writer.u64(request.revision);
}

void encode(wire::Writer& writer, const RangeReply& reply) {
  writer.u64(reply.entries.size());
  for (const KeyRecord& entry : reply.entries) {
    writer.bytes(entry.key);
    encode(writer, entry.record);
  }
  writer.boolean(reply.more);
  if (reply.more) writer.bytes(reply.continuation);
  writer.u64(reply.revision);
}

void encode(wire::Writer& writer, const GetReply& reply) {
  writer.boolean(reply.record.has_value());
  if (reply.record) encode(writer, *reply.record);
  writer.u64(reply.revision);
}

GetRequest decode_get_request(wire::Reader& reader) {
  GetRequest request;
  request.key = reader.bytes(limits::kKeyBytesMax, "key");
  request.revision = reader.u64();
  return request;
}

RangeRequest decode_range_request(wire::Reader& reader) {
  RangeRequest request;
  request.start = reader.bytes(kBoundBytesMax, "range start");
  request.end = reader.bytes(kBoundBytesMax, "range end");
  request.limit = static_cast<uint32_t>(reader.u64_max(UINT32_MAX, "range limit"));
  request.reverse = reader.boolean();
  request.keys_only = reader.boolean();
  request.revision = reader.u64();
  return request;
}

RangeReply decode_range_reply(wire::Reader& reader) {
  RangeReply reply;
  size_t entries = reader.count(limits::kRangeEntriesMax, "entries");
  reply.entries.reserve(entries);
  for (size_t i = 0; i < entries && reader.ok(); ++i) {
    Bytes key(reader.bytes(limits::kKeyBytesMax, "key"));
    reply.entries.push_back({std::move(key), decode_record(reader)});
  }
  if (reader.ok() && !in_order(reply.entries)) reader.refuse("keys are not in order");
  reply.more = reader.boolean();
  if (reply.more) reply.continuation = reader.bytes(kBoundBytesMax, "continuation");
  reply.revision = reader.u64();
  return reply;
}

GetReply decode_get_reply(wire::Reader& reader) {
  GetReply reply;
  if (reader.boolean()) reply.record = decode_record(reader);
  reply.revision = reader.u64();
  return reply;
}

Bytes encode(const GetRequest& request) {
  return encode_alone(request);
}
Bytes encode(const RangeRequest& request) {
  return encode_alone(request);
}
Bytes encode(const RangeReply& reply) {
  return encode_alone(reply);
}
Bytes encode(const GetReply& reply) {
  return encode_alone(reply);
}

Result<GetRequest> decode_get_request(BytesView bytes) {
  wire::Reader reader(bytes);
  GetRequest request = decode_get_request(reader);
  ASPEN_CHECK(reader.finish("get request"));
  return request;
}

Result<RangeRequest> decode_range_request(BytesView bytes) {
  wire::Reader reader(bytes);
  RangeRequest request = decode_range_request(reader);
  ASPEN_CHECK(reader.finish("range request"));
  return request;
}

Result<RangeReply> decode_range_reply(BytesView bytes) {
  wire::Reader reader(bytes);
  RangeReply reply = decode_range_reply(reader);
  ASPEN_CHECK(reader.finish("range reply"));
  return reply;
}

Result<GetReply> decode_get_reply(BytesView bytes) {
  wire::Reader reader(bytes);
  GetReply reply = decode_get_reply(reader);
  ASPEN_CHECK(reader.finish("get reply"));
  return reply;
}

}  // namespace aspen::kv

#include "core/kv/types.h"

namespace aspen::kv {

Result<> validate_key(BytesView key) {
  if (key.empty()) return fail(Code::INVALID_ARGUMENT, "key is empty");
  if (key.size() <= limits::kKeyBytesMax) return {};
  return fail(Code::LIMIT_EXCEEDED, "key is {} bytes; at most {}", key.size(), limits::kKeyBytesMax);
}

Result<> validate_bound(BytesView bound) {
  if (bound.size() <= kBoundBytesMax) return {};
  return fail(Code::LIMIT_EXCEEDED, "a bound of the range is {} bytes; at most {}", bound.size(),
              kBoundBytesMax);
}

void encode(wire::Writer& writer, const RecordView& record) {
  writer.u64(record.create_revision);
  writer.u64(record.mod_revision);
  writer.u64(record.version);
  writer.u64(record.lease);
  writer.bytes(record.value);
}

void encode(wire::Writer& writer, const Record& record) {
  encode(writer,
         RecordView{record.value, record.create_revision, record.mod_revision, record.version, record.lease});
}

RecordView decode_record_view(wire::Reader& reader) {
  RecordView record;
  record.create_revision = reader.u64();
  record.mod_revision = reader.u64();
  record.version = reader.u64();
  record.lease = reader.u64();
  record.value = reader.bytes(limits::kValueBytesMax, "value");
  return record;
}

Record decode_record(wire::Reader& reader) {
  return decode_record_view(reader).copy();
}

Bytes encode(const Record& record) {
  wire::Writer writer;
  encode(writer, record);
  return writer.take();
}

Result<Record> decode_record(BytesView bytes) {
  wire::Reader reader(bytes);
  Record record = decode_record(reader);
  ASPEN_CHECK(reader.finish("record"));
  return record;
}

}  // namespace aspen::kv

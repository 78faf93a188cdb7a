#include "core/kv/reply.h"

#include <algorithm>

#include "core/base/limits.h"

namespace aspen::kv {
namespace {

enum : uint64_t { kError = 1, kWrite = 2, kSession = 3, kDone = 4 };

// Reads the reply's kind; an encoded error is returned as the error.
Result<uint64_t> begin_reply(wire::Reader& reader) {
  uint64_t kind = reader.begin();
  if (kind != kError) return kind;
  Error error = wire::decode_error(reader);
  reader.end();
  ASPEN_CHECK(reader.finish("reply"));
  return std::unexpected(std::move(error));
}

void encode_results(wire::Writer& writer, const std::vector<OpResult>& results);

void encode(wire::Writer& writer, const std::optional<Record>& record) {
  writer.boolean(record.has_value());
  if (record) encode(writer, *record);
}

void encode(wire::Writer& writer, const KeyRecord& entry) {
  writer.bytes(entry.key);
  encode(writer, entry.record);
}

void encode(wire::Writer& writer, const OpResult& result) {
  writer.u8(static_cast<uint8_t>(result.kind));
  switch (result.kind) {
    case OpResult::Kind::change:
      writer.boolean(result.existed);
      if (!result.existed) return;
      writer.u64(result.previous_revision);
      return encode(writer, result.record);
    case OpResult::Kind::erased:
      writer.u64(result.count);
      writer.u64(result.erased.size());
      for (const KeyRecord& entry : result.erased) encode(writer, entry);
      return;
    case OpResult::Kind::got:
      return encode(writer, result.record);
    case OpResult::Kind::ranged:
      return encode(writer, result.range);
    case OpResult::Kind::nested:
      writer.boolean(result.succeeded);
      return encode_results(writer, result.results);
  }
}

void encode_results(wire::Writer& writer, const std::vector<OpResult>& results) {
  writer.u64(results.size());
  for (const OpResult& result : results) encode(writer, result);
}

std::optional<Record> decode_optional_record(wire::Reader& reader) {
  if (!reader.boolean()) return std::nullopt;
  return decode_record(reader);
}

KeyRecord decode_entry(wire::Reader& reader) {
  Bytes key(reader.bytes(limits::kKeyBytesMax, "key"));
  return {std::move(key), decode_record(reader)};
}

void decode_erased(wire::Reader& reader, OpResult& result) {
  result.count = reader.u64_max(limits::kRevisionKeysMax, "erased keys");
  size_t entries = reader.count(limits::kRevisionKeysMax, "erased records");
  if (reader.ok() && entries != 0 && entries != result.count) reader.refuse("some records of those erased");
  result.erased.reserve(entries);
  for (size_t i = 0; i < entries && reader.ok(); ++i) {
    result.erased.push_back(decode_entry(reader));
    if (i > 0 && result.erased[i].key <= result.erased[i - 1].key) reader.refuse("keys are not in order");
  }
}

std::vector<OpResult> decode_results(wire::Reader& reader, size_t depth);

OpResult decode_result(wire::Reader& reader, size_t depth) {
  OpResult result;
  uint8_t kind = reader.u8();
  result.kind = static_cast<OpResult::Kind>(kind);
  switch (result.kind) {
    case OpResult::Kind::change:
      result.existed = reader.boolean();
      if (!result.existed) return result;
      result.previous_revision = reader.u64();
      result.record = decode_optional_record(reader);
      if (result.record && result.record->mod_revision != result.previous_revision) {
        reader.refuse("the previous record is of another revision");
      }
      return result;
    case OpResult::Kind::erased:
      decode_erased(reader, result);
      return result;
    case OpResult::Kind::got:
      result.record = decode_optional_record(reader);
      return result;
    case OpResult::Kind::ranged:
      result.range = decode_range_reply(reader);
      return result;
    case OpResult::Kind::nested:
      if (depth == limits::kTransactionDepthMax) {
        reader.refuse(fmt::format("transactions too deep inside each other; at most {}", depth));
        return result;
      }
      result.succeeded = reader.boolean();
      result.results = decode_results(reader, depth + 1);
      return result;
  }
  if (reader.ok()) reader.refuse(fmt::format("unknown result {}", kind));
  return result;
}

std::vector<OpResult> decode_results(wire::Reader& reader, size_t depth) {
  std::vector<OpResult> results;
  size_t count = reader.count(limits::kTransactionOpsMax, "results");
  results.reserve(count);
  for (size_t i = 0; i < count && reader.ok(); ++i) results.push_back(decode_result(reader, depth));
  return results;
}

}  // namespace

bool OpResult::operator==(const OpResult& other) const {
  return kind == other.kind && existed == other.existed && previous_revision == other.previous_revision &&
         record == other.record && count == other.count && erased == other.erased && range == other.range &&
         succeeded == other.succeeded && results == other.results;
}

Bytes encode(const WriteReply& reply) {
  wire::Writer writer;
  writer.begin(kWrite);
  writer.boolean(reply.succeeded);
  writer.u64(reply.revision);
  if (!reply.succeeded) {
    writer.u64(reply.failed_compare);
    writer.boolean(reply.current.has_value());
    if (reply.current) encode(writer, *reply.current);
  }
  encode_results(writer, reply.results);
  writer.end();
  return writer.take();
}

Bytes encode(const DoneReply& reply) {
  wire::Writer writer;
  writer.begin(kDone);
  writer.u64(reply.revision);
  writer.u64(reply.result);
  writer.end();
  return writer.take();
}

Bytes encode_session_reply(SessionId session) {
  wire::Writer writer;
  writer.begin(kSession);
  writer.u64(session);
  writer.end();
  return writer.take();
}

Bytes encode_error_reply(const Error& error) {
  wire::Writer writer;
  writer.begin(kError);
  wire::encode_error(writer, error);
  writer.end();
  return writer.take();
}

Result<WriteReply> decode_write_reply(BytesView bytes) {
  wire::Reader reader(bytes);
  ASPEN_TRY(uint64_t kind, begin_reply(reader));
  if (kind != kWrite) reader.refuse(fmt::format("reply of kind {} to a write", kind));
  WriteReply reply;
  reply.succeeded = reader.boolean();
  reply.revision = reader.u64();
  if (!reply.succeeded) {
    reply.failed_compare =
        static_cast<uint32_t>(reader.u64_max(limits::kTransactionOpsMax - 1, "failed compare"));
    if (reader.boolean()) reply.current = decode_entry(reader);
  }
  reply.results = decode_results(reader, 0);
  reader.end();
  ASPEN_CHECK(reader.finish("write reply"));
  return reply;
}

Result<DoneReply> decode_done_reply(BytesView bytes) {
  wire::Reader reader(bytes);
  ASPEN_TRY(uint64_t kind, begin_reply(reader));
  if (kind != kDone) reader.refuse(fmt::format("reply of kind {} to another command", kind));
  DoneReply reply;
  reply.revision = reader.u64();
  reply.result = reader.u64();
  reader.end();
  ASPEN_CHECK(reader.finish("done reply"));
  return reply;
}

Result<SessionId> decode_session_reply(BytesView bytes) {
  wire::Reader reader(bytes);
  ASPEN_TRY(uint64_t kind, begin_reply(reader));
  if (kind != kSession) reader.refuse(fmt::format("reply of kind {} to a session command", kind));
  SessionId session = reader.u64();
  reader.end();
  ASPEN_CHECK(reader.finish("session reply"));
  return session;
}

}  // namespace aspen::kv

#include "core/kv/reply.h"

#include "core/base/limits.h"

namespace aspen::kv {
namespace {

enum : uint64_t { kError = 1, kWrite = 2, kSession = 3 };

// Reads the reply's kind; an encoded error is returned as the error.
Result<uint64_t> begin_reply(wire::Reader& reader) {
  uint64_t kind = reader.begin();
  if (kind != kError) return kind;
  Error error = wire::decode_error(reader);
  reader.end();
  ASPEN_CHECK(reader.finish("reply"));
  return std::unexpected(std::move(error));
}

}  // namespace

Bytes encode(const WriteReply& reply) {
  wire::Writer writer;
  writer.begin(kWrite);
  writer.boolean(reply.succeeded);
  writer.u64(reply.revision);
  if (reply.succeeded) {
    writer.u64(reply.results.size());
    for (const OpResult& result : reply.results) {
      writer.boolean(result.existed);
      if (result.existed) writer.u64(result.previous_revision);
    }
  } else {
    writer.u64(reply.failed_condition);
    writer.boolean(reply.current.has_value());
    if (reply.current) encode(writer, *reply.current);
  }
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
  if (reply.succeeded) {
    reply.results.resize(reader.count(limits::kTransactionOpsMax, "results"));
    for (OpResult& result : reply.results) {
      result.existed = reader.boolean();
      if (result.existed) result.previous_revision = reader.u64();
    }
  } else {
    reply.failed_condition =
        static_cast<uint32_t>(reader.u64_max(limits::kTransactionOpsMax - 1, "failed condition"));
    if (reader.boolean()) reply.current = decode_record(reader);
  }
  reader.end();
  ASPEN_CHECK(reader.finish("write reply"));
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

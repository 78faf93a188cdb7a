#include "core/kv/command.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/kv/index_commands.h"
#include "core/kv/index_limits.h"
#include "core/kv/layout.h"

namespace aspen::kv {
namespace {

using Kind = Command::Kind;

bool is_numbered(Kind kind) {
  return kind != Kind::open_session && kind != Kind::close_session;
}

void encode_body(wire::Writer& writer, const Command& command) {
  switch (command.kind) {
    case Kind::open_session:
      return layout::encode_owner(writer, command.owner);
    case Kind::close_session:
      return;
    case Kind::write:
      return encode(writer, command.transaction);
    case Kind::compact:
      return writer.u64(command.revision);
    case Kind::lease_grant:
      writer.i64(command.ttl);
      return writer.bytes(command.prefix);
    case Kind::lease_revoke:
      writer.u64(command.leases.at(0));
      return writer.bytes(command.prefix);
    case Kind::leases_expire:
      writer.u64(command.leases.size());
      for (LeaseId lease : command.leases) writer.u64(lease);
      return;
    case Kind::quota_set:
      writer.bytes(command.prefix);
      writer.u64(command.bytes_max);
      writer.u64(command.keys_max);
      return;
    case Kind::index_create:
      writer.bytes(command.name);
      writer.bytes(command.prefix);
      return writer.bytes(command.extractor);
    case Kind::index_drop:
      return writer.bytes(command.name);
    case Kind::index_step:
      return;
  }
}

void decode_body(wire::Reader& reader, Command& command) {
  switch (command.kind) {
    case Kind::open_session:
      command.owner = layout::decode_owner(reader);
      return;
    case Kind::close_session:
      return;
    case Kind::write:
      command.transaction = decode_transaction(reader);
      return;
    case Kind::compact:
      command.revision = reader.u64();
      return;
    case Kind::lease_grant:
      command.ttl = reader.i64();
      command.prefix = reader.bytes(limits::kKeyBytesMax, "prefix");
      return;
    case Kind::lease_revoke:
      command.leases = {reader.u64()};
      command.prefix = reader.bytes(limits::kKeyBytesMax, "prefix");
      return;
    case Kind::leases_expire:
      command.leases.resize(reader.count(limits::kLeasesExpireMax, "leases"));
      for (LeaseId& lease : command.leases) lease = reader.u64();
      if (reader.ok() &&
          std::ranges::adjacent_find(command.leases, std::greater_equal()) != command.leases.end()) {
        reader.refuse("leases are not in order");
      }
      return;
    case Kind::quota_set:
      command.prefix = reader.bytes(limits::kKeyBytesMax, "prefix");
      command.bytes_max = reader.u64();
      command.keys_max = reader.u64();
      return;
    case Kind::index_create:
      command.name = reader.bytes(limits::kIndexNameBytesMax, "index name");
      command.prefix = reader.bytes(limits::kKeyBytesMax, "index prefix");
      command.extractor = reader.bytes(limits::kExtractorBytesMax, "extractor");
      return;
    case Kind::index_drop:
      command.name = reader.bytes(limits::kIndexNameBytesMax, "index name");
      return;
    case Kind::index_step:
      return;
  }
}

Result<> validate_prefix(const Command& command, const char* of) {
  if (command.prefix.size() <= limits::kKeyBytesMax) return {};
  return fail(Code::LIMIT_EXCEEDED, "the {}'s prefix is {} bytes; at most {}", of, command.prefix.size(),
              limits::kKeyBytesMax);
}

}  // namespace

Bytes encode(const Command& command) {
  wire::Writer writer;
  writer.begin(static_cast<uint64_t>(command.kind));
  if (command.kind != Kind::open_session) writer.u64(command.session);
  if (is_numbered(command.kind)) {
    writer.u64(command.session == 0 ? 0 : command.sequence);
    writer.u64(command.session == 0 ? 0 : command.acknowledged_below);
  }
  encode_body(writer, command);
  writer.end();
  return writer.take();
}

Result<Command> decode_command(BytesView bytes) {
  wire::Reader reader(bytes);
  uint64_t kind = reader.begin();
  Command command;
  if (kind == 0 || kind > static_cast<uint64_t>(Kind::index_step)) {
    reader.refuse(fmt::format("unknown command {}", kind));
    kind = static_cast<uint64_t>(Kind::open_session);
  }
  command.kind = static_cast<Kind>(kind);
  if (command.kind != Kind::open_session) command.session = reader.u64();
  if (is_numbered(command.kind)) {
    command.sequence = reader.u64();
    command.acknowledged_below = reader.u64();
    if (command.session == 0 && (command.sequence != 0 || command.acknowledged_below != 0)) {
      reader.refuse("sequence numbers in a command without a session");
    }
  }
  decode_body(reader, command);
  reader.end();
  ASPEN_CHECK(reader.finish("command"));
  return command;
}

Result<> validate(const Command& command) {
  switch (command.kind) {
    case Kind::write:
      return validate(command.transaction);
    case Kind::lease_grant:
      if (command.ttl >= limits::kLeaseTtlMin && command.ttl <= limits::kLeaseTtlMax) {
        return validate_prefix(command, "lease");
      }
      return fail(Code::INVALID_ARGUMENT, "the lease's time is {} ns; {} to {}", command.ttl,
                  limits::kLeaseTtlMin, limits::kLeaseTtlMax);
    case Kind::lease_revoke:
      if (command.leases.size() == 1) return validate_prefix(command, "lease");
      return fail(Code::INVALID_ARGUMENT, "{} leases to revoke; 1", command.leases.size());
    case Kind::leases_expire:
      if (command.leases.size() <= limits::kLeasesExpireMax) return {};
      return fail(Code::LIMIT_EXCEEDED, "{} leases expire in one command; at most {}", command.leases.size(),
                  limits::kLeasesExpireMax);
    case Kind::quota_set:
      return validate_prefix(command, "quota");
    case Kind::index_create:
      return validate_index({command.name, command.prefix, command.extractor});
    case Kind::index_drop:
      return validate_index_name(command.name);
    case Kind::open_session:
    case Kind::close_session:
    case Kind::compact:
    case Kind::index_step:
      return {};
  }
  return {};
}

}  // namespace aspen::kv

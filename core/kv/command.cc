#include "core/kv/command.h"

#include <algorithm>

#include "core/base/limits.h"

namespace aspen::kv {
namespace {

void encode(wire::Writer& writer, const Condition& condition) {
  writer.u8(static_cast<uint8_t>(condition.kind));
  writer.bytes(condition.key);
  if (condition.kind == Condition::Kind::value_equals) writer.bytes(condition.value);
  if (condition.kind == Condition::Kind::mod_revision_equals) writer.u64(condition.revision);
}

void encode(wire::Writer& writer, const Op& op) {
  writer.u8(static_cast<uint8_t>(op.kind));
  writer.bytes(op.key);
  if (op.kind == Op::Kind::put) writer.bytes(op.value);
}

// The byte of an enum whose values are 1 to `last`.
template <typename Kind>
Kind decode_kind(wire::Reader& reader, Kind last, const char* what) {
  uint8_t value = reader.u8();
  if (reader.ok() && (value == 0 || value > static_cast<uint8_t>(last))) {
    reader.refuse(fmt::format("unknown {} {}", what, value));
  }
  return static_cast<Kind>(value);
}

Condition decode_condition(wire::Reader& reader) {
  Condition condition;
  condition.kind = decode_kind(reader, Condition::Kind::mod_revision_equals, "condition");
  condition.key = reader.bytes(limits::kKeyBytesMax, "key");
  if (condition.kind == Condition::Kind::value_equals) {
    condition.value = reader.bytes(limits::kValueBytesMax, "value");
  }
  if (condition.kind == Condition::Kind::mod_revision_equals) condition.revision = reader.u64();
  return condition;
}

Op decode_op(wire::Reader& reader) {
  Op op;
  op.kind = decode_kind(reader, Op::Kind::erase, "operation");
  op.key = reader.bytes(limits::kKeyBytesMax, "key");
  if (op.kind == Op::Kind::put) op.value = reader.bytes(limits::kValueBytesMax, "value");
  return op;
}

Result<> validate_value(BytesView value) {
  if (value.size() <= limits::kValueBytesMax) return {};
  return fail(Code::LIMIT_EXCEEDED, "value is {} bytes; at most {}", value.size(), limits::kValueBytesMax);
}

Result<> validate_count(size_t count, const char* what) {
  if (count <= limits::kTransactionOpsMax) return {};
  return fail(Code::LIMIT_EXCEEDED, "transaction has {} {}; at most {}", count, what,
              limits::kTransactionOpsMax);
}

Result<> validate_distinct(const std::vector<Op>& ops) {
  if (ops.size() < 2) return {};
  std::vector<BytesView> keys(ops.size());
  std::ranges::transform(ops, keys.begin(), [](const Op& op) { return BytesView(op.key); });
  std::ranges::sort(keys);
  if (std::ranges::adjacent_find(keys) == keys.end()) return {};
  return fail(Code::INVALID_ARGUMENT, "a key is changed by two operations of one transaction");
}

}  // namespace

Bytes encode(const Command& command) {
  wire::Writer writer;
  writer.begin(static_cast<uint64_t>(command.kind));
  if (command.kind != Command::Kind::open_session) writer.u64(command.session);
  if (command.kind == Command::Kind::write) {
    writer.u64(command.session == 0 ? 0 : command.sequence);
    writer.u64(command.session == 0 ? 0 : command.acknowledged_below);
    writer.u64(command.conditions.size());
    for (const Condition& condition : command.conditions) encode(writer, condition);
    writer.u64(command.ops.size());
    for (const Op& op : command.ops) encode(writer, op);
  }
  writer.end();
  return writer.take();
}

Result<Command> decode_command(BytesView bytes) {
  wire::Reader reader(bytes);
  uint64_t kind = reader.begin();
  Command command;
  command.kind = static_cast<Command::Kind>(kind);
  if (kind == 0 || kind > static_cast<uint64_t>(Command::Kind::close_session)) {
    reader.refuse(fmt::format("unknown command {}", kind));
  }
  if (command.kind != Command::Kind::open_session) command.session = reader.u64();
  if (command.kind == Command::Kind::write) {
    command.sequence = reader.u64();
    command.acknowledged_below = reader.u64();
    if (command.session == 0 && (command.sequence != 0 || command.acknowledged_below != 0)) {
      reader.refuse("sequence numbers in a write without a session");
    }
    size_t conditions = reader.count(limits::kTransactionOpsMax, "conditions");
    command.conditions.reserve(conditions);
    for (size_t i = 0; i < conditions; ++i) command.conditions.push_back(decode_condition(reader));
    size_t ops = reader.count(limits::kTransactionOpsMax, "operations");
    command.ops.reserve(ops);
    for (size_t i = 0; i < ops; ++i) command.ops.push_back(decode_op(reader));
  }
  reader.end();
  ASPEN_CHECK(reader.finish("command"));
  return command;
}

Result<> validate(const Command& command) {
  if (command.kind != Command::Kind::write) return {};
  ASPEN_CHECK(validate_count(command.ops.size(), "operations"));
  ASPEN_CHECK(validate_count(command.conditions.size(), "conditions"));
  size_t bytes = 0;
  for (const Condition& condition : command.conditions) {
    ASPEN_CHECK(validate_key(condition.key));
    ASPEN_CHECK(validate_value(condition.value));
    bytes += condition.key.size() + condition.value.size();
  }
  for (const Op& op : command.ops) {
    ASPEN_CHECK(validate_key(op.key));
    ASPEN_CHECK(validate_value(op.value));
    bytes += op.key.size() + op.value.size();
  }
  if (bytes > limits::kTransactionBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "transaction is {} bytes; at most {}", bytes,
                limits::kTransactionBytesMax);
  }
  return validate_distinct(command.ops);
}

}  // namespace aspen::kv

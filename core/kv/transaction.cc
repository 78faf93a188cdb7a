#include "core/kv/transaction.h"

#include <algorithm>

#include "core/base/limits.h"

namespace aspen::kv {
namespace {

// The byte of an enum whose values are 1 to `last`.
template <typename Kind>
Kind decode_kind(wire::Reader& reader, Kind last, const char* what) {
  uint8_t value = reader.u8();
  if (reader.ok() && (value == 0 || value > static_cast<uint8_t>(last))) {
    reader.refuse(fmt::format("unknown {} {}", what, value));
  }
  return static_cast<Kind>(value);
}

bool only_equal(Compare::Target target) {
  return target == Compare::Target::exists || target == Compare::Target::unchanged_since;
}

void encode(wire::Writer& writer, const Compare& compare) {
  writer.u8(static_cast<uint8_t>(compare.target));
  writer.u8(static_cast<uint8_t>(compare.relation));
  writer.bytes(compare.key);
  writer.boolean(compare.end.has_value());
  if (compare.end) writer.bytes(*compare.end);
  if (compare.target == Compare::Target::value) {
    writer.bytes(compare.value);
  } else {
    writer.u64(compare.number);
  }
}

Compare decode_compare(wire::Reader& reader) {
  Compare compare;
  compare.target = decode_kind(reader, Compare::Target::unchanged_since, "target of a compare");
  compare.relation = decode_kind(reader, Compare::Relation::greater, "relation of a compare");
  if (reader.ok() && only_equal(compare.target) && compare.relation != Compare::Relation::equal) {
    reader.refuse("a compare of this target asks for equal");
  }
  compare.key = reader.bytes(kBoundBytesMax, "key");
  if (reader.boolean()) compare.end = reader.bytes(kBoundBytesMax, "range end");
  if (compare.target == Compare::Target::value) {
    compare.value = reader.bytes(limits::kValueBytesMax, "value");
  } else {
    compare.number = reader.u64();
    if (compare.target == Compare::Target::exists && compare.number > 1) reader.refuse("exists is 0 or 1");
  }
  return compare;
}

void encode(wire::Writer& writer, const Op& op) {
  writer.u8(static_cast<uint8_t>(op.kind));
  switch (op.kind) {
    case Op::Kind::put:
      writer.bytes(op.key);
      writer.bytes(op.value);
      writer.u64(op.lease);
      writer.boolean(op.previous);
      return;
    case Op::Kind::erase:
      writer.bytes(op.key);
      writer.boolean(op.previous);
      return;
    case Op::Kind::erase_range:
      writer.bytes(op.range.start);
      writer.bytes(op.range.end);
      writer.boolean(op.previous);
      return;
    case Op::Kind::get:
      writer.bytes(op.key);
      return;
    case Op::Kind::range:
      encode(writer, op.range);
      return;
    case Op::Kind::transaction:
      encode(writer, op.nested.at(0));
      return;
  }
}

Transaction decode_transaction(wire::Reader& reader, size_t depth);

Op decode_op(wire::Reader& reader, size_t depth) {
  Op op;
  op.kind = decode_kind(reader, Op::Kind::transaction, "operation");
  switch (op.kind) {
    case Op::Kind::put:
      op.key = reader.bytes(limits::kKeyBytesMax, "key");
      op.value = reader.bytes(limits::kValueBytesMax, "value");
      op.lease = reader.u64();
      op.previous = reader.boolean();
      break;
    case Op::Kind::erase:
      op.key = reader.bytes(limits::kKeyBytesMax, "key");
      op.previous = reader.boolean();
      break;
    case Op::Kind::erase_range:
      op.range.start = reader.bytes(kBoundBytesMax, "range start");
      op.range.end = reader.bytes(kBoundBytesMax, "range end");
      op.previous = reader.boolean();
      break;
    case Op::Kind::get:
      op.key = reader.bytes(limits::kKeyBytesMax, "key");
      break;
    case Op::Kind::range:
      op.range = decode_range_request(reader);
      if (op.range.revision != 0) reader.refuse("a range of an earlier revision in a transaction");
      break;
    case Op::Kind::transaction:
      if (depth == limits::kTransactionDepthMax) {
        reader.refuse(fmt::format("transactions too deep inside each other; at most {}", depth));
        break;
      }
      op.nested.push_back(decode_transaction(reader, depth + 1));
      break;
  }
  return op;
}

std::vector<Op> decode_ops(wire::Reader& reader, size_t depth) {
  std::vector<Op> ops;
  size_t count = reader.count(limits::kTransactionOpsMax, "operations");
  ops.reserve(count);
  for (size_t i = 0; i < count && reader.ok(); ++i) ops.push_back(decode_op(reader, depth));
  return ops;
}

Transaction decode_transaction(wire::Reader& reader, size_t depth) {
  Transaction transaction;
  size_t compares = reader.count(limits::kTransactionOpsMax, "compares");
  transaction.compares.reserve(compares);
  for (size_t i = 0; i < compares && reader.ok(); ++i) {
    transaction.compares.push_back(decode_compare(reader));
  }
  transaction.then = decode_ops(reader, depth);
  transaction.otherwise = decode_ops(reader, depth);
  return transaction;
}

// What a transaction and those nested in it come to.
struct Size {
  size_t items = 0;
  size_t bytes = 0;
};

Result<> validate_value(BytesView value) {
  if (value.size() <= limits::kValueBytesMax) return {};
  return fail(Code::LIMIT_EXCEEDED, "value is {} bytes; at most {}", value.size(), limits::kValueBytesMax);
}

Result<> validate(const Compare& compare, Size& size) {
  ASPEN_CHECK(compare.end ? validate_bound(compare.key) : validate_key(compare.key));
  if (compare.end) ASPEN_CHECK(validate_bound(*compare.end));
  if (only_equal(compare.target) && compare.relation != Compare::Relation::equal) {
    return fail(Code::INVALID_ARGUMENT,
                "a comparison of `exists` or `unchanged_since` can only ask for `equal`");
  }
  if (compare.target == Compare::Target::exists && compare.number > 1) {
    return fail(Code::INVALID_ARGUMENT, "a comparison asks whether `exists` is {}; it is 0 or 1",
                compare.number);
  }
  ASPEN_CHECK(validate_value(compare.value));
  size.bytes += compare.key.size() + compare.value.size() + (compare.end ? compare.end->size() : 0);
  return {};
}

Result<> validate(const Transaction& transaction, size_t depth, Size& size);

Result<> validate(const Op& op, size_t depth, Size& size) {
  switch (op.kind) {
    case Op::Kind::put:
    case Op::Kind::erase:
    case Op::Kind::get:
      ASPEN_CHECK(validate_key(op.key));
      ASPEN_CHECK(validate_value(op.value));
      size.bytes += op.key.size() + op.value.size();
      return {};
    case Op::Kind::erase_range:
    case Op::Kind::range:
      ASPEN_CHECK(validate_bound(op.range.start));
      ASPEN_CHECK(validate_bound(op.range.end));
      if (op.range.revision != 0) {
        return fail(Code::INVALID_ARGUMENT, "a transaction reads its own state only; read revision {} alone",
                    op.range.revision);
      }
      size.bytes += op.range.start.size() + op.range.end.size();
      return {};
    case Op::Kind::transaction:
      if (op.nested.size() != 1) return fail(Code::INVALID_ARGUMENT, "a nested transaction is missing");
      if (depth < limits::kTransactionDepthMax) return validate(op.nested[0], depth + 1, size);
      return fail(Code::LIMIT_EXCEEDED, "transactions are over {} inside each other", depth);
  }
  return {};
}

Result<> validate(const Transaction& transaction, size_t depth, Size& size) {
  size.items += transaction.compares.size() + transaction.then.size() + transaction.otherwise.size();
  if (size.items > limits::kTransactionOpsMax) {
    return fail(Code::LIMIT_EXCEEDED, "transaction has {} compares and operations; at most {}", size.items,
                limits::kTransactionOpsMax);
  }
  for (const Compare& compare : transaction.compares) ASPEN_CHECK(validate(compare, size));
  for (const Op& op : transaction.then) ASPEN_CHECK(validate(op, depth, size));
  for (const Op& op : transaction.otherwise) ASPEN_CHECK(validate(op, depth, size));
  return {};
}

}  // namespace

Compare key_absent(Bytes key) {
  return {.key = std::move(key), .number = 0};
}
Compare key_present(Bytes key) {
  return {.key = std::move(key), .number = 1};
}
Compare value_is(Bytes key, Bytes value) {
  return {.target = Compare::Target::value, .key = std::move(key), .value = std::move(value)};
}
Compare mod_revision_is(Bytes key, uint64_t revision) {
  return {.target = Compare::Target::mod_revision, .key = std::move(key), .number = revision};
}

bool Op::operator==(const Op& other) const {
  return kind == other.kind && key == other.key && value == other.value && lease == other.lease &&
         previous == other.previous && range == other.range && nested == other.nested;
}

bool Transaction::operator==(const Transaction& other) const {
  return compares == other.compares && then == other.then && otherwise == other.otherwise;
}

void encode(wire::Writer& writer, const Transaction& transaction) {
  writer.u64(transaction.compares.size());
  for (const Compare& compare : transaction.compares) encode(writer, compare);
  for (const auto* ops : {&transaction.then, &transaction.otherwise}) {
    writer.u64(ops->size());
    for (const Op& op : *ops) encode(writer, op);
  }
}

Transaction decode_transaction(wire::Reader& reader) {
  return decode_transaction(reader, 0);
}

Result<> validate(const Transaction& transaction) {
  Size size;
  ASPEN_CHECK(validate(transaction, 0, size));
  if (size.bytes <= limits::kTransactionBytesMax) return {};
  return fail(Code::LIMIT_EXCEEDED, "transaction is {} bytes; at most {}", size.bytes,
              limits::kTransactionBytesMax);
}

}  // namespace aspen::kv

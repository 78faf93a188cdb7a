// Tuples of typed values as keys, in an order that is theirs.
//
// The store orders keys by their bytes, and a program thinks of them as ("user", 42, "name"). Joining the
// parts by a separator breaks as soon as a part contains it, and puts 10 before 9. pack() gives bytes that
// compare as the tuples do, so that a range of keys is a range of tuples, and from which every item comes
// back with its type.
//
//   ASPEN_TRY(Bytes key, pack({"user", 42, "name"}));
//   ASPEN_TRY(Tuple tuple, unpack(key));
//   ASPEN_TRY(KeyRange user, tuple_range({"user", 42}));    // every longer tuple that begins so
//
// The bytes are docs/wire.md section 13: those of FoundationDB's tuple layer for the types below, so the two
// read each other's keys.
//
// The order: null < Blob < Text < Tuple < integers < float < double < false < true < Uuid, whatever their
// values. Blobs and texts compare by their bytes (texts so by code points), tuples item by item with a
// shorter one before its extensions, integers as numbers, floats and doubles by IEEE 754's totalOrder: -0 is
// before and not equal to +0. There is one NaN; it equals itself and comes after +infinity.
//
// Integers are those of 64 bits, signed or not: -2^63 to 2^64-1. There are no larger ones, no timestamps
// (take an integer of nanoseconds) and no versionstamps (a write's revision is not known before it is made).
//
// Invariants: unpack(pack(x)) == x; pack(x) < pack(y) exactly when x < y; a tuple has one encoding, and
// unpack refuses every other. Thread safety: values.
#pragma once

#include <array>
#include <compare>
#include <concepts>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen::kv {

struct Blob {
  Bytes bytes;
};

struct Text {
  std::string utf8;
};

struct Uuid {
  std::array<uint8_t, 16> bytes{};
};

class TupleItem;
using Tuple = std::vector<TupleItem>;

class TupleItem {
 public:
  // By ascending type. An integer is a uint64_t only when no int64_t holds it.
  using Value = std::variant<std::monostate, Blob, Text, Tuple, int64_t, uint64_t, float, double, bool, Uuid>;

  TupleItem() = default;  // null
  TupleItem(std::nullptr_t) {}
  TupleItem(Blob blob) : value_(std::move(blob)) {}
  TupleItem(Text text) : value_(std::move(text)) {}
  TupleItem(const char* text) : value_(Text{text}) {}
  // Explicit, because Tuple{tuple} would be read as a copy by one compiler and as a nested one by another.
  explicit TupleItem(Tuple tuple) : value_(std::move(tuple)) {}
  template <std::integral T>
    requires(!std::same_as<T, char>)
  TupleItem(T value) {
    if constexpr (std::same_as<T, bool>) {
      value_ = value;
    } else if (std::in_range<int64_t>(value)) {
      value_ = static_cast<int64_t>(value);
    } else {
      value_ = static_cast<uint64_t>(value);
    }
  }
  TupleItem(float value);   // any NaN is the one NaN
  TupleItem(double value);  // likewise
  TupleItem(Uuid uuid) : value_(uuid) {}

  const Value& value() const { return value_; }
  // Null when it is of another type.
  template <typename T>
  const T* get() const {
    return std::get_if<T>(&value_);
  }

  std::strong_ordering operator<=>(const TupleItem& other) const;
  bool operator==(const TupleItem& other) const { return (*this <=> other) == 0; }

 private:
  Value value_;
};

// The order of tuples, which is that of their encodings.
std::strong_ordering compare(const Tuple& a, const Tuple& b);

// `prefix` and then the tuple. Errors: INVALID_ARGUMENT for text that is not UTF-8; LIMIT_EXCEEDED over
// limits::kTupleBytesMax (with the prefix) or kTupleDepthMax.
Result<Bytes> pack(const Tuple& tuple, BytesView prefix = {});

// The tuple after the first `prefix_size` bytes. Errors name the byte at which the faulty item begins:
// INVALID_ARGUMENT; UNSUPPORTED for a type or an integer that only the public format has; LIMIT_EXCEEDED.
// Requires: prefix_size <= bytes.size().
Result<Tuple> unpack(BytesView bytes, size_t prefix_size = 0);

// Keys from `start`, inclusive, to `end`, exclusive.
struct KeyRange {
  Bytes start;
  Bytes end;

  bool contains(BytesView key) const { return key >= start && key < end; }
};

// The keys of all tuples that begin with `tuple` and have more items; not its own. Errors: as of pack.
Result<KeyRange> tuple_range(const Tuple& tuple, BytesView prefix = {});
// The same of what pack() gave.
KeyRange packed_range(BytesView packed);

}  // namespace aspen::kv

#include "core/kv/tuple.h"

#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/base/utf8.h"

namespace aspen::kv {
namespace {

// Type codes, as the public format assigns them. An integer of n bytes is kZero + n, a negative one kZero -
// n. No type has the code 0xff: it is what tells a zero inside an item from the item's end.
constexpr uint8_t kNull = 0x00;
constexpr uint8_t kBlob = 0x01;
constexpr uint8_t kText = 0x02;
constexpr uint8_t kTuple = 0x05;
constexpr uint8_t kZero = 0x14;
constexpr size_t kIntegerBytesMax = 8;
constexpr uint8_t kFloat = 0x20;
constexpr uint8_t kDouble = 0x21;
constexpr uint8_t kFalse = 0x26;
constexpr uint8_t kTrue = 0x27;
constexpr uint8_t kUuid = 0x30;

constexpr char kEnd = '\x00';
constexpr char kEscaped = '\xff';

template <typename T>
using BitsOf = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

template <typename U>
constexpr U kSignBit = U{1} << (8 * sizeof(U) - 1);

// Bits of an unsigned integer that is ordered as the floats are.
template <std::floating_point T>
BitsOf<T> ordered_bits(T value) {
  auto bits = std::bit_cast<BitsOf<T>>(value);
  if (ASPEN_MUTANT("kv-tuple-negative-floats-unordered")) return bits ^ kSignBit<BitsOf<T>>;
  return bits & kSignBit<BitsOf<T>> ? ~bits : bits ^ kSignBit<BitsOf<T>>;
}

template <std::floating_point T>
T from_ordered_bits(BitsOf<T> bits) {
  return std::bit_cast<T>(bits & kSignBit<BitsOf<T>> ? bits ^ kSignBit<BitsOf<T>> : ~bits);
}

// Processors give NaNs either sign, so that the same calculation would have several keys.
template <std::floating_point T>
T with_one_nan(T value) {
  return std::isnan(value) ? std::numeric_limits<T>::quiet_NaN() : value;
}

class Packer {
 public:
  explicit Packer(BytesView prefix) : out_(prefix) {}

  Result<Bytes> pack(const Tuple& tuple) {
    for (top_item_ = 0; top_item_ < tuple.size(); ++top_item_) {
      depth_ = 0;
      ASPEN_CHECK(item(tuple[top_item_]));
      if (out_.size() > limits::kTupleBytesMax) break;
    }
    if (out_.size() <= limits::kTupleBytesMax) return std::move(out_);
    return fail(Code::LIMIT_EXCEEDED, "tuple: more than {} bytes", limits::kTupleBytesMax);
  }

 private:
  Result<> item(const TupleItem& item) {
    return std::visit([this](const auto& value) { return write(value); }, item.value());
  }

  Result<> write(std::monostate) {
    code(kNull);
    if (depth_ > 0 && !ASPEN_MUTANT("kv-tuple-null-ends-its-tuple")) out_.push_back(kEscaped);
    return {};
  }

  Result<> write(const Blob& blob) { return write_string(kBlob, blob.bytes); }

  Result<> write(const Text& text) {
    if (is_utf8(text.utf8)) return write_string(kText, text.utf8);
    return fail(Code::INVALID_ARGUMENT, "tuple: text that is not UTF-8 in item {}", top_item_);
  }

  Result<> write(const Tuple& tuple) {
    if (depth_ == limits::kTupleDepthMax) {
      return fail(Code::LIMIT_EXCEEDED, "tuple: more than {} tuples inside each other in item {}",
                  limits::kTupleDepthMax, top_item_);
    }
    ++depth_;
    code(kTuple);
    for (const TupleItem& inner : tuple) ASPEN_CHECK(item(inner));
    out_.push_back(kEnd);
    --depth_;
    return {};
  }

  Result<> write(int64_t value) {
    auto bits = static_cast<uint64_t>(value);
    return value < 0 ? write_integer(0 - bits, true) : write_integer(bits, false);
  }
  Result<> write(uint64_t value) { return write_integer(value, false); }

  Result<> write_integer(uint64_t magnitude, bool negative) {
    size_t size = (std::bit_width(magnitude) + 7) / 8;
    code(static_cast<uint8_t>(negative ? kZero - size : kZero + size));
    bool complement = negative && !ASPEN_MUTANT("kv-tuple-negatives-descend");
    big_endian(complement ? ~magnitude : magnitude, size);
    return {};
  }

  Result<> write(float value) { return write_ordered(kFloat, ordered_bits(value)); }
  Result<> write(double value) { return write_ordered(kDouble, ordered_bits(value)); }

  template <typename U>
  Result<> write_ordered(uint8_t type, U bits) {
    code(type);
    big_endian(bits, sizeof(U));
    return {};
  }

  Result<> write(bool value) {
    code(value ? kTrue : kFalse);
    return {};
  }

  Result<> write(const Uuid& uuid) {
    code(kUuid);
    out_.append(as_bytes(uuid.bytes.data(), uuid.bytes.size()));
    return {};
  }

  Result<> write_string(uint8_t type, BytesView bytes) {
    // Before it is copied: a size no limit allows must not cost memory.
    if (bytes.size() > limits::kTupleBytesMax) {
      return fail(Code::LIMIT_EXCEEDED, "tuple: more than {} bytes", limits::kTupleBytesMax);
    }
    code(type);
    for (char byte : bytes) {
      out_.push_back(byte);
      if (byte == kEnd) out_.push_back(kEscaped);
    }
    out_.push_back(kEnd);
    return {};
  }

  void code(uint8_t type) { out_.push_back(static_cast<char>(type)); }

  void big_endian(uint64_t value, size_t size) {
    for (size_t i = size; i-- > 0;) out_.push_back(static_cast<char>(value >> (8 * i)));
  }

  Bytes out_;
  size_t depth_ = 0;
  size_t top_item_ = 0;
};

class Unpacker {
 public:
  Unpacker(BytesView input, size_t start) : input_(input), at_(start) {}

  Result<Tuple> unpack() {
    Tuple tuple;
    while (at_ < input_.size()) {
      ASPEN_TRY(TupleItem next, item());
      tuple.push_back(std::move(next));
    }
    return tuple;
  }

 private:
  Result<TupleItem> item() {
    const size_t start = at_++;
    const auto type = static_cast<uint8_t>(input_[start]);
    switch (type) {
      case kNull:
        return TupleItem();
      case kFalse:
        return TupleItem(false);
      case kTrue:
        return TupleItem(true);
      case kBlob: {
        ASPEN_TRY(Bytes bytes, string(start));
        return TupleItem(Blob{std::move(bytes)});
      }
      case kText: {
        ASPEN_TRY(Bytes bytes, string(start));
        if (!is_utf8(bytes)) return refuse(start, "text that is not UTF-8");
        return TupleItem(Text{std::move(bytes)});
      }
      case kTuple:
        return nested(start);
      case kFloat:
        return floating<float>(start);
      case kDouble:
        return floating<double>(start);
      case kUuid:
        return uuid(start);
    }
    if (type >= kZero - kIntegerBytesMax && type <= kZero + kIntegerBytesMax) return integer(start, type);
    return unknown(start, type);
  }

  // Up to a zero that no 0xff follows, which is not part of it.
  Result<Bytes> string(size_t start) {
    Bytes bytes;
    for (;;) {
      size_t zero = input_.find(kEnd, at_);
      if (zero == BytesView::npos) return refuse(start, "truncated");
      bytes += input_.substr(at_, zero - at_);
      at_ = zero + 1;
      if (!skip_escape()) return bytes;
      bytes += kEnd;
    }
  }

  Result<TupleItem> nested(size_t start) {
    if (depth_ == limits::kTupleDepthMax) {
      return fail(Code::LIMIT_EXCEEDED, "tuple: more than {} tuples inside each other at byte {}",
                  limits::kTupleDepthMax, start);
    }
    ++depth_;
    Tuple tuple;
    for (;;) {
      if (at_ == input_.size()) return refuse(start, "truncated");
      if (input_[at_] != kEnd) {
        ASPEN_TRY(TupleItem inner, item());
        tuple.push_back(std::move(inner));
        continue;
      }
      ++at_;
      if (!skip_escape()) break;
      tuple.emplace_back();
    }
    --depth_;
    return TupleItem(std::move(tuple));
  }

  Result<TupleItem> integer(size_t start, uint8_t type) {
    const bool negative = type < kZero;
    const size_t size = negative ? kZero - type : type - kZero;
    ASPEN_TRY(uint64_t bits, big_endian(start, size));
    const uint64_t unused = size < sizeof(bits) ? ~uint64_t{0} << (8 * size) : 0;
    const uint64_t magnitude = negative ? ~bits & ~unused : bits;
    if (size > 0 && magnitude >> (8 * (size - 1)) == 0 && !ASPEN_MUTANT("kv-tuple-overlong-accepted")) {
      return refuse(start, "overlong integer");
    }
    if (!negative) return TupleItem(magnitude);
    if (magnitude <= uint64_t{1} << 63) return TupleItem(static_cast<int64_t>(0 - magnitude));
    return fail(Code::UNSUPPORTED, "tuple: integer below -2^63 at byte {}", start);
  }

  template <std::floating_point T>
  Result<TupleItem> floating(size_t start) {
    ASPEN_TRY(uint64_t bits, big_endian(start, sizeof(T)));
    T value = from_ordered_bits<T>(static_cast<BitsOf<T>>(bits));
    bool the_nan = std::bit_cast<BitsOf<T>>(with_one_nan(value)) == std::bit_cast<BitsOf<T>>(value);
    if (!the_nan && !ASPEN_MUTANT("kv-tuple-other-nans-accepted"))
      return refuse(start, "NaN of another form");
    return TupleItem(value);
  }

  Result<TupleItem> uuid(size_t start) {
    Uuid uuid;
    if (input_.size() - at_ < uuid.bytes.size()) return refuse(start, "truncated");
    for (uint8_t& byte : uuid.bytes) byte = static_cast<uint8_t>(input_[at_++]);
    return TupleItem(uuid);
  }

  Result<uint64_t> big_endian(size_t start, size_t size) {
    if (input_.size() - at_ < size) return refuse(start, "truncated");
    uint64_t value = 0;
    for (; size > 0; --size) value = value << 8 | static_cast<uint8_t>(input_[at_++]);
    return value;
  }

  bool skip_escape() {
    bool escaped = at_ < input_.size() && input_[at_] == kEscaped;
    if (escaped) ++at_;
    return escaped;
  }

  static std::unexpected<Error> refuse(size_t start, const char* fault) {
    return fail(Code::INVALID_ARGUMENT, "tuple: {} at byte {}", fault, start);
  }

  // What the public format has and we do not is told from what nobody has.
  static std::unexpected<Error> unknown(size_t start, uint8_t type) {
    const bool larger_integer = type == 0x0a || type == 0x0b || type == 0x1d || type == 0x1e;
    const bool other_number = type >= 0x22 && type <= 0x24;
    const bool other_id = type >= 0x31 && type <= 0x33;
    const bool users = type >= 0x40 && type <= 0x4f;
    if (larger_integer || other_number || other_id || users) {
      return fail(Code::UNSUPPORTED, "tuple: unsupported type code 0x{:02x} at byte {}", type, start);
    }
    return fail(Code::INVALID_ARGUMENT, "tuple: unknown type code 0x{:02x} at byte {}", type, start);
  }

  BytesView input_;
  size_t at_;
  size_t depth_ = 0;
};

std::strong_ordering compare_bytes(BytesView a, BytesView b) {
  return a <=> b;  // as unsigned, which std::char_traits<char> compares
}

template <typename T>
std::strong_ordering compare_values(const T& a, const T& b) {
  if constexpr (std::floating_point<T>) {
    return ordered_bits(a) <=> ordered_bits(b);
  } else if constexpr (std::same_as<T, Blob>) {
    return compare_bytes(a.bytes, b.bytes);
  } else if constexpr (std::same_as<T, Text>) {
    return compare_bytes(a.utf8, b.utf8);
  } else if constexpr (std::same_as<T, Uuid>) {
    return a.bytes <=> b.bytes;
  } else if constexpr (std::same_as<T, Tuple>) {
    return compare(a, b);
  } else {
    return a <=> b;
  }
}

}  // namespace

TupleItem::TupleItem(float value) : value_(with_one_nan(value)) {}

TupleItem::TupleItem(double value) : value_(with_one_nan(value)) {}

std::strong_ordering TupleItem::operator<=>(const TupleItem& other) const {
  // Types are in the order of their codes, and a uint64_t is above every int64_t.
  if (value_.index() != other.value_.index()) return value_.index() <=> other.value_.index();
  return std::visit(
      [&other](const auto& value) {
        return compare_values(value, std::get<std::remove_cvref_t<decltype(value)>>(other.value_));
      },
      value_);
}

std::strong_ordering compare(const Tuple& a, const Tuple& b) {
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (auto order = a[i] <=> b[i]; order != 0) return order;
  }
  return a.size() <=> b.size();
}

Result<Bytes> pack(const Tuple& tuple, BytesView prefix) {
  if (prefix.size() > limits::kTupleBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "tuple: more than {} bytes", limits::kTupleBytesMax);
  }
  return Packer(prefix).pack(tuple);
}

Result<Tuple> unpack(BytesView bytes, size_t prefix_size) {
  ASPEN_ASSERT(prefix_size <= bytes.size());
  if (bytes.size() > limits::kTupleBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "tuple: more than {} bytes", limits::kTupleBytesMax);
  }
  return Unpacker(bytes, prefix_size).unpack();
}

Result<KeyRange> tuple_range(const Tuple& tuple, BytesView prefix) {
  ASPEN_TRY(Bytes packed, pack(tuple, prefix));
  return packed_range(packed);
}

KeyRange packed_range(BytesView packed) {
  // What follows in a longer tuple is a type code, from kNull on and never 0xff. A string that only
  // continues, or a null inside a nested tuple, goes on with 0xff, and so is outside.
  return {Bytes(packed) + kEnd, Bytes(packed) + kEscaped};
}

}  // namespace aspen::kv

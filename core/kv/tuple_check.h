// What tuples promise about any bytes at all, as one function for tuple_test.cc and tuple_fuzz.cc.
//
// Bytes are refused, naming the byte where the faulty item begins, or they are the one encoding of a tuple.
// Two tuples compare as their encodings do, and one is in the range, and the subspace, of another exactly
// when it begins with its items.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>

#include "core/base/limits.h"
#include "core/kv/subspace.h"

namespace aspen::kv {

class TupleCheck {
 public:
  // The promise that was broken, or empty.
  std::string run(BytesView a, BytesView b) {
    std::optional<Tuple> first = read(a), second = read(b);
    if (first && second) {
      relate(a, *first, b, *second);
      relate(b, *second, a, *first);
    }
    return broken_;
  }

 private:
  std::optional<Tuple> read(BytesView input) {
    // A copy of exactly its size, so that a sanitizer sees any read past the end.
    auto copy = std::make_unique<char[]>(input.size());
    input.copy(copy.get(), input.size());
    Result<Tuple> tuple = unpack(BytesView(copy.get(), input.size()));
    if (!tuple) {
      check_refusal(tuple.error().message, input.size());
      return std::nullopt;
    }
    Result<Bytes> again = pack(*tuple);
    if (!again || *again != input) broken_ = "packing what was unpacked gives other bytes";
    if (*tuple != *tuple) broken_ = "a tuple does not equal itself";
    return *std::move(tuple);
  }

  void check_refusal(const std::string& message, size_t size) {
    constexpr BytesView kAtByte = " at byte ";
    size_t at = message.rfind(kAtByte);
    if (at == std::string::npos) {
      if (size <= limits::kTupleBytesMax) broken_ = "a refusal that names no byte: " + message;
    } else if (std::strtoull(&message[at + kAtByte.size()], nullptr, 10) >= size) {
      broken_ = "a refusal that names a byte outside: " + message;
    }
  }

  void relate(BytesView a, const Tuple& first, BytesView b, const Tuple& second) {
    if (compare(first, second) != (a <=> b)) broken_ = "tuples and encodings are in another order";
    bool begins = first.size() <= second.size() && std::equal(first.begin(), first.end(), second.begin());
    if (Subspace(Bytes(a)).contains(b) != begins) broken_ = "a subspace holds something else";
    Result<KeyRange> range = tuple_range(first);
    if (range && range->contains(b) != (begins && first.size() < second.size())) {
      broken_ = "a range holds something else";
    }
  }

  std::string broken_;
};

}  // namespace aspen::kv

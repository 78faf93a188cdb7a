// What the codec promises about any bytes at all, as one function for wire_test.cc and wire_fuzz.cc.
//
// A program is a string of field types; an input is read as those fields. Whatever the bytes are: nothing is
// read outside them; after a fault every value is zero or empty; and when they are accepted, writing the
// values again gives the same bytes (there is one encoding of every value) and no shorter input is accepted.
#pragma once

#include <memory>

#include "core/base/wire.h"

namespace aspen::wire {

inline constexpr BytesView kFields = "0uimbfstc()]";  // every field type, once

class CanonicalCheck {
 public:
  // The promise that was broken, or empty.
  std::string run(BytesView program, BytesView input) {
    bool accepted = read(program, input);
    if (!broken_.empty() || !accepted) return broken_;
    if (!skipped_ && writer_.view() != input) return "writing what was read gives other bytes";
    for (size_t size : {input.size() - 1, input.size() / 2}) {
      if (size < input.size() && CanonicalCheck().read(program, input.substr(0, size))) {
        return "an input and a shorter one are both accepted";
      }
    }
    return "";
  }

 private:
  bool read(BytesView program, BytesView input) {
    // A copy of exactly its size, so that a sanitizer sees any read past the end.
    auto copy = std::make_unique<char[]>(input.size());
    input.copy(copy.get(), input.size());
    Reader reader(BytesView(copy.get(), input.size()));
    size_t depth = 0;
    for (char field : program) step(reader, field, depth);
    for (; depth > 0; --depth) close(reader);
    bool accepted = reader.finish("input").has_value();
    if (accepted != reader.ok()) broken_ = "ok() and finish() disagree";
    return accepted;
  }

  void step(Reader& reader, char field, size_t& depth) {
    bool was_ok = reader.ok();
    uint64_t value = 0;
    switch (field) {
      case '0':
        writer_.u8(static_cast<uint8_t>(value = reader.u8()));
        break;
      case 'u':
        writer_.u64(value = reader.u64());
        break;
      case 'i':
        writer_.i64(static_cast<int64_t>(value = static_cast<uint64_t>(reader.i64())));
        break;
      case 'm':
        writer_.u64(value = reader.u64_max(1000, "number"));
        if (value > 1000) broken_ = "a number over its limit";
        break;
      case 'b':
        writer_.boolean(value = reader.boolean());
        break;
      case 'f':
        writer_.fixed(sized(reader.fixed(4), &value));
        break;
      case 's':
        writer_.bytes(sized(reader.bytes(100, "bytes"), &value));
        break;
      case 't':
        writer_.bytes(sized(reader.text(100, "text"), &value));
        break;
      case 'c':
        writer_.u64(value = reader.count(100, "items"));
        if (value > 100) broken_ = "a count over its limit";
        break;
      case '(':
        writer_.begin(value = reader.begin());
        ++depth;
        break;
      case ')':
      case ']':
        if (depth == 0) return;
        --depth;
        if (field == ')') {
          close(reader);
        } else {
          skipped_ = skipped_ || !reader.at_end();
          reader.end_skip();
          writer_.end();
        }
        break;
      default:
        return;
    }
    if (!was_ok && value != 0) broken_ = "a value after the first fault";
    if (!reader.ok() && !reader.at_end()) broken_ = "bytes are left after a fault";
  }

  void close(Reader& reader) {
    reader.end();
    writer_.end();
  }

  static BytesView sized(BytesView bytes, uint64_t* size) {
    *size = bytes.size();
    return bytes;
  }

  Writer writer_;
  bool skipped_ = false;
  std::string broken_;
};

}  // namespace aspen::wire

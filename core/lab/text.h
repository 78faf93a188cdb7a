// Binary data in lines of text: what traces and histories are written in, so that people and diff can read
// them.
//
//   quote("a b\n")                    "a b\x0a" with the quotes
//   TextReader in(line); in.word(); in.number("time"); in.quoted("key");
//
// The reader is sticky like wire::Reader: after the first fault everything reads as empty, and finish() says
// what it was.
//
// Thread safety: none.
#pragma once

#include <optional>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen::lab {

// Printable ASCII stays, `"` and `\` get a backslash, every other byte becomes \xNN.
std::string quote(BytesView bytes);
// The same for people: cut to `max` bytes, with how many there were.
std::string quote_short(BytesView bytes, size_t max = 48);

// One line; words are separated by single spaces.
class TextReader {
 public:
  explicit TextReader(std::string_view line) : rest_(line) {}

  std::string_view word(const char* what);
  uint64_t number(const char* what);
  int64_t signed_number(const char* what);
  Bytes quoted(const char* what);
  bool at_end() const { return rest_.empty(); }
  bool ok() const { return !error_; }
  void refuse(std::string reason);
  // The verdict: INVALID_ARGUMENT with the fault; also when something is left over.
  Result<> finish();

 private:
  void skip_space();

  std::string_view rest_;
  std::optional<std::string> error_;
};

}  // namespace aspen::lab

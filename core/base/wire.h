// The canonical wire codec (docs/wire.md): exactly one valid encoding of every value.
//
// Unsigned integers are LEB128 varints, signed ones zigzag; byte strings are length-prefixed; an
// optional is a 0/1 byte and then the value; lists are counted. A message is `varint kind, varint
// length, fields in order`, so a reader can skip what it does not know.
//
//   Writer w;
//   w.begin(kPut); w.bytes(key); w.bytes(value); w.end();
//
//   Reader r(frame);
//   uint64_t kind = r.begin();
//   Bytes key = Bytes(r.bytes(limits::kKeyBytesMax, "key"));
//   r.end();                                  // fields this build does not know are refused
//   ASPEN_CHECK(r.finish("put request"));
//
// The reader is sticky: after the first fault every read yields zero or empty and finish() says what and
// where it was, so decoders need no check per field. It never reads outside its input.
#pragma once

#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen::wire {

class Writer {
 public:
  void u8(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void u64(uint64_t value);
  void i64(int64_t value);
  void boolean(bool value) { u8(value ? 1 : 0); }
  // Random values (ids, keys, signatures): the size is part of the format and is not written.
  void fixed(BytesView value) { out_.append(value); }
  void bytes(BytesView value);  // text as well
  // Text from elsewhere (what another system says): made text where it is not, by `?` for each byte of no
  // character, and cut between two characters to at most `max` bytes.
  void text(BytesView value, size_t max);
  // A message: everything between begin and end is its fields. Messages nest.
  void begin(uint64_t kind);
  void end();

  BytesView view() const { return out_; }
  size_t size() const { return out_.size(); }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
  std::vector<size_t> open_;  // where each open message's fields start
};

class Reader {
 public:
  explicit Reader(BytesView input) : input_(input), end_(input.size()) {}

  uint8_t u8();
  uint64_t u64();
  // A varint that must not exceed `max`; `what` names it in the error.
  uint64_t u64_max(uint64_t max, const char* what);
  int64_t i64();
  bool boolean();
  BytesView fixed(size_t size);
  // Length-prefixed bytes of at most `max`; borrowed from the input.
  BytesView bytes(size_t max, const char* what);
  // The same for text: UTF-8 (RFC 3629) without NUL, so that it can be handed out as a C string.
  BytesView text(size_t max, const char* what);
  // A list's count, refused when over `max` or when the bytes left cannot hold that many items.
  size_t count(size_t max, const char* what);

  // Enters a message and returns its kind; reads stop at its end until end().
  uint64_t begin();
  // Leaves the message; refuses fields left over.
  void end();
  // Leaves the message, skipping trailing fields: only for a peer that negotiated a newer version.
  void end_skip();
  // True when the current message (or the input) has no bytes left: a trailing field is absent.
  bool at_end() const { return pos_ == end_; }

  bool ok() const { return !error_; }
  // Marks the input as refused for a reason the codec does not know (an unknown kind, a bad enum).
  void refuse(std::string reason);
  // The verdict: PROTOCOL naming `what`, the position and the fault; also when bytes are left over.
  Result<> finish(const char* what);

 private:
  void refuse_at(size_t position, std::string reason);

  BytesView input_;
  size_t pos_ = 0;
  size_t end_;
  std::vector<size_t> outer_ends_;
  std::optional<std::string> error_;
};

// An error as fields of a message; a message for people that is too long is cut.
void encode_error(Writer& writer, const Error& error);
// Refuses a code that this build's table does not have.
Error decode_error(Reader& reader);

}  // namespace aspen::wire

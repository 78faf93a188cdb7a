#include "core/base/wire.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/utf8.h"

namespace aspen::wire {
namespace {

size_t put_varint(uint64_t value, char* out) {
  size_t n = 0;
  for (; value >= 0x80; value >>= 7) out[n++] = static_cast<char>(value | 0x80);
  out[n++] = static_cast<char>(value);
  return n;
}

constexpr size_t kVarintMax = 10;

// The same as utf8_character_size, but that NUL is none: text can be handed out as a C string.
size_t text_character(BytesView text, size_t i) {
  return text[i] == '\0' ? 0 : utf8_character_size(text, i);
}

bool is_text(BytesView bytes) {
  return bytes.find('\0') == BytesView::npos && is_utf8(bytes);
}

}  // namespace

void Writer::u64(uint64_t value) {
  char buffer[kVarintMax];
  out_.append(buffer, put_varint(value, buffer));
}

void Writer::i64(int64_t value) {
  u64((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

void Writer::bytes(BytesView value) {
  u64(value.size());
  out_.append(value);
}

void Writer::text(BytesView value, size_t max) {
  Bytes text;
  for (size_t i = 0, size; i < value.size(); i += size) {
    size = text_character(value, i);
    BytesView character = size == 0 ? "?" : value.substr(i, size);
    if (text.size() + character.size() > max) break;
    text += character;
    if (size == 0) size = 1;
  }
  bytes(text);
}

void Writer::begin(uint64_t kind) {
  u64(kind);
  open_.push_back(out_.size());
}

void Writer::end() {
  ASPEN_ASSERT(!open_.empty());
  size_t start = open_.back();
  open_.pop_back();
  char length[kVarintMax];
  out_.insert(start, length, put_varint(out_.size() - start, length));
}

void Reader::refuse_at(size_t position, std::string reason) {
  if (!error_) error_ = fmt::format("{} at byte {}", reason, position);
  pos_ = end_;
}

void Reader::refuse(std::string reason) {
  refuse_at(pos_, std::move(reason));
}

uint8_t Reader::u8() {
  if (!ok()) return 0;
  if (pos_ == end_) {
    refuse_at(pos_, "truncated");
    return 0;
  }
  return static_cast<uint8_t>(input_[pos_++]);
}

uint64_t Reader::u64() {
  size_t start = pos_;
  uint64_t value = 0;
  for (int shift = 0; ok(); shift += 7) {
    uint8_t byte = u8();
    if (!ok()) return 0;
    if (shift == 63 && byte > 1) {
      refuse_at(start, "varint over 64 bits");
      return 0;
    }
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      if (byte == 0 && shift > 0) {
        refuse_at(start, "overlong varint");
        return 0;
      }
      return value;
    }
  }
  return 0;
}

uint64_t Reader::u64_max(uint64_t max, const char* what) {
  size_t start = pos_;
  uint64_t value = u64();
  if (value > max) {
    refuse_at(start, fmt::format("{} is {}; at most {}", what, value, max));
    return 0;
  }
  return value;
}

int64_t Reader::i64() {
  uint64_t raw = u64();
  return static_cast<int64_t>((raw >> 1) ^ (~(raw & 1) + 1));
}

bool Reader::boolean() {
  size_t start = pos_;
  uint8_t value = u8();
  if (value > 1) refuse_at(start, fmt::format("boolean is {}; 0 or 1", value));
  return value == 1;
}

BytesView Reader::fixed(size_t size) {
  if (!ok()) return {};
  if (end_ - pos_ < size) {
    refuse_at(pos_, "truncated");
    return {};
  }
  BytesView value = input_.substr(pos_, size);
  pos_ += size;
  return value;
}

BytesView Reader::bytes(size_t max, const char* what) {
  size_t start = pos_;
  uint64_t size = u64();
  if (size > max) {
    refuse_at(start, fmt::format("{} is {} bytes; at most {}", what, size, max));
    return {};
  }
  return fixed(size);
}

BytesView Reader::text(size_t max, const char* what) {
  size_t start = pos_;
  BytesView value = bytes(max, what);
  if (is_text(value)) return value;
  refuse_at(start, fmt::format("{} is not text (UTF-8 without NUL)", what));
  return {};
}

size_t Reader::count(size_t max, const char* what) {
  size_t start = pos_;
  uint64_t value = u64();
  if (value > max) {
    refuse_at(start, fmt::format("{} {}; at most {}", value, what, max));
    return 0;
  }
  if (value > end_ - pos_) {
    refuse_at(start, "truncated");
    return 0;
  }
  return value;
}

uint64_t Reader::begin() {
  uint64_t kind = u64();
  size_t start = pos_;
  uint64_t length = u64();
  if (ok() && length > end_ - pos_) refuse_at(start, "truncated");
  outer_ends_.push_back(end_);
  if (!ok()) return 0;
  end_ = pos_ + length;
  return kind;
}

void Reader::end() {
  if (pos_ != end_) refuse_at(pos_, fmt::format("{} bytes left over in a message", end_ - pos_));
  end_skip();
}

void Reader::end_skip() {
  ASPEN_ASSERT(!outer_ends_.empty());
  pos_ = end_;
  end_ = outer_ends_.back();
  outer_ends_.pop_back();
  if (!ok()) pos_ = end_;
}

Result<> Reader::finish(const char* what) {
  // A decoder that returned early inside a message has not seen the rest of it.
  if (!outer_ends_.empty()) refuse_at(pos_, "a message was not read to its end");
  if (ok() && pos_ != end_) refuse_at(pos_, fmt::format("{} bytes left over", end_ - pos_));
  if (error_) return fail(Code::PROTOCOL, "{}: {}", what, *error_);
  return {};
}

void encode_error(Writer& writer, const Error& error) {
  writer.u64(static_cast<uint64_t>(error.code));
  writer.boolean(error.applied == Applied::MAYBE);
  writer.text(error.message, limits::kErrorMessageBytesMax);
}

Error decode_error(Reader& reader) {
  uint64_t code = reader.u64();
  const ErrorInfo* info = code <= INT32_MAX ? error_info(static_cast<int32_t>(code)) : nullptr;
  if (info == nullptr) reader.refuse(fmt::format("unknown error code {}", code));
  Applied applied = reader.boolean() ? Applied::MAYBE : Applied::NO;
  std::string message(reader.text(limits::kErrorMessageBytesMax, "error message"));
  return Error(info != nullptr ? info->code : Code::PROTOCOL, applied, std::move(message));
}

}  // namespace aspen::wire

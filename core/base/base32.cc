#include "core/base/base32.h"

namespace aspen {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";

}  // namespace

std::string base32_encode(BytesView bytes) {
  std::string text;
  text.reserve((bytes.size() * 8 + 4) / 5);
  uint32_t buffer = 0;
  int bits = 0;
  for (char c : bytes) {
    buffer = (buffer << 8) | static_cast<uint8_t>(c);
    for (bits += 8; bits >= 5; bits -= 5) text.push_back(kAlphabet[(buffer >> (bits - 5)) & 31]);
    buffer &= (1u << bits) - 1;
  }
  if (bits > 0) text.push_back(kAlphabet[(buffer << (5 - bits)) & 31]);
  return text;
}

Result<Bytes> base32_decode(std::string_view text, std::string_view what) {
  Bytes bytes;
  bytes.reserve(text.size() * 5 / 8);
  uint32_t buffer = 0;
  int bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    size_t value = kAlphabet.find(text[i]);
    if (value == std::string_view::npos) {
      return fail(Code::INVALID_ARGUMENT, "{} has a character at position {} that is not of a-z or 2-7", what,
                  i);
    }
    buffer = (buffer << 5) | static_cast<uint32_t>(value);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<char>(buffer >> bits));
    }
    buffer &= (1u << bits) - 1;
  }
  // A whole character too many, or set bits past the last byte, would be a second text for the same bytes.
  if (bits >= 5 || buffer != 0) {
    return fail(Code::INVALID_ARGUMENT, "{} is not complete base32: it has {} characters", what, text.size());
  }
  return bytes;
}

}  // namespace aspen

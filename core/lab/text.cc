#include "core/lab/text.h"

#include <charconv>

namespace aspen::lab {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view word) {
  Number value{};
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string quote(BytesView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  out.reserve(bytes.size() + 2);
  for (char c : bytes) {
    auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  out += '"';
  return out;
}

std::string quote_short(BytesView bytes, size_t max) {
  if (bytes.size() <= max) return quote(bytes);
  return fmt::format("{}...({} bytes)", quote(bytes.substr(0, max)), bytes.size());
}

void TextReader::refuse(std::string reason) {
  if (!error_) error_ = std::move(reason);
  rest_ = {};
}

void TextReader::skip_space() {
  if (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
}

std::string_view TextReader::word(const char* what) {
  std::string_view word = rest_.substr(0, rest_.find(' '));
  if (word.empty()) {
    refuse(fmt::format("{} is missing", what));
    return {};
  }
  rest_.remove_prefix(word.size());
  skip_space();
  return word;
}

uint64_t TextReader::number(const char* what) {
  std::string_view text = word(what);
  auto value = parse_number<uint64_t>(text);
  if (!value && ok()) refuse(fmt::format("{} is not a number: {}", what, quote_short(text)));
  return value.value_or(0);
}

int64_t TextReader::signed_number(const char* what) {
  std::string_view text = word(what);
  auto value = parse_number<int64_t>(text);
  if (!value && ok()) refuse(fmt::format("{} is not a number: {}", what, quote_short(text)));
  return value.value_or(0);
}

Bytes TextReader::quoted(const char* what) {
  Bytes out;
  if (rest_.empty() || rest_.front() != '"') {
    refuse(fmt::format("{} is missing or not quoted", what));
    return {};
  }
  for (size_t i = 1; i < rest_.size(); ++i) {
    if (rest_[i] == '"') {
      rest_.remove_prefix(i + 1);
      skip_space();
      return out;
    }
    if (rest_[i] != '\\') {
      out += rest_[i];
      continue;
    }
    if (++i == rest_.size()) break;
    if (rest_[i] != 'x') {
      out += rest_[i];
      continue;
    }
    int high = i + 1 < rest_.size() ? hex_digit(rest_[i + 1]) : -1;
    int low = i + 2 < rest_.size() ? hex_digit(rest_[i + 2]) : -1;
    if (high < 0 || low < 0) break;
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  refuse(fmt::format("{} is not a quoted string", what));
  return {};
}

Result<> TextReader::finish() {
  if (!error_ && !rest_.empty()) error_ = fmt::format("{} is left over", quote_short(rest_));
  if (error_) return fail(Code::INVALID_ARGUMENT, "{}", *error_);
  return {};
}

}  // namespace aspen::lab

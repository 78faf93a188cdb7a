#include "tools/bytes_text.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

namespace aspen::tools {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr int64_t kDurationSecondsMax = 366 * 86'400;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> decode_hex(std::string_view text) {
  if (text.size() % 2) return fail(kUsage, "hex `{}` has an odd number of digits", text);
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return fail(kUsage, "`{}` is not hex: look at position {}", text, i + 1);
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

Result<std::string> decode_base64(std::string_view text) {
  std::string_view digits = text;
  while (digits.ends_with('=')) digits.remove_suffix(1);
  if (text.size() % 4 || text.size() - digits.size() > 2) {
    return fail(kUsage, "`{}` is not base64: its length is not a multiple of 4", text);
  }
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t digit = kBase64.find(digits[i]);
    if (digit == std::string_view::npos) {
      return fail(kUsage, "`{}` is not base64: look at position {}", text, i + 1);
    }
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>(bits >> count & 0xff));
    }
  }
  return bytes;
}

// The length of the UTF-8 sequence at the front of `bytes`; 0 when it is none (overlong forms and surrogates
// are none).
size_t utf8_sequence(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t first = at(0);
  if (first < 0x80) return 1;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || bytes.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  if ((first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f)) return 0;
  if ((first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) > 0x8f)) return 0;
  return size;
}

// One character or escape of the front of `bytes`, and how many bytes it took.
std::pair<std::string, size_t> display_one(std::string_view bytes) {
  const uint8_t first = static_cast<uint8_t>(bytes[0]);
  if (first == '\n') return {"\\n", 1};
  if (first == '\t') return {"\\t", 1};
  if (first == '\\') return {"\\\\", 1};
  const size_t size = utf8_sequence(bytes);
  // C1 controls (U+0080 to U+009F) steer some terminals as well as C0 does.
  const bool control =
      first < 0x20 || first == 0x7f || (size == 2 && first == 0xc2 && static_cast<uint8_t>(bytes[1]) < 0xa0);
  if (size == 0 || control) return {fmt::format("\\x{:02x}", first), 1};
  return {std::string(bytes.substr(0, size)), size};
}

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

Result<std::string> read_all(std::FILE* file, const std::string& name, size_t bytes_max) {
  std::string bytes;
  char buffer[65536];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, file)) {
    bytes.append(buffer, n);
    if (bytes.size() > bytes_max) {
      return fail(ASPEN_LIMIT_EXCEEDED, "{} has more than {} bytes, the most a value can have", name,
                  bytes_max);
    }
  }
  if (std::ferror(file)) return fail(ASPEN_IO, "cannot read {}: {}", name, std::strerror(errno));
  return bytes;
}

}  // namespace

Result<std::string> decode(std::string_view text, Encoding encoding) {
  switch (encoding) {
    case Encoding::HEX:
      return decode_hex(text);
    case Encoding::BASE64:
      return decode_base64(text);
    case Encoding::TEXT:
      break;
  }
  return std::string(text);
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < n ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) text.push_back(j <= n ? kBase64[bits >> (18 - 6 * j) & 63] : '=');
  }
  return text;
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t size = utf8_sequence(bytes);
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

std::string display(std::string_view bytes, size_t width) {
  std::string text;
  size_t used = 0;
  while (!bytes.empty()) {
    const auto [one, size] = display_one(bytes);
    used += columns(one);
    if (width && used > width) {
      // Makes room for the ellipsis by whole characters; an escape loses its tail, which the ellipsis says.
      while (columns(text) >= width) {
        while (!text.empty() && (static_cast<uint8_t>(text.back()) & 0xc0) == 0x80) text.pop_back();
        text.pop_back();
      }
      return text + "…";
    }
    text += one;
    bytes.remove_prefix(size);
  }
  return text;
}

size_t columns(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

Result<std::string> read_file(const std::string& path) {
  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
  if (!file) {
    return fail_hint(ASPEN_IO, fmt::format("cannot open {}: {}", path, std::strerror(errno)),
                     "check the path and its permissions");
  }
  return read_all(file.get(), path, aspen_limit_get(ASPEN_LIMIT_VALUE_BYTES));
}

Result<std::string> read_value(const std::string& argument) {
  if (argument == "-") return read_all(stdin, "standard input", aspen_limit_get(ASPEN_LIMIT_VALUE_BYTES));
  if (argument.starts_with("@@")) return argument.substr(1);
  if (argument.starts_with('@')) return read_file(argument.substr(1));
  return argument;
}

Result<int64_t> parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  double seconds = -1;
  if (unit.empty() || unit == "s") seconds = number;
  if (unit == "ms") seconds = number / 1e3;
  if (unit == "m") seconds = number * 60;
  if (unit == "h") seconds = number * 3600;
  if (error != std::errc() || !(seconds > 0) || seconds > kDurationSecondsMax) {
    return fail(kUsage, "`{}` is not a duration; write 500ms, 10s, 2m or 1h", text);
  }
  return static_cast<int64_t>(seconds * 1e9);
}

}  // namespace aspen::tools

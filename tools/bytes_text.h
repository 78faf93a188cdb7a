// Keys and values are bytes; a command line and a terminal are text. This is the way there and back: hex,
// base64, files and standard input as sources, and a form for people that never sends raw control bytes to
// a terminal.
//
// Thread safety: none needed; functions.
#pragma once

#include <string>
#include <string_view>

#include "tools/failure.h"

namespace aspen::tools {

enum class Encoding { TEXT, HEX, BASE64 };

// The bytes `text` stands for. Errors: kUsage, naming the first bad character or the length.
Result<std::string> decode(std::string_view text, Encoding encoding);

std::string to_base64(std::string_view bytes);
bool is_utf8(std::string_view bytes);

// For people: UTF-8 as it is, everything else as \xNN, \n, \t; cut to `width` columns with an ellipsis
// (0: not cut).
std::string display(std::string_view bytes, size_t width);
// Columns a UTF-8 text takes, counting code points.
size_t columns(std::string_view text);

Result<std::string> read_file(const std::string& path);
// A value argument: the text itself, @FILE, @@text for a text that begins with one @, or - for standard
// input. Refuses more than a value may have.
Result<std::string> read_value(const std::string& argument);

// "500ms", "10s", "2m", "1h" or a plain number of seconds. Errors: kUsage.
Result<int64_t> parse_duration(std::string_view text);

}  // namespace aspen::tools

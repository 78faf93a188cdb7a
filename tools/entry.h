// A key-value entry as text: the JSON shape all commands share, and how a key is given on a command line.
//
// JSON carries bytes twice: `key_base64` is always exact, `key` is the text when the bytes are UTF-8 and null
// when they are not. So a reader that knows its keys are text needs no decoding, and none is ever misled.
//
// Thread safety: none needed; functions.
#pragma once

#include <string>
#include <string_view>

#include "tools/bytes_text.h"
#include "tools/output.h"
#include "tools/program.h"

namespace aspen::tools {

inline std::string_view bytes_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}
inline std::string_view key_of(const aspen_entry_t& entry) {
  return bytes_of(entry.key, entry.key_size);
}
inline std::string_view value_of(const aspen_entry_t& entry) {
  return bytes_of(entry.value, entry.value_size);
}

// Adds `name` and `name`_base64 to `document`.
void add_bytes(Json& document, const std::string& name, std::string_view bytes);
// {"key","key_base64","value","value_base64","create_revision","mod_revision","version"}; without the value
// members when `keys_only`.
Json entry_json(const aspen_entry_t& entry, bool keys_only = false);

// --hex and --base64: how keys on the command line are written.
void add_key_encoding(CLI::App* command, Encoding& encoding);
// --stale, --max-age and --revision: what a read may see.
void add_read(CLI::App* command, ReadArguments& read);

}  // namespace aspen::tools

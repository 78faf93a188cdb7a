// Binary data. Owned bytes are a std::string (small buffers need no allocation, RocksDB and hash maps
// take them as they are); borrowed bytes are a std::string_view. Neither is text unless a name says so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace aspen {

using Bytes = std::string;
using BytesView = std::string_view;

inline const uint8_t* byte_data(BytesView bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

inline BytesView as_bytes(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The smallest byte string greater than every string that starts with `prefix`; empty when there is
// none (the prefix is empty or all 0xff), which range reads take to mean "no upper end".
Bytes prefix_end(BytesView prefix);

}  // namespace aspen

// Reading option structs: a caller built against an older header passes a smaller struct, whose missing
// fields get their defaults; one built against a newer header must not set fields this build does not know.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace aspen::capi {

// Above any struct there will be: a larger claim is garbage, and is not read.
inline constexpr uint32_t kStructSizeMax = 4096;

// `first_size` is the struct's size in the first release, below which no caller can be.
template <typename Options>
bool read_options(const Options* in, Options* out, size_t first_size = sizeof(Options)) {
  *out = {};
  out->struct_size = sizeof(Options);
  if (in == nullptr) return true;
  if (in->struct_size < first_size || in->struct_size > kStructSizeMax) return false;
  const char* bytes = reinterpret_cast<const char*>(in);
  for (size_t i = sizeof(Options); i < in->struct_size; ++i) {
    if (bytes[i] != 0) return false;
  }
  std::memcpy(out, in, std::min<size_t>(in->struct_size, sizeof(Options)));
  return true;
}

template <typename Options>
void init_options(Options* options, size_t struct_size) {
  if (options == nullptr || struct_size < sizeof(uint32_t)) return;
  std::memset(options, 0, struct_size);
  options->struct_size = static_cast<uint32_t>(struct_size);
}

}  // namespace aspen::capi

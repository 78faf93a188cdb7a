// The first byte is the size of a program (wire_check.h), which follows; the rest is read as its fields.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/base/wire_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aspen;
  if (size == 0) return 0;
  BytesView bytes = as_bytes(data, size);
  size_t program_size = std::min<size_t>(data[0], size - 1);
  std::string broken =
      wire::CanonicalCheck().run(bytes.substr(1, program_size), bytes.substr(1 + program_size));
  if (!broken.empty()) {
    std::fprintf(stderr, "broken promise: %s\n", broken.c_str());
    std::abort();
  }
  return 0;
}

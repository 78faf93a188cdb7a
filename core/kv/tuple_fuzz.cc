// The first byte is the size of a packed tuple, which follows; the rest is another one (tuple_check.h).
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/kv/tuple_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aspen;
  if (size == 0) return 0;
  BytesView bytes = as_bytes(data, size);
  size_t first_size = std::min<size_t>(data[0], size - 1);
  std::string broken = kv::TupleCheck().run(bytes.substr(1, first_size), bytes.substr(1 + first_size));
  if (!broken.empty()) {
    std::fprintf(stderr, "broken promise: %s\n", broken.c_str());
    std::abort();
  }
  return 0;
}

// The first byte says which decoder reads the rest (codec_check.h).
#include <cstdio>
#include <cstdlib>

#include "core/kv/codec_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aspen;
  if (size == 0) return 0;
  std::string broken = kv::CodecCheck().run(data[0], as_bytes(data, size).substr(1));
  if (!broken.empty()) {
    std::fprintf(stderr, "broken promise: %s\n", broken.c_str());
    std::abort();
  }
  return 0;
}

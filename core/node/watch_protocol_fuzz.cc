// A sequence of frames, each behind its size (two bytes, little end first); all are read as calls and as
// news.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/node/watch_protocol_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aspen;
  node::WatchCheck check;
  BytesView rest = as_bytes(data, size);
  while (rest.size() >= 2) {
    size_t wanted = static_cast<uint8_t>(rest[0]) + 256u * static_cast<uint8_t>(rest[1]);
    BytesView frame = rest.substr(2, std::min(wanted, rest.size() - 2));
    rest.remove_prefix(2 + frame.size());
    for (const std::string& broken : {check.call(frame), check.news(frame)}) {
      if (broken.empty()) continue;
      std::fprintf(stderr, "broken promise: %s\n", broken.c_str());
      std::abort();
    }
  }
  return 0;
}

#include "core/base/bytes.h"

namespace aspen {

Bytes prefix_end(BytesView prefix) {
  Bytes end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

}  // namespace aspen

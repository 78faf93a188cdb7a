#include "core/base/utf8.h"

namespace aspen {

size_t utf8_character_size(BytesView text, size_t at) {
  uint8_t lead = static_cast<uint8_t>(text[at]);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.size() - at < size) return 0;
  uint32_t point = lead & (0x7fu >> size);
  for (size_t k = 1; k < size; ++k) {
    uint8_t next = static_cast<uint8_t>(text[at + k]);
    if ((next & 0xc0) != 0x80) return 0;
    point = (point << 6) | (next & 0x3fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  bool surrogate = point >= 0xd800 && point <= 0xdfff;
  return point < kSmallest[size] || point > 0x10ffff || surrogate ? 0 : size;
}

bool is_utf8(BytesView text) {
  for (size_t at = 0, size; at < text.size(); at += size) {
    if ((size = utf8_character_size(text, at)) == 0) return false;
  }
  return true;
}

}  // namespace aspen

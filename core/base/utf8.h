// What UTF-8 is (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include "core/base/bytes.h"

namespace aspen {

// The size of the character that starts at `at`, or 0 when there is no valid one.
// Requires: at < text.size().
size_t utf8_character_size(BytesView text, size_t at);

bool is_utf8(BytesView text);

}  // namespace aspen

// Lowercase base32 without padding (RFC 4648 alphabet): every byte string has one text form, and only
// that form is read back.
#pragma once

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen {

std::string base32_encode(BytesView bytes);
// `what` names the text in an error.
Result<Bytes> base32_decode(std::string_view text, std::string_view what);

}  // namespace aspen

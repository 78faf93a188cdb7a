// Domain-separated BLAKE2b-256 (RFC 7693, by libsodium): H(domain, parts...). The domain and every part
// are prefixed with their length as a varint, so no two different inputs hash the same bytes.
#pragma once

#include <array>
#include <initializer_list>

#include "core/base/bytes.h"

namespace aspen {

using Hash = std::array<uint8_t, 32>;

Hash hash(std::string_view domain, std::initializer_list<BytesView> parts);

inline BytesView hash_view(const Hash& h) {
  return as_bytes(h.data(), h.size());
}

}  // namespace aspen

// The checksum of a file's content, as it grows: BLAKE2b-256, what `b2sum -l 256` prints, so that a person
// can check a file without us.
//
// Thread safety: none.
#pragma once

#include <sodium.h>

#include <string>

#include "core/base/hash.h"

namespace aspen::node {

class ContentHash {
 public:
  ContentHash() { crypto_generichash_init(&state_, nullptr, 0, sizeof(Hash)); }
  void add(BytesView bytes) { crypto_generichash_update(&state_, byte_data(bytes), bytes.size()); }
  // Once, at the end.
  Hash finish() {
    Hash out;
    crypto_generichash_final(&state_, out.data(), out.size());
    return out;
  }

 private:
  crypto_generichash_state state_;
};

}  // namespace aspen::node

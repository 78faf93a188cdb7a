#include "core/base/hash.h"

#include <sodium.h>

#include "core/base/wire.h"

namespace aspen {

Hash hash(std::string_view domain, std::initializer_list<BytesView> parts) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, sizeof(Hash));
  auto update = [&state](BytesView part) {
    wire::Writer length;
    length.u64(part.size());
    crypto_generichash_update(&state, byte_data(length.view()), length.view().size());
    crypto_generichash_update(&state, byte_data(part), part.size());
  };
  update(domain);
  for (BytesView part : parts) update(part);
  Hash out;
  crypto_generichash_final(&state, out.data(), out.size());
  return out;
}

}  // namespace aspen

#include "core/crypto/key.h"

#include <sodium.h>

#include <utility>

#include "core/base/assert.h"

namespace aspen::crypto {

static_assert(kSeedBytes == crypto_sign_SEEDBYTES);
static_assert(kSignatureBytes == crypto_sign_BYTES);
static_assert(NodeId::kSize == crypto_sign_PUBLICKEYBYTES);

void initialize() {
  // 1 means that it had run before; libsodium makes concurrent calls safe.
  ASPEN_ASSERT(sodium_init() >= 0);
}

KeyPair KeyPair::generate() {
  Seed seed;
  randombytes_buf(seed.data(), seed.size());
  KeyPair pair = from_seed(seed);
  sodium_memzero(seed.data(), seed.size());
  return pair;
}

KeyPair KeyPair::from_seed(const Seed& seed) {
  KeyPair pair;
  pair.secret_ = static_cast<uint8_t*>(sodium_malloc(crypto_sign_SECRETKEYBYTES));
  // Null when the process may lock no more memory; there is no key to go on with.
  ASPEN_ASSERT(pair.secret_ != nullptr);
  crypto_sign_seed_keypair(pair.id_.key.data(), pair.secret_, seed.data());
  sodium_mprotect_readonly(pair.secret_);
  return pair;
}

KeyPair::~KeyPair() {
  sodium_free(secret_);  // wipes; takes null
}

KeyPair::KeyPair(KeyPair&& other) noexcept : id_(other.id_), secret_(std::exchange(other.secret_, nullptr)) {}

KeyPair& KeyPair::operator=(KeyPair&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(secret_, other.secret_);
  return *this;
}

Seed KeyPair::seed() const {
  Seed seed;
  crypto_sign_ed25519_sk_to_seed(seed.data(), secret_);
  return seed;
}

Signature KeyPair::sign(BytesView message) const {
  Signature signature;
  crypto_sign_detached(signature.data(), nullptr, byte_data(message), message.size(), secret_);
  return signature;
}

bool verify(const NodeId& key, BytesView message, BytesView signature) {
  return signature.size() == kSignatureBytes &&
         crypto_sign_verify_detached(byte_data(signature), byte_data(message), message.size(),
                                     key.key.data()) == 0;
}

}  // namespace aspen::crypto

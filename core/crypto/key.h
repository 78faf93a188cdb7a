// Ed25519 keys (RFC 8032, by libsodium). A node is its key; a network is its root key.
#pragma once

#include <array>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/node_id.h"

namespace aspen::crypto {

inline constexpr size_t kSeedBytes = 32;
inline constexpr size_t kSignatureBytes = 64;

using Seed = std::array<uint8_t, kSeedBytes>;
using Signature = std::array<uint8_t, kSignatureBytes>;

// Must have run before anything else here; any number of times, from any thread.
void initialize();

// A secret key. Its memory is locked and wiped by libsodium. Movable, shared by reference.
class KeyPair {
 public:
  static KeyPair generate();
  static KeyPair from_seed(const Seed& seed);
  ~KeyPair();
  KeyPair(KeyPair&& other) noexcept;
  KeyPair& operator=(KeyPair&& other) noexcept;

  const NodeId& id() const { return id_; }  // the public half
  Seed seed() const;
  Signature sign(BytesView message) const;

 private:
  KeyPair() = default;
  NodeId id_;
  uint8_t* secret_ = nullptr;  // sodium_malloc'd
};

bool verify(const NodeId& key, BytesView message, BytesView signature);

}  // namespace aspen::crypto

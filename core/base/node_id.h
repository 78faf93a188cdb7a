// A node is its key: NodeId is an Ed25519 public key. Its text form is lowercase base32 (RFC 4648
// alphabet) without padding, 52 characters.
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen {

struct NodeId {
  static constexpr size_t kSize = 32;
  static constexpr size_t kTextSize = 52;

  std::array<uint8_t, kSize> key{};

  auto operator<=>(const NodeId&) const = default;
  BytesView view() const { return as_bytes(key.data(), key.size()); }
  std::string to_string() const;
  // The first eight characters, for logs.
  std::string short_string() const { return to_string().substr(0, 8); }

  static Result<NodeId> from_bytes(BytesView bytes);
  // Refuses a wrong length, a character outside the alphabet, upper case, and unused bits that are set.
  static Result<NodeId> parse(std::string_view text);
};

// The public half of a network's root key; the same form as a NodeId, another meaning.
using NetworkId = NodeId;

}  // namespace aspen

template <>
struct std::hash<aspen::NodeId> {
  size_t operator()(const aspen::NodeId& id) const noexcept {
    size_t value;
    std::memcpy(&value, id.key.data(), sizeof value);
    return value;
  }
};

// Names of things in a System. Both are drawn from counters that start at 1 and are never used again, so that
// what is kept of an actor that has ended can never be taken for another.
#pragma once

#include <compare>
#include <cstdint>

namespace aspen::actor {

struct ActorId {
  uint64_t value = 0;
  auto operator<=>(const ActorId&) const = default;
  // False for nobody.
  explicit operator bool() const { return value != 0; }
};

// One monitor or one call.
struct Reference {
  uint64_t value = 0;
  auto operator<=>(const Reference&) const = default;
  explicit operator bool() const { return value != 0; }
};

}  // namespace aspen::actor

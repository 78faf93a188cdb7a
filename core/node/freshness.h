// How fresh what a read sees must be.
#pragma once

#include "core/base/time.h"

namespace aspen::node {

struct Freshness {
  enum class Kind : uint8_t {
    linearizable = 0,  // sees all that was acknowledged before it began
    stale = 1,         // sees what the member that answers has applied
    lease = 2,  // linearizable too; asks nobody while the leader has a lease (NodeOptions::lease_reads)
  } kind = Kind::linearizable;
  // Of stale: sees at least all that was acknowledged so long before, by the clock of the member that
  // answers; 0: anything.
  DurationNs age_max = 0;

  bool stale() const { return kind == Kind::stale; }
  bool operator==(const Freshness&) const = default;
};

inline constexpr Freshness kAnyAge{Freshness::Kind::stale};

}  // namespace aspen::node

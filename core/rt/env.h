// The seam to the outside: the only place the engine reads a clock or draws randomness. Production uses
// system_env(); the lab replaces it, so that one seed replays a whole cluster (law 2). Networks are
// replaced at net::DatagramSocket, disks at store::Store.
#pragma once

#include <cstddef>

#include "core/base/time.h"

namespace aspen::rt {

class Env {
 public:
  virtual ~Env() = default;
  virtual TimeNs now() = 0;  // monotonic
  // The same clock, cheaper and some milliseconds behind.
  virtual TimeNs coarse_now() { return now(); }
  virtual WallNs wall_now() = 0;  // Unix epoch; may jump
  // Cryptographically strong in production.
  virtual void random(void* out, size_t size) = 0;
  uint64_t random_u64() {
    uint64_t value;
    random(&value, sizeof value);
    return value;
  }
};

// The operating system's clocks and randomness. Thread safety: any thread.
Env& system_env();

}  // namespace aspen::rt

#include "core/rt/env.h"

#include <sodium.h>

#include <ctime>
#include <stdexcept>

namespace aspen::rt {
namespace {

int64_t read_clock(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

class SystemEnv final : public Env {
 public:
  // Without this the first random() would set libsodium up, which only one thread may do.
  SystemEnv() {
    if (sodium_init() < 0) throw std::runtime_error("libsodium cannot be initialised");
  }
  TimeNs now() override { return read_clock(CLOCK_MONOTONIC); }
  TimeNs coarse_now() override { return read_clock(CLOCK_MONOTONIC_COARSE); }
  WallNs wall_now() override { return read_clock(CLOCK_REALTIME); }
  void random(void* out, size_t size) override { randombytes_buf(out, size); }
};

}  // namespace

Env& system_env() {
  static SystemEnv& env = *new SystemEnv;  // outlives every thread that may still use it at exit
  return env;
}

}  // namespace aspen::rt

// A seeded generator whose numbers are the same with every compiler and library (the distributions of
// <random> are not). xoshiro256** by Blackman and Vigna, seeded by splitmix64.
//
//   Random random(seed);
//   Random network = random.fork("network");   // independent of how often the others are asked
//
// Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace aspen::lab {

class Random {
 public:
  explicit Random(uint64_t seed);

  uint64_t next();
  // In [0, bound). Requires: bound > 0.
  uint64_t below(uint64_t bound);
  // In [low, high].
  int64_t between(int64_t low, int64_t high);
  bool chance(double probability);
  double unit();  // in [0, 1)
  // Exponentially distributed with this mean, at most 20 times it.
  int64_t exponential(int64_t mean);
  void fill(void* out, size_t size);
  // A generator of its own for one purpose.
  Random fork(std::string_view purpose, uint64_t index = 0) const;

 private:
  uint64_t seed_;
  uint64_t state_[4];
};

}  // namespace aspen::lab

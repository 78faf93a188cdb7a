#include "core/lab/random.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/base/assert.h"

namespace aspen::lab {
namespace {

uint64_t splitmix(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

Random::Random(uint64_t seed) : seed_(seed) {
  for (uint64_t& word : state_) word = splitmix(seed);
}

uint64_t Random::next() {
  uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t Random::below(uint64_t bound) {
  ASPEN_ASSERT(bound > 0);
  // Lemire's multiplication; the bias of 2^-64 * bound changes nothing here.
  return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
}

int64_t Random::between(int64_t low, int64_t high) {
  ASPEN_ASSERT(low <= high);
  return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
}

double Random::unit() {
  return static_cast<double>(next() >> 11) * 0x1p-53;
}

bool Random::chance(double probability) {
  return unit() < probability;
}

// By comparisons alone (J. von Neumann, Various techniques used in connection with random digits, 1951): a
// logarithm differs in its last bits between machines.
int64_t Random::exponential(int64_t mean) {
  for (double whole = 0; whole < 20; ++whole) {
    double first = unit();
    bool odd = true;  // of how many numbers fell in a row, the first included
    for (double last = first, next = unit(); next < last; last = next, next = unit()) odd = !odd;
    if (odd) return static_cast<int64_t>((whole + first) * static_cast<double>(mean));
  }
  return 20 * mean;
}

void Random::fill(void* out, size_t size) {
  auto* bytes = static_cast<uint8_t*>(out);
  while (size > 0) {
    uint64_t word = next();
    size_t count = std::min(size, sizeof word);
    std::memcpy(bytes, &word, count);
    bytes += count;
    size -= count;
  }
}

Random Random::fork(std::string_view purpose, uint64_t index) const {
  uint64_t hash = 0xcbf29ce484222325 ^ seed_;  // FNV-1a
  for (char c : purpose) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return Random(splitmix(hash) + index * 0x9e3779b97f4a7c15);
}

}  // namespace aspen::lab

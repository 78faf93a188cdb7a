#include "bench/micro.h"

#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <nlohmann/json.hpp>
#include <random>

namespace {
size_t allocations = 0;  // of the only thread that is measured
}

// The other forms of operator new call these; operator delete, which they replace too, need only be free.
void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t size, std::align_val_t alignment) {
  ++allocations;
  if (void* memory = ::memalign(static_cast<size_t>(alignment), size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}
// What Asio takes its memory from. glibc lets a program replace it.
extern "C" void* aligned_alloc(size_t alignment, size_t size) {
  ++allocations;
  return ::memalign(alignment, size);
}

namespace aspen::bench {

void Samples::add(const std::string& row, double ns, double allocations) {
  rows_[row].ns.push_back(ns);
  rows_[row].allocations = allocations;
}

void Samples::print() const {
  nlohmann::json rows = nlohmann::json::object();
  for (const auto& [name, row] : rows_) {
    rows[name] = {{"ns", row.ns}, {"allocations", row.allocations}};
  }
  std::puts(nlohmann::json{{"rows", rows}}.dump().c_str());
}

Sample::Sample(Samples& samples, const char* row, size_t operations)
    : samples_(samples),
      row_(row),
      operations_(static_cast<double>(operations)),
      allocations_(allocations),
      start_(std::chrono::steady_clock::now()) {}

Sample::~Sample() {
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start_;
  const auto allocated = static_cast<double>(allocations - allocations_);
  samples_.add(row_, took.count() / operations_, allocated / operations_);
}

int parse_rounds(int argc, char** argv) {
  const int rounds = argc == 2 ? std::atoi(argv[1]) : 0;
  if (rounds > 0 && rounds <= 1'000) return rounds;
  std::fprintf(stderr, "usage: %s ROUNDS\n", argv[0]);
  std::exit(2);
}

std::vector<long long> timer_delays_ns(size_t count) {
  std::minstd_rand random(1);
  std::uniform_int_distribution<long long> delay(1'000'000'000, 3'600'000'000'000);
  std::vector<long long> delays(count);
  for (long long& it : delays) it = delay(random);
  return delays;
}

}  // namespace aspen::bench

// Samples of short loops, for programs that bench/rt compares.
//
// One sample times a loop of about a millisecond: shorter than a slice of the scheduler, so that on a machine
// with other work most samples are undisturbed, and the median of many is a figure. It also counts what the
// program allocated meanwhile (operator new and aligned_alloc; a library that calls malloc is not seen).
//
//   Samples samples;
//   for (int round = 0; round < rounds; ++round) {
//     Sample sample(samples, "push and pop", 1000);
//     for (int i = 0; i < 1000; ++i) push_and_pop();
//   }
//   samples.print();
//
// Thread safety: none.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace aspen::bench {

class Samples {
 public:
  void add(const std::string& row, double ns, double allocations);
  // One JSON document on stdout, of each row: the samples in order, and the allocations of the last, all for
  // one operation.
  //   {"rows":{ROW:{"ns":[...],"allocations":N}}}
  void print() const;

 private:
  struct Row {
    std::vector<double> ns;
    double allocations = 0;
  };
  std::map<std::string, Row> rows_;
};

// From here to the end of its life.
class Sample {
 public:
  Sample(Samples& samples, const char* row, size_t operations);
  ~Sample();
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;

 private:
  Samples& samples_;
  const char* row_;
  double operations_;
  size_t allocations_;
  std::chrono::steady_clock::time_point start_;
};

// The compiler takes `value` as used.
template <typename T>
void keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

// How much is done, the same in every program that is compared. bench/go/rt_bench has the same figures.
constexpr size_t kOperations = 5'000;  // of a sample
constexpr size_t kWarmUp = 500;        // before it, where there is something to warm
constexpr int kChannelCapacity = 64;
constexpr size_t kTimersPending = 1'000'000;
constexpr size_t kTimersAtOnce = 100;  // armed, then disarmed
constexpr size_t kTogether = 100;      // tasks, in the rows of many

// Arguments of the programs: the number of rounds, a sample of each row in each. Ends the process when wrong.
int parse_rounds(int argc, char** argv);

// Times of timers, as nanoseconds from now: between 1 s and 1 h, evenly, the same in each run.
std::vector<long long> timer_delays_ns(size_t count);

}  // namespace aspen::bench

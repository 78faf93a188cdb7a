// What is done to a cluster beside the clients of its history, and judged by oracles of its own.
//
//   LeaseLoad load(world, cluster);                     // before the cluster forms
//   load.start();                                       // clients have begun
//   load.visit(random);                                 // again and again, as often as the scenario says
//   load.stop();                                        // faults are over, nothing new begins
//   load.finish();                                      // the cluster has settled
//
// Keys that a load writes, and that are there in the end, begin with kLoadPrefix: the history, which knows
// nothing of them, ends before it.
//
// Thread safety: none.
#pragma once

#include "core/lab/random.h"

namespace aspen::lab {

inline constexpr const char* kLoadPrefix = "~";

class Load {
 public:
  Load() = default;
  virtual ~Load() = default;
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  virtual void start() {}
  virtual void visit(Random& random) { (void)random; }
  virtual void stop() {}
  // What is wrong becomes the world's violation.
  virtual void finish() = 0;
};

}  // namespace aspen::lab

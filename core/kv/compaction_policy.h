// When the leader compacts the store by itself: how far back revisions stay readable.
//
// The log has no clock to ask for the revision of an hour ago, so samples are taken of how far the store was
// at what time. A compaction is a command of its own, so one is due only when it frees enough: else an idle
// store would compact its own compactions for ever.
//
//   CompactionPolicy policy({.keep_revisions = 100'000});
//   policy.sample(machine.applied(), now);                       // every second or so
//   if (auto to = policy.due(machine.applied(), machine.compacted(), now)) propose_compact(*to);
//
// Invariants: a revision that the options say is kept is never given; at most kSamplesMax samples.
// Thread safety: none.
#pragma once

#include <deque>
#include <optional>

#include "core/base/time.h"

namespace aspen::kv {

class CompactionPolicy {
 public:
  // What is kept by any of the two stays. Both 0: everything.
  struct Options {
    uint64_t keep_revisions = 0;  // the latest
    DurationNs keep_time = 0;     // what was the state this long ago, and all since
  };
  static constexpr size_t kSamplesMax = 64;
  static constexpr uint64_t kRevisionsMin = 64;  // that a compaction must free

  explicit CompactionPolicy(Options options) : options_(options) {}

  // Requires: neither goes back. A member that begins to lead begins with an empty policy.
  void sample(uint64_t applied, TimeNs now);
  // What to compact to.
  std::optional<uint64_t> due(uint64_t applied, uint64_t compacted, TimeNs now) const;

 private:
  struct Sample {
    TimeNs time;
    uint64_t revision;
  };

  const Options options_;
  std::deque<Sample> samples_;
};

}  // namespace aspen::kv

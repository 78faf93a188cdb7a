#include "core/kv/compaction_policy.h"

#include <algorithm>

#include "core/base/mutant.h"

namespace aspen::kv {

void CompactionPolicy::sample(uint64_t applied, TimeNs now) {
  if (options_.keep_time == 0) return;
  // So far apart that those of the time that is kept fit, with some to spare.
  const DurationNs apart = options_.keep_time / static_cast<DurationNs>(kSamplesMax / 2);
  if (!samples_.empty() && now - samples_.back().time < apart) return;
  if (samples_.size() == kSamplesMax) samples_.pop_front();
  samples_.push_back({now, applied});
}

std::optional<uint64_t> CompactionPolicy::due(uint64_t applied, uint64_t compacted, TimeNs now) const {
  if (options_.keep_revisions == 0 && options_.keep_time == 0) return std::nullopt;
  uint64_t to = applied;
  if (options_.keep_revisions > 0) {
    to = applied >= options_.keep_revisions ? applied - options_.keep_revisions + 1 : 0;
  }
  if (options_.keep_time > 0) {
    uint64_t then = 0;
    for (const Sample& sample : samples_) {
      bool old = now - sample.time >= options_.keep_time || ASPEN_MUTANT("kv-compaction-too-early");
      if (old) then = sample.revision;
    }
    to = std::min(to, then);
  }
  if (to < compacted + kRevisionsMin) return std::nullopt;
  return to;
}

}  // namespace aspen::kv

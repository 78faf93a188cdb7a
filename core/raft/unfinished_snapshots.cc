#include "core/raft/unfinished_snapshots.h"

#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/mutant.h"

namespace aspen::raft {

std::optional<SnapshotCopy> UnfinishedSnapshots::take_copy(PeerId follower, Index first) {
  auto kept = copies_.extract(follower);
  if (kept.empty() || ASPEN_BUGGIFY("raft-snapshot-copy-dropped")) return std::nullopt;
  const bool late = kept.mapped().copy.meta.index < first && !ASPEN_MUTANT("raft-snapshot-copy-too-old");
  if (late) return std::nullopt;
  return std::move(kept.mapped().copy);
}

void UnfinishedSnapshots::keep_copy(PeerId follower, SnapshotCopy copy) {
  copies_.insert_or_assign(follower, KeptCopy{std::move(copy), executor_.now() + kKept});
  expire();
}

std::optional<IncomingSnapshot> UnfinishedSnapshots::take_incoming(const Message& offer) {
  auto kept = std::exchange(incoming_, std::nullopt);
  if (!kept || ASPEN_BUGGIFY("raft-snapshot-incoming-dropped")) return std::nullopt;
  const bool same = kept->leader == offer.from && kept->term == offer.term && kept->meta == *offer.snapshot;
  if (ASPEN_MUTANT("raft-snapshot-begins-anew")) return std::nullopt;
  if (!same && !ASPEN_MUTANT("raft-snapshot-goes-on-with-another")) return std::nullopt;
  return std::move(kept->snapshot);
}

void UnfinishedSnapshots::keep_incoming(const Message& offer, IncomingSnapshot incoming) {
  incoming_ =
      KeptIncoming{offer.from, offer.term, *offer.snapshot, std::move(incoming), executor_.now() + kKept};
  expire();
}

void UnfinishedSnapshots::clear() {
  copies_.clear();
  incoming_.reset();
  timer_.disarm();
}

// Drops what is over and sets the timer for what is over next.
void UnfinishedSnapshots::expire() {
  if (ASPEN_MUTANT("raft-snapshot-copies-outlive")) return;
  const TimeNs now = executor_.now();
  std::erase_if(copies_, [now](const auto& kept) { return kept.second.until <= now; });
  if (incoming_ && incoming_->until <= now) incoming_.reset();
  TimeNs next = incoming_ ? incoming_->until : kNever;
  for (const auto& [follower, kept] : copies_) next = std::min(next, kept.until);
  timer_.arm(next);
}

}  // namespace aspen::raft

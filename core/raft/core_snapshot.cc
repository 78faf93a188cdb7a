// Snapshots and compaction (thesis 5). Their bytes travel between drivers; the core decides who needs one
// and what it means for the log.
#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mutant.h"
#include "core/raft/core.h"

namespace aspen::raft {

SnapshotMeta Core::snapshot_meta(Index index) const {
  ASPEN_ASSERT(index <= applied_ && log_.term_at(index).has_value());
  bool is_base = index == log_.snapshot().index;
  return {.index = index,
          .term = *log_.term_at(index),
          .config = configs_.at(index),
          .time = is_base ? log_.snapshot().time : log_.at(index)->time};
}

void Core::compacted(const SnapshotMeta& meta) {
  ASPEN_ASSERT(meta.index <= applied_);
  if (meta.index <= log_.snapshot().index) return;
  log_.compact(meta);
  configs_.compact(meta);
}

void Core::offer_snapshot(PeerId peer, FollowerProgress& follower) {
  bool active = now_ - follower.contact < options_.election;
  if (!active || now_ < follower.snapshot_after) return;
  follower.snapshot_offered(applied_);
  send({.kind = MessageKind::snapshot, .to = peer, .snapshot = snapshot_meta(applied_)});
}

void Core::snapshot_sent(PeerId peer, bool ok, TimeNs now) {
  advance(now);
  auto it = followers_.find(peer);
  if (it == followers_.end()) return;
  if (!ok) it->second.snapshot_after = now_ + options_.election;
  it->second.snapshot_ended(ok);
  replicate_due_ = true;
}

// A snapshot that starts where our log agrees brings nothing, and installing it would cost us entries
// behind it that we have acknowledged.
bool Core::snapshot_wanted(const Message& offer) const {
  if (!offer.snapshot || offer.term < hard_.term || offer.to != options_.self) return false;
  const SnapshotMeta& meta = *offer.snapshot;
  bool have = log_.matches(meta.index, meta.term) && !ASPEN_MUTANT("raft-snapshot-cuts-log");
  return meta.index > commit_ && !have;
}

void Core::on_snapshot_offer(const Message& message) {
  if (!message.snapshot || !heard_from_leader(message) || snapshot_wanted(message)) return;
  // We have what it stands for, and it stands for committed entries only.
  commit_to(std::min(message.snapshot->index, log_.last_index()));
  send({.kind = MessageKind::append_reply, .to = message.from, .index = commit_});
}

void Core::snapshot_installed(const Message& offer, TimeNs now) {
  advance(now);
  ASPEN_ASSERT(offer.snapshot.has_value() && offer.snapshot->index > commit_);
  const SnapshotMeta& meta = *offer.snapshot;
  log_.reset(meta);
  configs_.reset(meta);
  disk_.reset(meta.index);
  commit_ = handed_out_ = applied_ = meta.index;
  own_proposals_.clear();
  catch_up_.reset();
  std::erase_if(promises_, [](const Message& m) { return m.kind == MessageKind::append_reply; });
  config_changed();
  if (offer.term < hard_.term || !heard_from_leader(offer)) return;
  send({.kind = MessageKind::append_reply, .to = offer.from, .index = meta.index});
}

void Core::unreachable(PeerId peer) {
  auto it = followers_.find(peer);
  if (it != followers_.end() && it->second.state() != FollowerProgress::State::snapshot) {
    it->second.probe(true);
  }
}

}  // namespace aspen::raft

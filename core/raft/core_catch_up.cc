// Catching up from several members at once.
//
// A follower that lacks many entries would have them all from the leader, over one link, from one machine
// that everybody writes through. But what is committed is the same everywhere. So the follower parts what it
// lacks up to the leader's commit index among the other members, asks each for its part, and puts the parts
// together in order. It tells the leader to wait meanwhile; the leader then sends one append with each
// heartbeat, and goes on by itself as soon as the follower says so.
//
//   leader ---append, commit 9000---> follower at 1000 ---fetch 1001..5000---> member A
//          <--has 1000, wait---------                  ---fetch 5001..9000---> member B
//
// What makes it safe: a member answers with entries up to its own commit index only, and only in the
// follower's term, so they are in the log of that term's leader (thesis 3.6.3), and an acknowledgement of
// them is true. What they replace in the follower's log cannot be committed. The parts have to chain: each
// begins after the index and term that the one before ends with, the first after an entry that the leader's
// append has just confirmed.
//
// A member that cannot answer, or a while without progress, ends it, and the leader brings the rest.
#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/mutant.h"
#include "core/raft/core.h"

namespace aspen::raft {

// After an append has confirmed our log up to `agreed`.
void Core::begin_catch_up(Index agreed, Index leader_commit) {
  if (catch_up_ || now_ < catch_up_after_ || leader_commit <= agreed) return;
  Index least = ASPEN_BUGGIFY("raft-catch-up-early") ? 2 : options_.catch_up_entries;
  Index missing = std::min<Index>(leader_commit - agreed, limits::kCatchUpEntriesMax);
  std::vector<PeerId> helpers;
  for (const Member& member : config().members) {
    if (member.peer != options_.self && member.peer != leader_) helpers.push_back(member.peer);
  }
  if (missing < least || helpers.empty()) return;
  catch_up_ = CatchUp{.progress = now_};
  Index each = missing / helpers.size() + 1;
  Index next = agreed + 1;
  for (PeerId helper : helpers) {
    if (next > agreed + missing) break;
    Index last = std::min(next + each - 1, agreed + missing);
    catch_up_->parts.push_back({.helper = helper, .next = next, .last = last});
    fetch(catch_up_->parts.back());
    next = last + 1;
  }
}

void Core::fetch(const CatchUp::Part& part) {
  send({.kind = MessageKind::fetch, .to = part.helper, .index = part.next - 1, .commit = part.last});
}

// Whoever is a member may have what is committed.
void Core::on_fetch(const Message& message) {
  if (config().find(message.from) == nullptr) return;
  Message reply{.kind = MessageKind::fetched, .to = message.from, .index = message.index};
  Index last = std::min(message.commit, commit_);
  if (ASPEN_MUTANT("raft-fetch-uncommitted")) last = std::min(message.commit, log_.last_index());
  std::optional<Term> previous = log_.term_at(message.index);
  if (previous && message.index < last) {
    reply.log_term = *previous;
    reply.entries = log_.slice(message.index + 1, last, options_.append_bytes_max);
  }
  send(std::move(reply));
}

void Core::on_fetched(const Message& message) {
  if (!catch_up_ || role_ != Role::follower) return;
  auto part = std::ranges::find(catch_up_->parts, message.from, &CatchUp::Part::helper);
  if (part == catch_up_->parts.end() || part->next != message.index + 1) return;
  bool chained = part->entries.empty() || part->entries.back()->term == message.log_term;
  if (message.entries.empty() || !chained) return end_catch_up();
  if (part->entries.empty()) part->first_term = message.log_term;
  for (const EntryPtr& entry : message.entries) {
    if (entry->index > part->last) break;
    catch_up_->bytes += entry->size_bytes();
    part->entries.push_back(entry);
    part->next = entry->index + 1;
  }
  catch_up_->progress = now_;
  if (part->next <= part->last) fetch(*part);
  put_together();
}

// Appends what has come and follows what we have.
void Core::put_together() {
  auto& parts = catch_up_->parts;
  bool news = false;
  while (!parts.empty() && !parts.front().entries.empty()) {
    news = true;
    CatchUp::Part& part = parts.front();
    std::vector<EntryPtr> entries = std::exchange(part.entries, {});
    bool follows = log_.matches(entries.front()->index - 1, part.first_term);
    if (!follows && !ASPEN_MUTANT("raft-fetched-not-matched")) return end_catch_up();
    for (const EntryPtr& entry : entries) catch_up_->bytes -= entry->size_bytes();
    if (!append_new(entries)) return end_catch_up();
    commit_to(entries.back()->index);
    if (part.next <= part.last) break;
    parts.pop_front();
  }
  if (catch_up_->bytes > limits::kCatchUpBytesMax) return end_catch_up();
  if (parts.empty()) catch_up_.reset();
  if (!news) return;
  send({.kind = MessageKind::append_reply, .to = leader_, .index = commit_, .wait = catch_up_.has_value()});
}

void Core::end_catch_up() {
  catch_up_.reset();
  catch_up_after_ = now_ + 10 * options_.election;
  send({.kind = MessageKind::append_reply, .to = leader_, .index = commit_});
}

}  // namespace aspen::raft

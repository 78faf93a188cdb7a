// A core's state in canonical form, for exhaustive exploration: see Core::encode_state.
#include <algorithm>

#include "core/base/assert.h"
#include "core/raft/core.h"

namespace aspen::raft {
namespace {

using Name = std::function<PeerId(PeerId)>;

// What a map keyed by peer holds, in the order of the new names.
template <typename Map, typename F>
void encode_by_peer(wire::Writer& writer, const Map& map, const Name& name, F encode_value) {
  std::map<PeerId, const typename Map::mapped_type*> renamed;
  for (const auto& [peer, value] : map) renamed[name(peer)] = &value;
  writer.u64(renamed.size());
  for (const auto& [peer, value] : renamed) {
    writer.u64(peer);
    encode_value(*value);
  }
}

}  // namespace

void Core::encode_state(wire::Writer& writer, TimeNs now, const Name& name) const {
  ASPEN_ASSERT(out_.empty() && promises_.empty() && !replicate_due_);
  auto ahead = [&](TimeNs at) { return std::max<TimeNs>(at - now, 0); };
  writer.u64(hard_.term);
  writer.u64(name(hard_.vote));
  writer.u8(static_cast<uint8_t>(role_));
  writer.u64(name(leader_));
  bool may_be_stale = role_ != Role::leader && leader_ != kNobody;
  writer.u64(may_be_stale ? std::min(now - timer_from_, options_.election) : 0);
  writer.u64(log_.snapshot().term);
  for (Index index : {log_.first_index(), log_.last_index(), commit_, handed_out_, applied_})
    writer.u64(index);
  for (Index index = log_.first_index(); index <= log_.last_index(); ++index) {
    encode_entry_state(writer, *log_.at(index), name);
  }
  disk_.encode_state(writer, name);
  encode_by_peer(writer, votes_, name, [&](bool granted) { writer.boolean(granted); });
  writer.u64(held_.size());
  for (const Held& held : held_) {
    writer.u64(disk_.age(held.token));
    encode_message_state(writer, held.message, name);
  }
  writer.u64(own_proposals_.size());
  for (const Proposals& own : own_proposals_) {
    for (uint64_t number : {own.term, own.first, own.last}) writer.u64(number);
  }
  writer.u64(ahead(promised_until_));
  writer.u64(asked_.size());
  for (const Asked& asked : asked_) {
    for (uint64_t number : {asked.id, asked.number}) writer.u64(number);
    writer.u64(std::min(now - asked.sent, options_.heartbeat));
  }
  writer.u64(ahead(catch_up_after_));
  writer.boolean(catch_up_.has_value());
  if (catch_up_) {
    writer.u64(std::min(now - catch_up_->progress, options_.election));
    for (const CatchUp::Part& part : catch_up_->parts) {
      for (uint64_t number : {name(part.helper), part.next, part.last, part.first_term}) writer.u64(number);
      for (const EntryPtr& entry : part.entries) encode_entry_state(writer, *entry, name);
    }
  }
  if (role_ != Role::leader) return;
  writer.boolean(handed_over_);
  writer.u64(sent_rounds_.size());
  for (const SentRound& sent : sent_rounds_) {
    writer.u64(sent.round);
    writer.u64(now - sent.at);
  }
  writer.u64(ahead(heartbeat_due_));
  writer.u64(term_start_);
  writer.u64(round_);
  writer.boolean(transfer_.has_value());
  if (transfer_) {
    writer.u64(name(transfer_->to));
    writer.u64(ahead(transfer_->deadline));
    writer.boolean(transfer_->sent);
  }
  writer.u64(reads_.size());
  for (const Read& read : reads_) {
    for (uint64_t number : {read.id, read.index, read.round, name(read.from)}) writer.u64(number);
  }
  encode_by_peer(writer, followers_, name, [&](const FollowerProgress& follower) {
    writer.u64(std::min(now - follower.contact, options_.election));
    writer.u64(ahead(follower.snapshot_after));
    writer.u64(ahead(follower.lease_until));
    follower.encode_state(writer);
  });
}

// Members are told apart by their peers; node keys and addresses decide nothing here.
void encode_entry_state(wire::Writer& writer, const Entry& entry, const Name& name) {
  writer.u64(entry.term);
  writer.u8(static_cast<uint8_t>(entry.kind));
  if (entry.kind != EntryKind::config) return writer.bytes(entry.data);
  Result<Config> config = decode_config(BytesView(entry.data));
  ASPEN_ASSERT(config.has_value());
  std::map<PeerId, uint8_t> roles;
  for (const Member& member : config->members) roles[name(member.peer)] = static_cast<uint8_t>(member.role);
  for (PeerId peer : config->outgoing) roles[name(peer)] |= 2;
  writer.u64(roles.size());
  for (const auto& [peer, role] : roles) {
    writer.u64(peer);
    writer.u8(role);
  }
}

void encode_message_state(wire::Writer& writer, const Message& message, const Name& name) {
  writer.u8(static_cast<uint8_t>(message.kind));
  writer.u64(name(message.from));
  writer.u64(name(message.to));
  for (uint64_t number : {message.term, message.index, message.log_term, message.commit, message.hint}) {
    writer.u64(number);
  }
  writer.boolean(message.reject);
  writer.boolean(message.transfer);
  writer.boolean(message.wait);
  writer.u64(message.round);
  writer.u64(static_cast<uint64_t>(message.promise));
  writer.u64(message.entries.size());
  for (const EntryPtr& entry : message.entries) encode_entry_state(writer, *entry, name);
  writer.u64(message.snapshot ? message.snapshot->index : 0);
  writer.u64(message.snapshot ? message.snapshot->term : 0);
}

}  // namespace aspen::raft

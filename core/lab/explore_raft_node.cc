#include "core/lab/explore_raft_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/assert.h"

namespace aspen::lab {

using raft::Entry;
using raft::EntryKind;
using raft::EntryPtr;
using raft::Index;
using raft::Message;
using raft::MessageKind;
using raft::Role;

namespace {

constexpr Index kFlushed = 1;  // the configuration; a restart applies what follows again

const char* name(MessageKind kind) {
  switch (kind) {
    case MessageKind::pre_vote:
      return "pre-vote request";
    case MessageKind::pre_vote_reply:
      return "pre-vote";
    case MessageKind::vote:
      return "vote request";
    case MessageKind::vote_reply:
      return "vote";
    case MessageKind::append:
      return "append";
    case MessageKind::append_reply:
      return "append reply";
    case MessageKind::heartbeat:
      return "heartbeat";
    case MessageKind::heartbeat_reply:
      return "heartbeat reply";
    case MessageKind::snapshot:
      return "snapshot offer";
    case MessageKind::timeout_now:
      return "order to campaign";
    case MessageKind::fetch:
      return "fetch";
    case MessageKind::fetched:
      return "fetched entries";
    case MessageKind::read_index:
      return "read request";
    case MessageKind::read_index_reply:
      return "read reply";
  }
  return "?";
}

const char* name(Role role) {
  switch (role) {
    case Role::follower:
      return "follower";
    case Role::pre_candidate:
      return "pre-candidate";
    case Role::candidate:
      return "candidate";
    case Role::leader:
      return "leader";
  }
  return "?";
}

// `1 2 2c`: the terms of a log's entries, commands marked.
template <typename Entries>
std::string terms(const Entries& entries) {
  std::string text;
  for (const EntryPtr& entry : entries) {
    text += fmt::format("{}{}{}", text.empty() ? "" : " ", entry->term,
                        entry->kind == EntryKind::command ? "c" : "");
  }
  return "[" + text + "]";
}

}  // namespace

RaftNode::RaftNode(PeerId self, raft::Durable disk)
    : disk_(std::move(disk)), core_(start(self, disk_)), applied_(kFlushed) {}

// One entry in an append, so that a log can be replicated in part. Two heartbeats without an answer end a
// reign.
raft::Core RaftNode::start(PeerId self, const raft::Durable& disk) {
  raft::Options options{.self = self, .heartbeat = 1, .election = 2, .append_bytes_max = 1};
  options.random = [] { return uint64_t{0}; };
  return raft::Core(std::move(options), disk, kFlushed, 0);
}

bool RaftNode::takes(RaftInputKind kind) const {
  bool leads = core_.role() == Role::leader;
  switch (kind) {
    case RaftInputKind::deliver:
    case RaftInputKind::timeout:
    case RaftInputKind::restart:
      return true;
    case RaftInputKind::propose:
      return leads;
  }
  return false;
}

std::vector<RaftNode::Outcome> RaftNode::step(RaftInputKind kind, const Message* message) const {
  std::vector<Outcome> outcomes;
  Outcome outcome(*this);
  RaftNode& node = outcome.node;
  try {
    node.input(kind, message);
    raft::Effects effects = node.take(outcome);
    while (effects.sync_token != 0) {
      Outcome lost = outcome;
      lost.node.restart();
      lost.crashed = true;
      outcomes.push_back(std::move(lost));
      node.sync(effects, outcome);
      effects = node.take(outcome);
    }
  } catch (const Panic& panic) {
    outcome.violation = panic.what();
  }
  outcomes.insert(outcomes.begin(), std::move(outcome));
  return outcomes;
}

void RaftNode::input(RaftInputKind kind, const Message* message) {
  switch (kind) {
    case RaftInputKind::deliver:
      if (message->kind == MessageKind::vote && core_.role() != Role::leader &&
          core_.leader() != raft::kNobody) {
        clock_ = std::max(clock_, core_.next_tick());
      }
      return core_.step(*message, clock_);
    case RaftInputKind::timeout:
      clock_ = std::max(clock_, core_.next_tick());
      core_.tick(clock_);
      return grant_pre_votes();
    case RaftInputKind::propose:
      (void)core_.propose({"c"}, 0, clock_);
      return;
    case RaftInputKind::restart:
      return restart();
  }
}

// The requests just made are lost, and the grants come from an earlier time: nothing rests on them.
void RaftNode::grant_pre_votes() {
  for (PeerId peer = 1; core_.role() == Role::pre_candidate; ++peer) {
    core_.step(
        {.kind = MessageKind::pre_vote_reply, .from = peer, .to = core_.self(), .term = core_.term() + 1},
        clock_);
  }
}

// The driver's turn, up to the sync.
raft::Effects RaftNode::take(Outcome& outcome) {
  Index known = outcome.committed.empty() ? outcome.commit_before : outcome.committed.back()->index;
  raft::Effects effects = core_.take_effects();
  for (Message& message : effects.messages) {
    if (message.kind != MessageKind::pre_vote) outcome.sent.push_back(std::move(message));
  }
  for (Index index = known + 1; index <= core_.commit(); ++index) {
    outcome.committed.push_back(core_.log().at(index));
  }
  for (const EntryPtr& entry : effects.committed) {
    bool durable = entry->index <= disk_.entries.size() && *disk_.entries[entry->index - 1] == *entry;
    if (entry->index != ++applied_ || entry->index > core_.commit() || !durable) {
      outcome.violation = fmt::format(
          "entry {} is applied out of order, before it is committed, or not on disk", entry->index);
    }
  }
  if (!effects.committed.empty()) core_.applied(applied_);
  outcome.led |= core_.role() == Role::leader;
  return effects;
}

void RaftNode::sync(raft::Effects& effects, Outcome& outcome) {
  if (effects.hard_state) disk_.hard_state = *effects.hard_state;
  if (effects.truncate_from != 0) disk_.entries.resize(effects.truncate_from - 1);
  for (EntryPtr& entry : effects.entries) {
    ASPEN_ASSERT(entry->index == disk_.entries.size() + 1);
    disk_.entries.push_back(std::move(entry));
  }
  std::ranges::move(effects.messages_after_sync, std::back_inserter(outcome.sent));
  core_.synced(effects.sync_token, clock_);
}

void RaftNode::restart() {
  clock_ = 0;
  applied_ = kFlushed;
  core_ = start(core_.self(), disk_);
}

Fingerprint RaftNode::fingerprint(const std::function<PeerId(PeerId)>& name) const {
  wire::Writer writer;
  writer.u64(name(core_.self()));
  core_.encode_state(writer, clock_, name);
  writer.u64(applied_);
  writer.u64(disk_.hard_state.term);
  writer.u64(name(disk_.hard_state.vote));
  writer.u64(disk_.entries.size());
  for (const EntryPtr& entry : disk_.entries) raft::encode_entry_state(writer, *entry, name);
  return lab::fingerprint(BytesView(writer.view()));
}

std::string RaftNode::describe() const {
  std::vector<EntryPtr> log;
  for (Index index = 1; index <= core_.last_index(); ++index) log.push_back(core_.log().at(index));
  return fmt::format("{} of term {}, log {}, committed {}", name(core_.role()), core_.term(), terms(log),
                     core_.commit());
}

std::string describe(const Message& m) {
  std::string text = fmt::format("{} of n{}, term {}", name(m.kind), m.from, m.term);
  if (m.reject) text += ", refused";
  bool has_position =
      m.kind == MessageKind::append || m.kind == MessageKind::vote || m.kind == MessageKind::pre_vote;
  if (has_position) text += fmt::format(", after {} of term {}", m.index, m.log_term);
  if (m.kind == MessageKind::append_reply) text += fmt::format(", up to {}", m.index);
  if (m.kind == MessageKind::append) text += fmt::format(", entries {}", terms(m.entries));
  if (m.commit != 0) text += fmt::format(", commit {}", m.commit);
  return text;
}

}  // namespace aspen::lab

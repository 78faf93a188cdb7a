#include "core/lab/explore_raft.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
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
using raft::Term;

namespace {

constexpr std::array kOwnInputs = {RaftInputKind::timeout, RaftInputKind::propose, RaftInputKind::restart};
constexpr size_t kFactsMax = 1u << 16;
constexpr uint8_t kNoReceiver = kRaftMembers;

// Two entries at one index are the same if this is.
uint64_t entry_id(const Entry& entry) {
  return entry.term * 4 + static_cast<uint64_t>(entry.kind);
}

raft::Durable disk_of(const std::vector<Term>& log, Term term) {
  raft::Config config;
  for (PeerId peer = 1; peer <= kRaftMembers; ++peer) {
    raft::Member member{.peer = peer, .address = fmt::format("n{}:1", peer), .role = raft::MemberRole::voter};
    member.node.key[0] = static_cast<uint8_t>(peer);
    config.members.push_back(std::move(member));
  }
  raft::Durable disk;
  auto append = [&](Term of, EntryKind kind, Bytes data) {
    disk.entries.push_back(std::make_shared<const Entry>(
        Entry{.index = disk.entries.size() + 1, .term = of, .kind = kind, .data = std::move(data)}));
  };
  append(1, EntryKind::config, encode(config));
  for (Term of : log) append(of, EntryKind::noop, {});
  disk.hard_state.term = std::max(term, disk.entries.back()->term);
  return disk;
}

bool has(const std::vector<uint64_t>& log, Index index, uint64_t entry) {
  return index <= log.size() && log[index - 1] == entry;
}

// Whether a voter with log `theirs` would vote for a candidate with log `ours` (thesis 3.6.1).
bool up_to_date(const std::vector<uint64_t>& ours, const std::vector<uint64_t>& theirs) {
  return std::pair(ours.back() / 4, ours.size()) >= std::pair(theirs.back() / 4, theirs.size());
}

bool is_vote_reply(const Message& message) {
  return message.kind == MessageKind::vote_reply || message.kind == MessageKind::pre_vote_reply;
}

bool is_reply(const Message& message) {
  return is_vote_reply(message) || message.kind == MessageKind::append_reply ||
         message.kind == MessageKind::heartbeat_reply;
}

// Into a sorted set; true when it is new.
bool insert(std::vector<uint16_t>& facts, uint16_t fact) {
  auto at = std::ranges::lower_bound(facts, fact);
  if (at != facts.end() && *at == fact) return false;
  facts.insert(at, fact);
  return true;
}

}  // namespace

RaftModel::RaftModel(RaftBounds bounds) : bounds_(std::move(bounds)) {
  std::array<PeerId, kRaftMembers + 1> names;
  std::iota(names.begin(), names.end(), 0);
  for (auto& renaming : renamings_) {
    renaming = names;
    std::next_permutation(names.begin() + 1, names.end());
  }
}

RaftModel::State RaftModel::initial() {
  State state;
  for (size_t i = 0; i < kRaftMembers; ++i) {
    state.members[i] = intern(RaftNode(i + 1, disk_of(bounds_.logs[i], bounds_.term)));
  }
  return state;
}

uint32_t RaftModel::pack(const Choice& choice) {
  return static_cast<uint32_t>(choice.fact) << 16 | static_cast<uint32_t>(choice.outcome) << 8 |
         static_cast<uint32_t>(choice.kind) << 4 | choice.member;
}

RaftModel::Choice RaftModel::unpack(uint32_t choice) {
  return {.member = static_cast<uint8_t>(choice & 0xf),
          .kind = static_cast<RaftInputKind>(choice >> 4 & 0xf),
          .outcome = static_cast<uint8_t>(choice >> 8),
          .fact = static_cast<uint16_t>(choice >> 16)};
}

uint32_t RaftModel::intern(const RaftNode& node) {
  Sums sums;
  for (size_t i = 0; i < kRenamings; ++i) {
    sums[i] = node.fingerprint([&](PeerId peer) { return renamings_[i][peer]; });
  }
  auto [it, fresh] = local_ids_.emplace(sums[0], locals_.size());
  if (!fresh) return it->second;
  Local local{.node = node, .sums = sums, .log = {}, .disk = {}};
  for (Index index = 1; index <= node.core().last_index(); ++index) {
    local.log.push_back(entry_id(*node.core().log().at(index)));
  }
  for (const EntryPtr& entry : node.disk().entries) local.disk.push_back(entry_id(*entry));
  locals_.push_back(std::move(local));
  return it->second;
}

Fingerprint RaftModel::fingerprint(const Fact& fact,
                                   const std::array<PeerId, kRaftMembers + 1>& names) const {
  wire::Writer writer;
  writer.u8(static_cast<uint8_t>(fact.kind));
  for (uint64_t number : {fact.term, names[fact.leader], fact.index, fact.entry}) writer.u64(number);
  if (fact.kind == FactKind::message) {
    encode_message_state(writer, fact.message, [&](PeerId peer) { return names[peer]; });
  }
  return lab::fingerprint(writer.view());
}

uint16_t RaftModel::intern(Fact fact) {
  for (size_t i = 0; i < kRenamings; ++i) fact.sums[i] = fingerprint(fact, renamings_[i]);
  auto [it, fresh] = fact_ids_.emplace(fact.sums[0], static_cast<uint16_t>(facts_.size()));
  if (!fresh) return it->second;
  ASPEN_ASSERT(facts_.size() < kFactsMax);
  bool sent = fact.kind == FactKind::message;
  receivers_.push_back(sent ? static_cast<uint8_t>(fact.message.to - 1) : kNoReceiver);
  facts_.push_back(std::move(fact));
  return it->second;
}

RaftModel::Step RaftModel::intern(RaftNode::Outcome outcome) {
  Step step{.crashed = outcome.crashed, .violation = std::move(outcome.violation)};
  if (!step.violation.empty()) return step;
  const raft::Core& core = outcome.node.core();
  for (Message& message : outcome.sent) {
    step.facts.push_back(intern({.kind = FactKind::message, .message = std::move(message)}));
  }
  if (outcome.led) {
    step.facts.push_back(intern({.kind = FactKind::reign, .term = core.term(), .leader = core.self()}));
  }
  for (const EntryPtr& entry : outcome.committed) {
    step.facts.push_back(intern({.kind = FactKind::commitment,
                                 .term = core.term(),
                                 .index = entry->index,
                                 .entry = entry_id(*entry)}));
  }
  std::ranges::sort(step.facts);
  auto same = std::ranges::unique(step.facts);
  step.facts.erase(same.begin(), same.end());
  step.local = intern(outcome.node);
  return step;
}

const std::vector<RaftModel::Step>& RaftModel::steps(uint32_t id, RaftInputKind kind, uint16_t fact) {
  Local& local = locals_[id];
  bool deliver = kind == RaftInputKind::deliver;
  if (deliver && local.delivered.size() <= fact) local.delivered.resize(fact + 1);
  std::vector<Step>& known = deliver ? local.delivered[fact] : local.steps[static_cast<size_t>(kind)];
  if (!known.empty()) return known;
  std::vector<Step> steps;
  for (RaftNode::Outcome& outcome : local.node.step(kind, deliver ? &facts_[fact].message : nullptr)) {
    steps.push_back(intern(std::move(outcome)));
  }
  return known = std::move(steps);
}

const RaftModel::Step& RaftModel::step(const State& state, const Choice& choice) {
  return steps(state.members[choice.member], choice.kind, choice.fact)[choice.outcome];
}

bool RaftModel::offers(const State& state, size_t member, RaftInputKind kind) const {
  const RaftNode& node = locals_[state.members[member]].node;
  if (!node.takes(kind)) return false;
  bool leads = node.core().role() == Role::leader;
  switch (kind) {
    case RaftInputKind::timeout:
      return leads ? bounds_.heartbeats
                   : node.core().term() < bounds_.terms_max && state.campaigns < bounds_.campaigns_max;
    case RaftInputKind::propose:
      return state.proposals < bounds_.proposals_max && node.core().last_index() < bounds_.entries_max;
    case RaftInputKind::restart:
      return state.crashes < bounds_.crashes_max;
    default:
      return true;
  }
}

Fingerprint RaftModel::fingerprint(const State& state) const {
  Sums sums;
  for (size_t i = 0; i < kRenamings; ++i) {
    sums[i] = {.high = state.campaigns, .low = state.crashes * 256u + state.proposals};
    for (uint32_t member : state.members) sums[i] += locals_[member].sums[i];
    for (uint16_t fact : state.facts) sums[i] += facts_[fact].sums[i];
  }
  return std::ranges::min(sums);
}

void RaftModel::expand(const State& state, std::vector<Successor<State>>& out) {
  for (uint16_t fact : state.facts) {
    if (receivers_[fact] == kNoReceiver) continue;
    expand(state, {receivers_[fact], RaftInputKind::deliver, 0, fact}, out);
  }
  for (uint8_t member = 0; member < kRaftMembers; ++member) {
    for (RaftInputKind kind : kOwnInputs) {
      if (offers(state, member, kind)) expand(state, {member, kind, 0, 0}, out);
    }
    Term term = 0;
    for (uint32_t other : state.members) term = std::max(term, locals_[other].node.disk().hard_state.term);
    if (locals_[state.members[member]].node.core().term() >= term) continue;
    PeerId from = member == 0 ? 2 : 1;
    Message news{
        .kind = MessageKind::vote_reply, .from = from, .to = member + 1u, .term = term, .reject = true};
    uint16_t fact = intern({.kind = FactKind::message, .message = std::move(news)});
    expand(state, {member, RaftInputKind::deliver, 0, fact}, out);
  }
}

void RaftModel::expand(const State& state, Choice choice, std::vector<Successor<State>>& out) {
  uint32_t before = state.members[choice.member];
  const std::vector<Step>& outcomes = steps(before, choice.kind, choice.fact);
  for (; choice.outcome < outcomes.size(); ++choice.outcome) {
    const Step& step = outcomes[choice.outcome];
    if (step.crashed && state.crashes == bounds_.crashes_max) continue;
    bool changes =
        step.local != before || !step.violation.empty() || !std::ranges::includes(state.facts, step.facts);
    if (changes) out.push_back({pack(choice), after(state, choice, step), step.violation});
  }
}

RaftModel::State RaftModel::apply(const State& state, uint32_t packed) {
  Choice choice = unpack(packed);
  return after(state, choice, step(state, choice));
}

RaftModel::State RaftModel::after(const State& state, const Choice& choice, const Step& step) {
  State next = state;
  if (!step.violation.empty()) return next;
  next.members[choice.member] = step.local;
  bool campaigns = choice.kind == RaftInputKind::timeout &&
                   locals_[state.members[choice.member]].node.core().role() != Role::leader;
  next.crashes += step.crashed || choice.kind == RaftInputKind::restart ? 1 : 0;
  next.proposals += choice.kind == RaftInputKind::propose ? 1 : 0;
  next.campaigns += campaigns ? 1 : 0;
  for (uint16_t fact : step.facts) insert(next.facts, fact);
  saturate(next);
  return next;
}

// Delivers what only brings an answer, until nothing new comes of it; forgets what cannot mean anything any
// more.
void RaftModel::saturate(State& state) {
  std::erase_if(state.facts, [&](uint16_t fact) { return dead(state, fact); });
  for (size_t i = 0; i < state.facts.size(); ++i) {
    uint16_t fact = state.facts[i];
    if (receivers_[fact] == kNoReceiver || !is_idle(state, fact)) continue;
    bool news = false;
    for (uint16_t answer : steps(state.members[receivers_[fact]], RaftInputKind::deliver, fact)[0].facts) {
      news |= !dead(state, answer) && insert(state.facts, answer);
    }
    if (news) i = static_cast<size_t>(-1);
  }
}

// Whether its receiver stays as it is when the message arrives.
bool RaftModel::is_idle(const State& state, uint16_t fact) {
  uint32_t receiver = state.members[receivers_[fact]];
  const std::vector<Step>& outcomes = steps(receiver, RaftInputKind::deliver, fact);
  return outcomes.size() == 1 && outcomes[0].local == receiver && outcomes[0].violation.empty();
}

bool RaftModel::dead(const State& state, uint16_t fact) {
  if (facts_[fact].kind == FactKind::reign) return false;
  if (facts_[fact].kind == FactKind::commitment) {
    return std::ranges::any_of(state.facts, [&](uint16_t other) {
      const Fact& known = facts_[other];
      return known.kind == FactKind::commitment && known.index == facts_[fact].index &&
             known.entry == facts_[fact].entry && known.term < facts_[fact].term;
    });
  }
  const Message& message = facts_[fact].message;
  const RaftNode& receiver = locals_[state.members[receivers_[fact]]].node;
  Term durable = receiver.disk().hard_state.term;
  if (message.term > durable) return is_reply(message) && message.reject;
  if (message.term < durable) return is_idle(state, fact);
  if (!is_reply(message)) return false;
  const raft::Core& core = receiver.core();
  bool counts = core.role() == Role::candidate || (core.role() == Role::leader && !is_vote_reply(message));
  return (core.term() > message.term || !counts) && is_idle(state, fact);
}

std::string RaftModel::check(const State& state) const {
  std::vector<const Fact*> reigns;
  std::vector<const Fact*> commitments;
  for (uint16_t id : state.facts) {
    const Fact& fact = facts_[id];
    if (fact.kind == FactKind::reign) reigns.push_back(&fact);
    if (fact.kind == FactKind::commitment) commitments.push_back(&fact);
  }
  for (const Fact* a : reigns) {
    for (const Fact* b : reigns) {
      if (a->term == b->term && a->leader != b->leader) {
        return fmt::format("two leaders in term {}: n{} and n{}", a->term, a->leader, b->leader);
      }
    }
  }
  for (const Fact* a : commitments) {
    for (const Fact* b : commitments) {
      if (a->index == b->index && a->entry != b->entry) {
        return fmt::format("entry {} was committed twice, differently", a->index);
      }
    }
    std::string violation = check_commitment(state, *a);
    if (!violation.empty()) return violation;
  }
  return check_logs(state);
}

// What was committed is safe: on a majority of disks, in the logs of later leaders, and nobody who misses it
// could be elected.
std::string RaftModel::check_commitment(const State& state, const Fact& fact) const {
  size_t copies = 0;
  for (size_t i = 0; i < kRaftMembers; ++i) {
    const Local& member = locals_[state.members[i]];
    const raft::Core& core = member.node.core();
    if (core.role() == Role::leader && core.term() >= fact.term && !has(member.log, fact.index, fact.entry)) {
      return fmt::format("n{}, the leader of term {}, misses entry {}, committed in term {}", i + 1,
                         core.term(), fact.index, fact.term);
    }
    if (has(member.disk, fact.index, fact.entry)) {
      ++copies;
      continue;
    }
    size_t votes = std::ranges::count_if(
        state.members, [&](uint32_t voter) { return up_to_date(member.disk, locals_[voter].disk); });
    if (votes * 2 > kRaftMembers) {
      return fmt::format("n{} could be elected and misses entry {}, committed in term {}", i + 1, fact.index,
                         fact.term);
    }
  }
  if (copies * 2 > kRaftMembers) return "";
  return fmt::format("entry {} is committed but not on a majority of disks", fact.index);
}

// Log matching: two logs that agree on the term at an index agree on everything up to it.
std::string RaftModel::check_logs(const State& state) const {
  for (size_t i = 0; i < kRaftMembers; ++i) {
    const auto& a = locals_[state.members[i]].log;
    const auto& b = locals_[state.members[(i + 1) % kRaftMembers]].log;
    size_t index = std::min(a.size(), b.size());
    while (index > 0 && a[index - 1] / 4 != b[index - 1] / 4) --index;
    if (std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(index), b.begin())) continue;
    return fmt::format("the logs of n{} and n{} agree at {} but not before", i + 1,
                       (i + 1) % kRaftMembers + 1, index);
  }
  return "";
}

std::string RaftModel::describe(const State& state, uint32_t packed) {
  Choice choice = unpack(packed);
  std::string text = fmt::format("n{}: ", choice.member + 1);
  switch (choice.kind) {
    case RaftInputKind::deliver:
      text += "gets " + lab::describe(facts_[choice.fact].message);
      break;
    case RaftInputKind::timeout:
      text += locals_[state.members[choice.member]].node.core().role() == Role::leader ? "heartbeat is due"
                                                                                       : "times out";
      break;
    case RaftInputKind::propose:
      text += "a command is proposed";
      break;
    case RaftInputKind::restart:
      text += "crashes and starts again";
      break;
  }
  const Step& taken = step(state, choice);
  if (taken.crashed) text += "; crashes before the sync and starts again";
  if (!taken.violation.empty()) return text;
  return text + " -> " + locals_[taken.local].node.describe();
}

std::string RaftModel::describe(const State& state) const {
  std::string text = "in the end:";
  for (size_t i = 0; i < kRaftMembers; ++i) {
    text += fmt::format("\n      n{}: {}", i + 1, locals_[state.members[i]].node.describe());
  }
  return text;
}

RaftModel::Coverage RaftModel::coverage() const {
  Coverage coverage{.local_states = locals_.size()};
  for (const Fact& fact : facts_) {
    if (fact.kind == FactKind::message) ++coverage.messages;
    if (fact.kind == FactKind::reign) coverage.leader_term = std::max(coverage.leader_term, fact.term);
    if (fact.kind == FactKind::commitment) coverage.committed = std::max(coverage.committed, fact.index);
  }
  return coverage;
}

std::string RaftModel::compare_with_real(const std::vector<uint32_t>& choices) {
  State state = initial();
  std::vector<RaftNode> real;
  for (uint32_t member : state.members) real.push_back(locals_[member].node);
  for (uint32_t packed : choices) {
    Choice choice = unpack(packed);
    bool deliver = choice.kind == RaftInputKind::deliver;
    auto outcomes = real[choice.member].step(choice.kind, deliver ? &facts_[choice.fact].message : nullptr);
    std::string text = describe(state, packed);
    if (outcomes.size() <= choice.outcome) return "other outcomes: " + text;
    real[choice.member] = outcomes[choice.outcome].node;
    Step truth = intern(std::move(outcomes[choice.outcome]));
    const Step& known = step(state, choice);
    if (truth.local != known.local || truth.facts != known.facts) return "another outcome: " + text;
    state = apply(state, packed);
  }
  return "";
}

}  // namespace aspen::lab

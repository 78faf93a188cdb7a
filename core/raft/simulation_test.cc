// Random runs of a whole group: seeded message loss, duplication, reordering and partitions, disks that
// finish writes late and lose what was not synced, crashes, membership changes, transfers, snapshots. After
// every step oracles check what Raft promises (thesis figure 3.2) and what core.h adds to it.
//
// A failure names its seed; ASPEN_SEED=n runs that one alone, ASPEN_SEEDS=n that many.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "core/raft/test_node.h"
#include "core/raft/test_oracles.h"

namespace aspen::raft {
namespace {

using testing::entry;
using testing::member;
using testing::Oracles;
using testing::TestNode;
using testing::voters;

constexpr PeerId kPeers = 5;
constexpr int kSteps = 4000;
constexpr int kDriftPercent = 10;  // far more than any clock's, so that leases end at different times

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed) {
    lease_ = seed % 2 == 0;
    choose_actions();
    PeerId voters_max = seed % 3 == 0 ? 3 : 5;
    // Small windows and messages, so that every limit is met.
    for (PeerId id = 1; id <= kPeers; ++id) {
      Options options{.self = id,
                      .append_bytes_max = seed % 2 == 0 ? 1 : 100 * (seed % 4),
                      .appends_in_flight_max = 1 + seed % 5,
                      .appends_in_flight_bytes_max = seed % 7 == 0 ? 100u : 0u,
                      .catch_up_entries = seed % 3 == 0 ? 4u : 0u,
                      .proposals_bytes_max = 2000,
                      .lease_reads = lease_,
                      .clock_drift_ppm_max = kDriftPercent * 10'000,
                      .random = [this] { return random_(); }};
      Durable disk;
      if (id <= voters_max) {
        Config config = voters_max == 3 ? voters({1, 2, 3}) : voters({1, 2, 3, 4, 5});
        disk.hard_state.term = 1;
        disk.entries = {entry(1, 1, encode(config), EntryKind::config)};
      }
      auto state = disk.entries;
      nodes_.emplace(id, TestNode(options, std::move(disk), std::move(state))).first->second.start(0);
    }
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      act();
      settle();
      if (i % 64 == 0) compare_logs();
    }
  }

  // With every fault healed the group must elect a leader and commit on everybody in its configuration.
  void heal_and_check_progress() {
    cut_.clear();
    for (auto& [id, node] : nodes_) {
      if (!node.up()) start(node);
    }
    faults_ = false;
    uint64_t proposed = 0;
    for (int i = 0; i < 3000 && !::testing::Test::HasFailure(); ++i) {
      pass_time(5 * kMillisecond);
      settle();
      for (int n = 40; n > 0 && (!network_.empty() || unsynced()); --n) {
        for (auto& [id, node] : nodes_) {
          while (!node.writes.empty()) sync(node);
        }
        for (size_t k = network_.size(); k > 0; --k) deliver(0);
        settle();
      }
      TestNode* leader = current_leader();
      if (leader == nullptr) continue;
      const Config& config = leader->core->config();
      if (proposed == 0 || leader->core->term() != proposed_term_) {
        auto index = leader->core->propose({"last"}, 0, time(*leader));
        if (!index) continue;
        oracles_.proposed(leader->id(), *index, 1, leader->core->term());
        proposed = *index;
        proposed_term_ = leader->core->term();
      }
      bool done = !config.joint();
      for (const Member& m : config.members) done &= nodes_.at(m.peer).applied() >= proposed;
      if (done) return compare_logs();
    }
    ADD_FAILURE() << "no progress after every fault was healed";
  }

  const Oracles& oracles() const { return oracles_; }
  int snapshots() const { return snapshots_; }
  int changes() const { return changes_; }
  int fetches() const { return fetches_; }
  int lease_reads() const { return lease_reads_; }

 private:
  struct Snapshot {
    Message offer;
    std::vector<EntryPtr> state;
  };

  TimeNs time(const TestNode& node) { return clocks_[node.id()]; }
  void start(TestNode& node) { node.start(time(node)); }
  void start_all() {
    for (auto& [id, node] : nodes_) {
      if (!node.up()) start(node);
    }
  }
  size_t below(size_t n) { return random_() % n; }
  bool chance(size_t percent) { return below(100) < percent; }
  TestNode& any() { return nodes_.at(1 + below(kPeers)); }

  TestNode* current_leader() {
    TestNode* best = nullptr;
    for (auto& [id, node] : nodes_) {
      if (!node.up() || node.core->role() != Role::leader) continue;
      if (best == nullptr || node.core->term() > best->core->term()) best = &node;
    }
    return best;
  }

  TestNode& leader_or_any() {
    std::vector<TestNode*> leaders;  // also those that do not know yet that they were deposed
    for (auto& [id, node] : nodes_) {
      if (node.up() && node.core->role() == Role::leader) leaders.push_back(&node);
    }
    return leaders.empty() || chance(10) ? any() : *leaders[below(leaders.size())];
  }

  struct Action {
    size_t weight;
    std::function<void()> act;
  };

  // Every seed has its own mix: some faults often, some never (swarm testing: a run that does everything
  // never gets far enough in any one direction).
  void choose_actions() {
    size_t pace = std::array{20, 40, 80, 150}[below(4)];  // how much time passes, so how often leaders change
    auto mixed = [&](size_t weight) { return weight * std::array{0, 1, 1, 4}[below(4)]; };
    auto on = [&](TestNode& (Simulation::*pick)(), auto f) {
      return [this, pick, f] { with_up((this->*pick)(), f); };
    };
    constexpr auto kAny = &Simulation::any;
    constexpr auto kLeader = &Simulation::leader_or_any;
    actions_ = {
        {150, [this, pace] { pass_time(static_cast<DurationNs>(below(pace)) * kMillisecond); }},
        {400 + mixed(100), [this] { deliver_some(); }},
        {300 + mixed(50), on(kAny, [this](TestNode& node) { sync_some(node); })},
        {60 + mixed(20), on(kLeader, [this](TestNode& node) { propose(node); })},
        {20 + mixed(20), on(kLeader, [this](TestNode& node) { read(node); })},
        {mixed(6), [this] { crash_or_start(any()); }},
        {mixed(12), [this] { crash_or_start(leader_or_any()); }},
        {mixed(15), on(kAny, [this](TestNode& node) { compact(node); })},
        {mixed(15), on(kLeader, [this](TestNode& node) { change_members(node); })},
        {mixed(5), on(kLeader, [this](TestNode& node) { transfer(node); })},
        {mixed(6), [this] { partition(); }},
        {mixed(6), [this] { isolate(leader_or_any()); }},
        {mixed(8), [this] { skirmish(any()); }},
        {5 + mixed(10), [this] { cut_.clear(); }},
        {mixed(5), on(kAny, [this](TestNode& node) { node.core->unreachable(1 + below(kPeers)); })},
        {20, [this] { finish_snapshot(); }},
        {30, [this] { start_all(); }},
    };
    for (const Action& action : actions_) weights_ += action.weight;
  }

  void act() {
    size_t dice = below(weights_);
    for (const Action& action : actions_) {
      if (dice < action.weight) return action.act();
      dice -= action.weight;
    }
  }

  template <typename F>
  void with_up(TestNode& node, F f) {
    if (node.up()) f(node);
  }

  void pass_time(DurationNs duration) {
    // A node that is paused is a process that does not get to run: its leader does not notice that it was
    // deposed. Its clock may stand still too, as a monotonic clock may, unless leases rest on it.
    for (auto& [id, node] : nodes_) {
      bool paused = faults_ && paused_.contains(id);
      if (!paused || lease_) advance_clock(id, duration);
      if (paused) continue;
      if (node.up() && node.core->next_tick() <= clocks_[id]) node.core->tick(clocks_[id]);
    }
    if (chance(3)) paused_.clear();
    if (chance(3)) paused_.insert(1 + below(kPeers));
  }

  // Under leases at a rate of each node's own: the fastest and the slowest that the options allow are among
  // them.
  void advance_clock(PeerId id, DurationNs duration) {
    constexpr std::array<DurationNs, kPeers> kGains = {-kDriftPercent, kDriftPercent, 0, kDriftPercent,
                                                       -kDriftPercent};
    clocks_[id] += lease_ ? duration / 100 * (100 + kGains[id - 1]) : duration;
  }

  // Mostly the oldest, so that the group gets something done.
  void deliver_some() {
    for (size_t n = 1 + below(12); n > 0 && !network_.empty(); --n) {
      deliver(chance(75) ? 0 : below(network_.size()));
      if (chance(50)) settle();
    }
  }

  void deliver(size_t at) {
    if (network_.empty()) return;
    Message message = network_[at];
    bool duplicate = faults_ && chance(5);
    if (!duplicate) network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(at));
    TestNode& to = nodes_.at(message.to);
    if (!to.up() || cut_.contains({message.from, message.to}) || (faults_ && chance(5))) return;
    // As bytes, so that the codec sees what the core says.
    Result<Message> decoded = decode_message(encode(message));
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    to.core->step(*std::move(decoded), time(to));
  }

  void sync(TestNode& node) {
    if (node.writes.empty()) return;
    send(node, node.sync_one(time(node)));
  }

  void sync_some(TestNode& node) {
    for (size_t n = 1 + below(3); n > 0; --n) sync(node);
  }

  void propose(TestNode& node) {
    std::vector<Bytes> commands;
    for (size_t n = 1 + below(3); n > 0; --n) commands.push_back(Bytes(below(60), 'a'));
    size_t count = commands.size();
    auto wall = static_cast<WallNs>(below(1000));  // a clock that jumps
    if (auto first = node.core->propose(std::move(commands), wall, time(node))) {
      oracles_.proposed(node.id(), *first, count, node.core->term());
    }
  }

  void read(TestNode& node) {
    Index before = oracles_.committed();
    for (auto& [id, other] : nodes_) {
      if (other.up()) before = std::max(before, other.core->commit());
    }
    oracles_.read_asked(++read_id_, before);
    if (chance(50)) {
      if (auto index = node.core->lease_read(time(node))) {
        ++lease_reads_;
        return oracles_.read_ready({read_id_, *index});
      }
    }
    if (chance(50)) return node.core->read_index(read_id_, time(node));
    TestNode& other = any();  // wherever a client is
    if (other.up()) other.core->read_from_leader(read_id_, time(other));
  }

  void crash_or_start(TestNode& node) {
    if (!node.up()) return start(node);
    node.crash(below(node.writes.size() + 1));
    for (auto it = snapshots_in_flight_.begin(); it != snapshots_in_flight_.end();) {
      it = it->offer.from == node.id() || it->offer.to == node.id() ? drop_snapshot(it) : std::next(it);
    }
  }

  void compact(TestNode& node) {
    node.flushed = std::max(node.flushed, node.applied() - below(4) * node.applied() / 4);
    if (node.writes.empty() && node.flushed >= node.core->first_index()) {
      node.compact(node.flushed - below(node.flushed - node.core->first_index() + 1));
    }
  }

  void transfer(TestNode& node) {
    static_cast<void>(node.core->transfer_leadership(chance(50) ? kNobody : 1 + below(kPeers), time(node)));
  }

  void change_members(TestNode& leader) {
    std::vector<Member> members;
    if (chance(50)) {  // one voter more, or one less: changes without a joint configuration
      PeerId toggled = 1 + below(kPeers);
      members = leader.core->config().members;
      if (std::erase_if(members, [&](const Member& m) { return m.peer == toggled; }) == 0) {
        members.push_back(member(toggled));
      }
      return change_members(leader, members);
    }
    for (PeerId id = 1; id <= kPeers; ++id) {
      if (chance(70)) members.push_back(member(id, chance(75) ? MemberRole::voter : MemberRole::learner));
    }
    change_members(leader, members);
  }

  void change_members(TestNode& leader, const std::vector<Member>& members) {
    if (auto index = leader.core->propose_config(members, 0, time(leader))) {
      ++changes_;
      oracles_.proposed(leader.id(), *index, 1, leader.core->term());
    }
  }

  void partition() {
    size_t sides = below(1 << kPeers);
    for (PeerId a = 1; a <= kPeers; ++a) {
      for (PeerId b = 1; b <= kPeers; ++b) {
        bool apart = (sides >> (a - 1) & 1) != (sides >> (b - 1) & 1);
        if (apart && chance(90)) cut_.insert({a, b});  // some links stay open, perhaps one way
      }
    }
  }

  // The group falls apart, and one part has just the time to elect `candidate` and to copy a little: how
  // logs come to differ in the ways of the thesis' figures 3.6 and 3.7.
  void skirmish(TestNode& candidate) {
    size_t part = below(1 << kPeers) | size_t{1} << (candidate.id() - 1);
    auto inside = [&](PeerId peer) { return (part >> (peer - 1) & 1) != 0; };
    cut_.clear();
    for (PeerId a = 1; a <= kPeers; ++a) {
      if (inside(a) || lease_) advance_clock(a, kSecond);
      for (PeerId b = 1; b <= kPeers; ++b) {
        if (!inside(a) || !inside(b)) cut_.insert({a, b});
      }
    }
    if (candidate.up()) candidate.core->tick(time(candidate));
    for (size_t n = below(60); n > 0; --n) {
      settle();
      deliver(0);
      with_up(any(), [&](TestNode& node) { sync(node); });
    }
    with_up(candidate, [&](TestNode& node) { propose(node); });
  }

  void isolate(TestNode& node) {
    for (PeerId other = 1; other <= kPeers; ++other) {
      cut_.insert({node.id(), other});
      cut_.insert({other, node.id()});
    }
    if (chance(50)) paused_.insert(node.id());
  }

  void send(TestNode& node, std::vector<Message> messages) {
    for (Message& message : messages) {
      Oracles::sent(node, message);
      if (message.kind == MessageKind::fetched && !message.entries.empty()) ++fetches_;
      if (message.kind != MessageKind::snapshot) {
        network_.push_back(std::move(message));
        continue;
      }
      message.snapshot = node.core->snapshot_meta(node.applied());
      snapshots_in_flight_.push_back({std::move(message), node.state});
    }
    // The oldest go first when nobody delivers.
    while (network_.size() > 300) network_.erase(network_.begin());
  }

  std::deque<Snapshot>::iterator drop_snapshot(std::deque<Snapshot>::iterator it) {
    TestNode& from = nodes_.at(it->offer.from);
    if (from.up()) from.core->snapshot_sent(it->offer.to, false, time(from));
    return snapshots_in_flight_.erase(it);
  }

  void finish_snapshot() {
    if (snapshots_in_flight_.empty()) return;
    auto it = snapshots_in_flight_.begin() + static_cast<std::ptrdiff_t>(below(snapshots_in_flight_.size()));
    const Message& offer = it->offer;
    TestNode& from = nodes_.at(offer.from);
    TestNode& to = nodes_.at(offer.to);
    bool lost = cut_.contains({offer.from, offer.to}) || (faults_ && chance(20));
    if (!to.up() || !from.up() || lost) return static_cast<void>(drop_snapshot(it));
    to.core->step(offer, time(to));
    settle(to);
    if (!to.core->snapshot_wanted(offer)) return static_cast<void>(drop_snapshot(it));
    while (!to.writes.empty()) {
      sync(to);
      settle(to);
    }
    if (!to.core->snapshot_wanted(offer)) return static_cast<void>(drop_snapshot(it));
    to.install(offer, it->state, time(to));
    ++snapshots_;
    from.core->snapshot_sent(offer.to, chance(80), time(from));  // the word of it may be lost
    snapshots_in_flight_.erase(it);
  }

  bool unsynced() const {
    return std::ranges::any_of(nodes_, [](const auto& item) { return !item.second.writes.empty(); });
  }

  void settle() {
    if (!faults_) {
      while (!snapshots_in_flight_.empty()) finish_snapshot();
    }
    for (auto& [id, node] : nodes_) {
      if (node.up()) settle(node);
    }
  }

  // Everything a turn of the driver does, and the oracles' look at it.
  void settle(TestNode& node) {
    Core& core = *node.core;
    if (core.role() == Role::leader) {
      oracles_.leader_seen(node);
      oracles_.commit_advanced(node, nodes_);
    }
    while (core.has_effects()) {
      Effects effects = core.take_effects();
      for (Index index : effects.proposals_dropped) oracles_.dropped(node.id(), index);
      oracles_.applied(node, effects.committed);
      for (const auto& read : effects.reads_ready) oracles_.read_ready(read);
      send(node, std::move(effects.messages));
      ASSERT_TRUE(effects.sync_token != 0 || effects.messages_after_sync.empty());
      node.keep(effects);
    }
  }

  void compare_logs() {
    for (auto& [a, x] : nodes_) {
      for (auto& [b, y] : nodes_) {
        if (a < b && x.up() && y.up()) Oracles::logs_match(*x.core, *y.core);
      }
    }
  }

  std::mt19937_64 random_;
  std::vector<Action> actions_;
  size_t weights_ = 0;
  std::map<PeerId, TimeNs> clocks_;
  std::set<PeerId> paused_;
  std::map<PeerId, TestNode> nodes_;
  std::deque<Message> network_;
  std::deque<Snapshot> snapshots_in_flight_;
  std::set<std::pair<PeerId, PeerId>> cut_;  // from, to
  bool faults_ = true;
  Oracles oracles_;
  bool lease_ = false;
  uint64_t read_id_ = 0;
  Term proposed_term_ = 0;
  int snapshots_ = 0;
  int changes_ = 0;
  int lease_reads_ = 0;
  int fetches_ = 0;
};

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Simulation, KeepsEveryPromise) {
  uint64_t only = number_from_environment("ASPEN_SEED", 0);
  uint64_t first = only != 0 ? only : 1;
  uint64_t last = only != 0 ? only : number_from_environment("ASPEN_SEEDS", 400);
  int elections = 0, reads = 0, drops = 0, snapshots = 0, changes = 0, lease_reads = 0, fetches = 0;
  Index committed = 0;
  for (uint64_t seed = first; seed <= last; ++seed) {
    Simulation simulation(seed);
    std::string panicked;
    try {
      simulation.run(kSteps);
      simulation.heal_and_check_progress();
    } catch (const Panic& panic) {
      panicked = panic.what();
    }
    EXPECT_EQ(panicked, "");
    ASSERT_FALSE(HasFailure()) << "ASPEN_SEED=" << seed;
    elections += simulation.oracles().elections;
    reads += simulation.oracles().reads;
    drops += simulation.oracles().drops;
    committed += simulation.oracles().committed();
    snapshots += simulation.snapshots();
    changes += simulation.changes();
    lease_reads += simulation.lease_reads();
    fetches += simulation.fetches();
  }
  fmt::print(
      "{} elections, {} entries committed, {} reads ({} by lease), {} proposals dropped, {} snapshots, {} "
      "changes\n",
      elections, committed, reads, lease_reads, drops, snapshots, changes);
  if (only != 0) return;
  // A run in which nothing happens proves nothing.
  EXPECT_GT(elections, 100);
  EXPECT_GT(committed, 1000u);
  EXPECT_GT(reads, 100);
  EXPECT_GT(lease_reads, 100);
  EXPECT_GT(fetches, 100);
  EXPECT_GT(drops, 50);
  EXPECT_GT(snapshots, 50);
  EXPECT_GT(changes, 100);
}

}  // namespace
}  // namespace aspen::raft

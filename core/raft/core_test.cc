// What the scripts in testdata/ and the simulation do not say as well: bounds, refusals, clocks.
#include "core/raft/core.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/raft/test_node.h"

namespace aspen::raft {
namespace {

using testing::entry;
using testing::member;
using testing::TestNode;
using testing::voters;

Options options_of(PeerId self) {
  return {.self = self, .random = [] { return 0; }};
}

TEST(Core, ASingleVoterServesOnceItsOwnVoteIsSynced) {
  TestNode node(options_of(1), {}, {});
  node.start(0);
  EXPECT_EQ(node.core->next_tick(), kNever);
  node.core->bootstrap(member(1), 77, 0);
  Effects effects = node.core->take_effects();
  ASSERT_NE(effects.sync_token, 0u);
  EXPECT_EQ(effects.hard_state, (HardState{1, 1}));
  EXPECT_EQ(effects.entries.size(), 1u);
  EXPECT_EQ(node.core->role(), Role::candidate);
  node.keep(effects);
  node.sync_one(1);
  EXPECT_EQ(node.core->role(), Role::leader);
  EXPECT_EQ(node.core->config(), voters({1}));

  effects = node.core->take_effects();  // its noop
  node.keep(effects);
  node.sync_one(2);
  effects = node.core->take_effects();
  node.keep(effects);
  EXPECT_EQ(node.applied(), 2u);

  EXPECT_EQ(node.core->propose({"a"}, 5, 3).value(), 3u);
  node.core->read_index(9, 3);
  effects = node.core->take_effects();
  ASSERT_EQ(effects.reads_ready.size(), 1u);
  EXPECT_EQ(effects.reads_ready[0].index, 2u);
  EXPECT_TRUE(effects.committed.empty());
  EXPECT_EQ(effects.entries[0]->time, 77);  // the clock jumped back, the log's time did not
  node.keep(effects);
  node.sync_one(4);
  effects = node.core->take_effects();
  ASSERT_EQ(effects.committed.size(), 1u);
  EXPECT_EQ(effects.committed[0]->data, "a");
}

TEST(Core, ASingleVotersReadIsServedAlsoWhenAHeartbeatIsDueBefore) {
  TestNode node(options_of(1), {}, {});
  node.start(0);
  node.core->bootstrap(member(1), 77, 0);
  for (TimeNs now = 1; node.core->has_effects(); ++now) {
    Effects effects = node.core->take_effects();
    bool writes = effects.sync_token != 0;
    node.keep(effects);
    if (writes) node.sync_one(now);
  }
  ASSERT_EQ(node.core->role(), Role::leader);
  node.core->read_index(9, 10);
  node.core->tick(kSecond);
  Effects effects = node.core->take_effects();
  ASSERT_EQ(effects.reads_ready.size(), 1u);
  EXPECT_EQ(effects.reads_ready[0].id, 9u);
}

// Whenever it was elected: leaders on one clock speak at the same moments.
TEST(Core, HeartbeatsAreDueAtTheMultiplesOfTheirInterval) {
  TestNode node(options_of(1), {}, {});
  node.start(0);
  node.core->bootstrap(member(1), 77, 37 * kMillisecond);
  Effects effects = node.core->take_effects();
  node.keep(effects);
  node.sync_one(37 * kMillisecond);
  ASSERT_EQ(node.core->role(), Role::leader);
  EXPECT_EQ(node.core->next_tick(), 50 * kMillisecond);
  node.core->tick(50 * kMillisecond);
  EXPECT_EQ(node.core->next_tick(), 100 * kMillisecond);
  node.core->tick(133 * kMillisecond);
  EXPECT_EQ(node.core->next_tick(), 150 * kMillisecond);
}

// Three members, every message delivered in order, every write synced at once.
class Trio : public ::testing::Test {
 protected:
  Trio() {
    for (PeerId id : {1, 2, 3}) {
      Durable disk{.hard_state = {.term = 1},
                   .snapshot = {},
                   .entries = {entry(1, 1, encode(voters({1, 2, 3})), EntryKind::config)}};
      nodes_.emplace_back(options_of(id), std::move(disk), std::vector<EntryPtr>{});
      nodes_.back().state = nodes_.back().disk.entries;
      nodes_.back().flushed = 1;
      nodes_.back().start(0);
    }
  }
  Core& core(PeerId id) { return *nodes_[id - 1].core; }

  void run() {
    for (bool busy = true; busy;) {
      busy = false;
      for (TestNode& node : nodes_) {
        while (node.core->has_effects()) {
          Effects effects = node.core->take_effects();
          queue(effects.messages);
          node.keep(effects);
          while (!node.writes.empty()) queue(node.sync_one(now_));
          for (auto& read : effects.reads_ready) reads_.push_back(read);
          busy = true;
        }
      }
      for (Message& message : std::exchange(queue_, {})) core(message.to).step(std::move(message), now_);
    }
  }
  void elect(PeerId id) {
    now_ = core(id).next_tick();
    core(id).tick(now_);
    run();
    ASSERT_EQ(core(id).role(), Role::leader);
  }

  std::vector<TestNode> nodes_;
  std::vector<Effects::ReadReady> reads_;
  TimeNs now_ = 0;

 private:
  void queue(const std::vector<Message>& messages) {
    queue_.insert(queue_.end(), messages.begin(), messages.end());
  }
  std::vector<Message> queue_;
};

TEST_F(Trio, ElectsReplicatesAndReads) {
  elect(1);
  ASSERT_TRUE(core(1).propose({"a", "b"}, 10, now_).has_value());
  run();
  for (TestNode& node : nodes_) {
    ASSERT_EQ(node.applied(), 4u);
    EXPECT_EQ(node.state.back()->data, "b");
    EXPECT_EQ(node.core->leader(), 1u);
  }
  core(1).read_index(5, now_);
  run();
  ASSERT_EQ(reads_.size(), 1u);
  EXPECT_EQ(reads_[0].index, 4u);
}

TEST_F(Trio, AFollowerRefusesProposalsAndReads) {
  elect(1);
  EXPECT_EQ(core(2).propose({"a"}, 0, now_).error().code, Code::NOT_LEADER);
  EXPECT_EQ(core(2).propose_config({member(2)}, 0, now_).error().code, Code::NOT_LEADER);
  EXPECT_EQ(core(2).transfer_leadership(1, now_).error().code, Code::NOT_LEADER);
  core(2).read_index(8, now_);
  EXPECT_EQ(core(2).take_effects().reads_failed, std::vector<uint64_t>{8});
}

TEST_F(Trio, RefusesMoreUncommittedBytesThanItsLimit) {
  elect(1);
  std::vector<Bytes> large = {Bytes(kEntryBytesMax, 'a')};
  size_t accepted = 0;
  while (core(1).propose(large, 0, now_).has_value()) ++accepted;
  EXPECT_EQ(accepted, limits::kProposalsQueuedBytesMax / kEntryBytesMax);
  EXPECT_EQ(core(1).propose(large, 0, now_).error().code, Code::OVERLOADED);
  run();
  EXPECT_TRUE(core(1).propose({"after it was committed"}, 0, now_).has_value());

  EXPECT_EQ(core(1).propose({}, 0, now_).error().code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(core(1).propose({Bytes(kEntryBytesMax + 1, 'a')}, 0, now_).error().code, Code::LIMIT_EXCEEDED);
}

TEST_F(Trio, KeepsToTheWindowAndToTheBytesOfAnAppend) {
  elect(1);
  std::vector<Bytes> commands(100, Bytes(limits::kAppendBytesMax / 2, 'a'));
  ASSERT_TRUE(core(1).propose(commands, 0, now_).has_value());
  Effects effects = core(1).take_effects();
  std::map<PeerId, size_t> appends;
  for (const Message& m : effects.messages) {
    if (m.kind != MessageKind::append) continue;
    ++appends[m.to];
    size_t bytes = 0;
    for (const EntryPtr& e : m.entries) bytes += e->size_bytes();
    EXPECT_TRUE(bytes <= limits::kAppendBytesMax || m.entries.size() == 1);
  }
  // One of these is an append; of bytes, not of appends, there are too many for another.
  size_t most = limits::kAppendsInFlightBytesMax / (limits::kAppendBytesMax / 2 + 32) + 1;
  ASSERT_LT(most, limits::kAppendsInFlightMax);
  EXPECT_EQ(appends, (std::map<PeerId, size_t>{{2, most}, {3, most}}));
}

TEST_F(Trio, IdleCostsOneHeartbeatEachInterval) {
  elect(1);
  EXPECT_FALSE(core(1).has_effects());
  TimeNs due = core(1).next_tick();
  EXPECT_LE(due, now_ + 50 * kMillisecond);
  core(1).tick(due - 1);
  EXPECT_FALSE(core(1).has_effects());
  core(1).tick(due);
  EXPECT_EQ(core(1).take_effects().messages.size(), 2u);
  EXPECT_EQ(core(1).next_tick(), due + 50 * kMillisecond);
}

TEST_F(Trio, MessagesThatAreNotForThisPeerAreIgnored) {
  elect(1);
  Message vote{.kind = MessageKind::vote, .from = 3, .to = 9, .term = 99, .index = 99, .transfer = true};
  core(2).step(vote, now_);
  vote.to = 2;
  vote.from = 2;
  core(2).step(vote, now_);
  EXPECT_EQ(core(2).term(), 2u);
  // Answers of somebody who is no member mean nothing, whatever their term.
  core(1).step({.kind = MessageKind::append_reply, .from = 9, .to = 1, .term = 99}, now_);
  core(1).step({.kind = MessageKind::heartbeat_reply, .from = 9, .to = 1, .term = 2, .round = 7}, now_);
  // Nor do those that no follower gives.
  core(1).step({.kind = MessageKind::append_reply, .from = 2, .to = 1, .term = 2, .index = 77}, now_);
  core(1).step({.kind = MessageKind::heartbeat_reply, .from = 2, .to = 1, .term = 2, .round = 77}, now_);
  EXPECT_EQ(core(1).role(), Role::leader);
  EXPECT_EQ(core(1).status().progress[2].match, 2u);
  EXPECT_EQ(core(1).commit(), 2u);
}

TEST_F(Trio, ALeaderThatBreaksTheRulesChangesNothing) {
  elect(1);
  ASSERT_TRUE(core(1).propose({"a"}, 0, now_).has_value());
  run();
  auto append = [](Index index, Term term, std::vector<EntryPtr> entries) {
    return Message{.kind = MessageKind::append,
                   .from = 1,
                   .to = 2,
                   .term = 2,
                   .index = index,
                   .log_term = term,
                   .commit = 3,
                   .entries = std::move(entries)};
  };
  core(2).step(append(2, 2, {entry(3, 2), entry(4, 2)}), now_);  // 3 is committed, with the same term: fine
  EXPECT_EQ(core(2).last_index(), 4u);
  core(2).step(append(1, 1, {entry(2, 1)}), now_);  // rewrites a committed entry
  core(2).step(append(3, 1, {entry(4, 1)}), now_);  // disagrees about one
  Message second = append(4, 2, {entry(5, 2)});
  second.from = 3;  // a second leader of the term
  core(2).step(second, now_);
  second.from = 2;
  second.to = 1;
  core(1).step(second, now_);
  EXPECT_EQ(core(2).last_index(), 4u);
  EXPECT_EQ(core(2).term_at(2), Term{2});
  EXPECT_EQ(core(2).leader(), 1u);
  EXPECT_EQ(core(1).role(), Role::leader);
}

TEST_F(Trio, AFollowerCommitsOnlyWhatItSharesWithTheLeader) {
  elect(1);
  auto append = [&](Term term, Index index, Term previous, Index commit, std::vector<EntryPtr> entries) {
    return Message{.kind = MessageKind::append,
                   .from = 1,
                   .to = 2,
                   .term = term,
                   .index = index,
                   .log_term = previous,
                   .commit = commit,
                   .entries = std::move(entries)};
  };
  core(2).step(append(2, 2, 2, 2, {entry(3, 2), entry(4, 2), entry(5, 2)}), now_);
  // A later leader, which has committed 5 entries of its own, begins with the first that differs.
  core(2).step(append(4, 2, 2, 5, {entry(3, 2)}), now_);
  EXPECT_EQ(core(2).commit(), 3u);
  EXPECT_EQ(core(2).last_index(), 5u);
  core(2).step(append(4, 3, 2, 5, {entry(4, 4), entry(5, 4)}), now_);
  EXPECT_EQ(core(2).commit(), 5u);
  EXPECT_EQ(core(2).term_at(5), Term{4});
}

TEST_F(Trio, ANewLeaderChangesNoMembersBeforeItsFirstCommit) {
  elect(1);
  core(1).step({.kind = MessageKind::append, .from = 3, .to = 1, .term = 3, .index = 2, .log_term = 2}, now_);
  now_ = core(1).next_tick();
  core(1).tick(now_);
  for (MessageKind kind : {MessageKind::pre_vote_reply, MessageKind::vote_reply}) {
    Effects effects = core(1).take_effects();
    nodes_[0].keep(effects);
    while (!nodes_[0].writes.empty()) nodes_[0].sync_one(now_);
    core(1).step({.kind = kind, .from = 2, .to = 1, .term = 4}, now_);
  }
  ASSERT_EQ(core(1).role(), Role::leader);
  EXPECT_EQ(core(1).propose_config({member(1), member(2)}, 0, now_).error().code, Code::UNAVAILABLE);
  run();
  EXPECT_TRUE(core(1).propose_config({member(1), member(2)}, 0, now_).has_value());
}

TEST_F(Trio, VotesThatOvertakeTheOwnOneWaitForIt) {
  now_ = core(1).next_tick();
  core(1).tick(now_);
  core(1).step({.kind = MessageKind::pre_vote_reply, .from = 2, .to = 1, .term = 2}, now_);
  Effects effects = core(1).take_effects();
  nodes_[0].keep(effects);
  for (PeerId peer : {2, 3}) {
    core(1).step({.kind = MessageKind::vote_reply, .from = peer, .to = 1, .term = 2}, now_);
  }
  EXPECT_EQ(core(1).role(), Role::candidate);
  nodes_[0].sync_one(now_);
  EXPECT_EQ(core(1).role(), Role::leader);
}

TEST_F(Trio, ASnapshotThatMeetsTheLogIsNotWanted) {
  elect(1);
  ASSERT_TRUE(core(1).propose({"a", "b"}, 0, now_).has_value());
  Effects effects = core(1).take_effects();
  for (Message& m : effects.messages) {
    m.commit = 2;
    if (m.to == 2) core(2).step(m, now_);
  }
  // Node 2 has acknowledged 3 and 4 and does not know that they are committed.
  ASSERT_EQ(core(2).last_index(), 4u);
  ASSERT_EQ(core(2).commit(), 2u);
  Message offer{.kind = MessageKind::snapshot, .from = 1, .to = 2, .term = 2};
  offer.snapshot = SnapshotMeta{.index = 3, .term = 2, .config = voters({1, 2, 3}), .time = 0};
  EXPECT_FALSE(core(2).snapshot_wanted(offer));
  core(2).step(offer, now_);
  EXPECT_EQ(core(2).commit(), 3u);
  EXPECT_EQ(core(2).last_index(), 4u);
  offer.snapshot->index = 9;
  EXPECT_TRUE(core(2).snapshot_wanted(offer));
  offer.term = 1;
  EXPECT_FALSE(core(2).snapshot_wanted(offer));
  offer.snapshot.reset();
  core(2).step(offer, now_);
}

TEST_F(Trio, TheTermOfAnInstalledSnapshotOutlivesACrash) {
  Durable disk{.hard_state = {.term = 1, .vote = 2},
               .snapshot = {.index = 9, .term = 4, .config = voters({1, 2, 3}), .time = 50},
               .entries = {}};
  Core core(options_of(1), disk, 9, 0);
  EXPECT_EQ(core.term(), 4u);
  EXPECT_EQ(core.take_effects().hard_state, (HardState{4, kNobody}));
  EXPECT_EQ(core.snapshot_meta(9), disk.snapshot);
  EXPECT_THROW(Core(options_of(1), disk, 8, 0), Panic);
  EXPECT_THROW(Core(options_of(1), disk, 10, 0), Panic);
}

TEST_F(Trio, ReadsThatWaitAreBounded) {
  elect(1);
  uint64_t id = 0;
  while (!core(1).has_effects() || core(1).take_effects().reads_failed.empty()) {
    for (int i = 0; i < 1000; ++i) core(1).read_index(++id, now_);
    ASSERT_LT(id, 100'000u);
  }
  now_ = core(1).next_tick();
  core(1).tick(now_);
  run();
  EXPECT_GE(reads_.size(), 60'000u);  // those that were taken are served
}

// A follower that lacks 2..9, of which the leader has brought 2, and members 3 and 4 are asked for the rest.
class CatchUp : public ::testing::Test {
 protected:
  CatchUp() : node_(options(), disk(), {}) {
    node_.state = node_.disk.entries;
    node_.start(0);
    step({.kind = MessageKind::append,
          .from = 1,
          .term = 3,
          .index = 1,
          .log_term = 1,
          .commit = 9,
          .entries = {entry(2, 2)}});
  }
  static Options options() {
    Options options = options_of(2);
    options.catch_up_entries = 4;
    return options;
  }
  static Durable disk() {
    return {.hard_state = {.term = 1},
            .snapshot = {},
            .entries = {entry(1, 1, encode(voters({1, 2, 3, 4})), EntryKind::config)}};
  }
  Core& core() { return *node_.core; }
  void step(Message message) {
    message.to = 2;
    core().step(std::move(message), 0);
    sent_.clear();
    while (core().has_effects()) {
      Effects effects = core().take_effects();
      std::ranges::move(effects.messages, std::back_inserter(sent_));
      node_.keep(effects);
      while (!node_.writes.empty()) std::ranges::move(node_.sync_one(0), std::back_inserter(sent_));
    }
  }
  void bring(PeerId from, Index index, Term previous, std::vector<EntryPtr> entries, Term term = 3) {
    step({.kind = MessageKind::fetched,
          .from = from,
          .term = term,
          .index = index,
          .log_term = previous,
          .entries = std::move(entries)});
  }
  // What the leader was told last.
  std::string told() const {
    for (auto m = sent_.rbegin(); m != sent_.rend(); ++m) {
      if (m->kind == MessageKind::append_reply) return fmt::format("{}{}", m->index, m->wait ? " wait" : "");
    }
    return "nothing";
  }

  TestNode node_;
  std::vector<Message> sent_;
};

TEST_F(CatchUp, AsksEachOtherMemberForAPart) {
  EXPECT_EQ(told(), "2 wait");
  std::map<PeerId, std::pair<Index, Index>> parts;
  for (const Message& m : sent_) {
    if (m.kind == MessageKind::fetch) parts[m.to] = {m.index + 1, m.commit};
  }
  EXPECT_EQ(parts, (std::map<PeerId, std::pair<Index, Index>>{{3, {3, 6}}, {4, {7, 9}}}));
}

TEST_F(CatchUp, PutsPartsTogetherInOrder) {
  bring(4, 6, 2, {entry(7, 2), entry(8, 3), entry(9, 3)});
  EXPECT_EQ(told(), "nothing");
  bring(3, 2, 2, {entry(3, 2), entry(4, 2)});
  EXPECT_EQ(told(), "4 wait");
  bring(3, 4, 2, {entry(5, 2), entry(6, 2)});
  EXPECT_EQ(told(), "9");
  EXPECT_EQ(core().commit(), 9u);
  EXPECT_EQ(core().last_index(), 9u);
}

TEST_F(CatchUp, TakesNothingThatDoesNotFollow) {
  bring(3, 2, 3, {entry(3, 3), entry(4, 3), entry(5, 3), entry(6, 3)});  // after another entry 2
  EXPECT_EQ(told(), "2");
  EXPECT_EQ(core().last_index(), 2u);
}

TEST_F(CatchUp, TakesNothingThatWasNotAskedFor) {
  bring(3, 3, 2, {entry(4, 2)});
  bring(4, 2, 2, {entry(3, 2)});
  bring(1, 2, 2, {entry(3, 2)});
  bring(9, 2, 2, {entry(3, 2)});
  bring(3, 2, 2, {entry(3, 2)}, 2);  // of an earlier term: not all of that need be committed
  EXPECT_EQ(core().last_index(), 2u);
  bring(3, 2, 2, {entry(3, 2), entry(4, 2), entry(5, 2), entry(6, 2), entry(7, 3)});  // and one too many
  EXPECT_EQ(core().last_index(), 6u);
}

TEST_F(CatchUp, PassesOnOnlyWhatItKnowsToBeCommitted) {
  step({.kind = MessageKind::append,
        .from = 1,
        .term = 3,
        .index = 2,
        .log_term = 2,
        .commit = 2,
        .entries = {entry(3, 2), entry(4, 3)}});
  ASSERT_EQ(core().last_index(), 4u);
  step({.kind = MessageKind::fetch, .from = 3, .term = 3, .index = 1, .commit = 9});
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].kind, MessageKind::fetched);
  EXPECT_EQ(sent_[0].entries.size(), 1u);
  step({.kind = MessageKind::fetch, .from = 3, .term = 3, .index = 2, .commit = 9});
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_TRUE(sent_[0].entries.empty());
  step({.kind = MessageKind::fetch, .from = 9, .term = 3, .index = 1, .commit = 9});  // no member
  EXPECT_TRUE(sent_.empty());
}

TEST_F(CatchUp, EndsWhenAMemberCannotHelp) {
  bring(4, 6, 0, {});
  EXPECT_EQ(told(), "2");
  bring(3, 2, 2, {entry(3, 2)});
  EXPECT_EQ(core().last_index(), 2u);
}

TEST_F(CatchUp, EndsWithItsLeader) {
  step({.kind = MessageKind::heartbeat, .from = 4, .term = 4});
  bring(3, 2, 2, {entry(3, 2)}, 4);
  EXPECT_EQ(core().last_index(), 2u);
}

// How long it takes to copy 64 appends over a link with a delay: with a window of one each waits for the
// last.
TEST(Pipeline, AppendsOverlap) {
  auto rounds = [](size_t window) {
    Options options = options_of(1);
    options.append_bytes_max = 1;
    options.appends_in_flight_max = window;
    Durable disk{.hard_state = {.term = 1},
                 .snapshot = {},
                 .entries = {entry(1, 1, encode(voters({1, 2})), EntryKind::config)}};
    TestNode leader(options, disk, disk.entries);
    options.self = 2;
    TestNode follower(options, disk, disk.entries);
    leader.start(0);
    follower.start(0);
    TimeNs now = leader.core->next_tick();
    leader.core->tick(now);
    int trips = 0;
    bool proposed = false;
    // Everything that is sent in a round arrives in the next.
    for (std::vector<Message> network; trips < 1000; ++trips) {
      for (TestNode* node : {&leader, &follower}) {
        while (node->core->has_effects()) {
          Effects effects = node->core->take_effects();
          std::ranges::move(effects.messages, std::back_inserter(network));
          node->keep(effects);
          while (!node->writes.empty()) std::ranges::move(node->sync_one(now), std::back_inserter(network));
        }
      }
      for (Message& m : std::exchange(network, {})) (m.to == 1 ? leader : follower).core->step(m, now);
      if (!proposed && leader.core->commit() == 2) {
        EXPECT_TRUE(leader.core->propose(std::vector<Bytes>(64, "x"), 0, now));
        proposed = true;
        trips = 0;
      }
      if (leader.core->commit() == 66) break;
    }
    return trips;
  };
  int one = rounds(1);
  int many = rounds(64);
  fmt::print("64 appends: {} one-way delays with a window of 1, {} with a window of 64\n", one, many);
  EXPECT_GE(one, 2 * 64 - 2);
  EXPECT_LE(many, 4);
}

// Three members whose clocks run at different rates: the leader's is slow, those of the others are fast.
class Clocks {
 public:
  Clocks(DurationNs percent, uint32_t bound_ppm) : percent_(percent) {
    for (PeerId id : {1, 2, 3}) {
      Options options = options_of(id);
      options.lease_reads = true;
      options.clock_drift_ppm_max = bound_ppm;
      options.random = [id] { return id == 3 ? 200 * kMillisecond : 0; };
      Durable disk{.hard_state = {.term = 1},
                   .snapshot = {},
                   .entries = {entry(1, 1, encode(voters({1, 2, 3})), EntryKind::config)}};
      nodes_.emplace_back(std::move(options), disk, disk.entries);
      nodes_.back().start(0);
    }
  }

  // Node 1 leads until it is cut off from the others. Whether it then serves a read by its lease although
  // another leader has committed something.
  bool serves_a_stale_read() {
    constexpr DurationNs kStep = kMillisecond / 10;
    for (TimeNs end = 900 * kMillisecond; real_ < end; real_ += kStep) turn(core(1).role() == Role::leader);
    EXPECT_TRUE(core(1).lease_read(clock(1)).has_value());
    cut_ = true;
    for (TimeNs end = real_ + kSecond; real_ < end; real_ += kStep) {
      turn(true);
      if (!core(1).lease_read(clock(1))) continue;
      if (std::max(core(2).commit(), core(3).commit()) > core(1).commit()) return true;
    }
    EXPECT_TRUE(core(2).role() == Role::leader || core(3).role() == Role::leader);
    return false;
  }

 private:
  Core& core(PeerId id) { return *nodes_[id - 1].core; }
  TimeNs clock(PeerId id) const { return real_ / 100 * (id == 1 ? 100 - percent_ : 100 + percent_); }

  void turn(bool all) {
    for (TestNode& node : nodes_) {
      if ((all || node.id() == 1) && node.core->next_tick() <= clock(node.id()))
        node.core->tick(clock(node.id()));
    }
    for (bool busy = true; busy;) {
      busy = false;
      for (TestNode& node : nodes_) {
        while (node.core->has_effects()) {
          Effects effects = node.core->take_effects();
          node.keep(effects);
          for (const Message& message : effects.messages) network_.push_back(message);
          while (!node.writes.empty())
            std::ranges::move(node.sync_one(clock(node.id())), std::back_inserter(network_));
          busy = true;
        }
      }
      for (Message& message : std::exchange(network_, {})) {
        bool lost = cut_ && (message.from == 1 || message.to == 1);
        if (!lost) core(message.to).step(message, clock(message.to));
      }
    }
  }

  DurationNs percent_;
  TimeNs real_ = 0;
  bool cut_ = false;
  std::vector<TestNode> nodes_;
  std::vector<Message> network_;
};

TEST(Lease, HoldsAsLongAsClocksKeepTheBound) {
  EXPECT_FALSE(Clocks(0, 0).serves_a_stale_read());
  EXPECT_FALSE(Clocks(1, 10'000).serves_a_stale_read());
  EXPECT_FALSE(Clocks(10, 100'000).serves_a_stale_read());
}

// Why there is a bound, and why it has to be true: nothing else stops a leader whose clock is slow.
TEST(Lease, IsStaleWithClocksThatBreakTheBound) {
  EXPECT_TRUE(Clocks(10, 10'000).serves_a_stale_read());
}

TEST(Lease, CountsOnNobodyWhoMadeNoPromise) {
  TestNode leader(options_of(1), {}, {});
  leader.options.lease_reads = true;
  leader.disk = {.hard_state = {.term = 1},
                 .snapshot = {},
                 .entries = {entry(1, 1, encode(voters({1, 2, 3})), EntryKind::config)}};
  leader.state = leader.disk.entries;
  leader.start(0);
  Core& core = *leader.core;
  auto settle = [&] {
    while (core.has_effects()) {
      Effects effects = core.take_effects();
      leader.keep(effects);
      while (!leader.writes.empty()) leader.sync_one(0);
    }
  };
  auto hear = [&](MessageKind kind, PeerId from, Index index = 0, uint64_t round = 0,
                  DurationNs promise = 0) {
    core.step(
        {.kind = kind, .from = from, .to = 1, .term = 2, .index = index, .round = round, .promise = promise},
        core.next_tick() - 1);
    settle();
  };
  core.tick(core.next_tick());
  settle();
  hear(MessageKind::pre_vote_reply, 2);
  hear(MessageKind::vote_reply, 2);
  hear(MessageKind::append_reply, 2, 2);
  ASSERT_EQ(core.commit(), 2u);
  core.tick(core.next_tick());
  settle();
  TimeNs sent = core.next_tick() - 50 * kMillisecond;
  hear(MessageKind::heartbeat_reply, 2, 0, 1, 0);
  EXPECT_LE(core.lease_end(), sent);
  hear(MessageKind::heartbeat_reply, 3, 0, 1, 100 * kMillisecond);  // its elections are quicker
  EXPECT_GT(core.lease_end(), sent + 99 * kMillisecond);
  EXPECT_LT(core.lease_end(), sent + 100 * kMillisecond);
  hear(MessageKind::heartbeat_reply, 2, 0, 1, 3600 * kSecond);
  EXPECT_LE(core.lease_end(), sent + 300 * kMillisecond);
}

}  // namespace
}  // namespace aspen::raft

// What the scripts in testdata/ and the simulation do not say as well: bounds, refusals, clocks.
#include "core/raft/core.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace aspen::raft

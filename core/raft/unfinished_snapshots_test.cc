#include "core/raft/unfinished_snapshots.h"

#include <gtest/gtest.h>

#include "core/rt/test_world.h"

namespace aspen::raft {
namespace {

struct NoSource final : SnapshotSource {
  Result<Bytes> next() override { return Bytes(); }
  Result<uint64_t> seek(uint64_t) override { return 0; }
};

struct NoSink final : SnapshotSink {
  Result<> write(BytesView) override { return {}; }
  Result<> finish() override { return {}; }
};

class UnfinishedSnapshotsTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(world.turn_all()); }
  SnapshotCopy copy(Index index) { return {{.index = index, .term = 2}, source}; }
  Message offer(Index index) {
    return {.kind = MessageKind::snapshot, .from = 1, .to = 2, .term = 3, .snapshot = copy(index).meta};
  }
  // Half of the time that things are kept.
  bool pass_half() { return world.run_for(UnfinishedSnapshots::kKept / 2) && world.turn_all(); }
  long held() const { return source.use_count() + sink.use_count() - 2; }

  rt::TestWorld world;
  std::shared_ptr<SnapshotSource> source = std::make_shared<NoSource>();
  std::shared_ptr<SnapshotSink> sink = std::make_shared<NoSink>();
  UnfinishedSnapshots unfinished{world.executor};
};

TEST_F(UnfinishedSnapshotsTest, GivesBackWhatItKeptOnce) {
  unfinished.keep_copy(2, copy(10));
  unfinished.keep_copy(3, copy(11));
  EXPECT_EQ(unfinished.take_copy(4, 0), std::nullopt);
  EXPECT_EQ(unfinished.take_copy(2, 10)->meta.index, 10u);
  EXPECT_EQ(unfinished.take_copy(2, 10), std::nullopt);
  EXPECT_EQ(unfinished.take_copy(3, 12), std::nullopt);
  EXPECT_EQ(held(), 0);
  unfinished.keep_incoming(offer(10), {sink, 7});
  EXPECT_EQ(unfinished.take_incoming(offer(10))->chunks, 7u);
  EXPECT_FALSE(unfinished.take_incoming(offer(10)));
  EXPECT_EQ(held(), 0);
}

TEST_F(UnfinishedSnapshotsTest, WhatCameOfAnotherIsDiscarded) {
  Message term = offer(10), leader = offer(10);
  ++term.term;
  leader.from = 3;
  for (const Message& other : {offer(11), term, leader}) {
    unfinished.keep_incoming(offer(10), {sink, 7});
    EXPECT_FALSE(unfinished.take_incoming(other));
    EXPECT_EQ(held(), 0);
    EXPECT_FALSE(unfinished.take_incoming(offer(10)));
  }
}

TEST_F(UnfinishedSnapshotsTest, KeepsItForAWhile) {
  unfinished.keep_copy(2, copy(10));
  ASSERT_TRUE(pass_half());
  unfinished.keep_copy(3, copy(10));
  unfinished.keep_incoming(offer(10), {sink, 7});
  ASSERT_TRUE(pass_half());
  EXPECT_EQ(held(), 2);
  EXPECT_EQ(unfinished.take_copy(2, 0), std::nullopt);
  ASSERT_TRUE(pass_half());
  EXPECT_EQ(held(), 0);
  EXPECT_EQ(world.executor.next_timer(), kNever);
}

TEST_F(UnfinishedSnapshotsTest, DropsWhatIsNotWantedAnyMore) {
  unfinished.keep_copy(2, copy(10));
  unfinished.keep_incoming(offer(10), {sink, 7});
  unfinished.drop_copies();
  EXPECT_EQ(held(), 1);
  unfinished.clear();
  EXPECT_EQ(held(), 0);
}

}  // namespace
}  // namespace aspen::raft

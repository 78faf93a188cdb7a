#include "core/raft/durability.h"

#include <gtest/gtest.h>

#include "core/base/assert.h"

namespace aspen::raft {
namespace {

constexpr HardState kTerm1{.term = 1, .vote = 0};
constexpr HardState kTerm2{.term = 2, .vote = 7};

TEST(Durability, HandsOutWhatWasNotWritten) {
  Durability disk(kTerm1, 3);
  EXPECT_FALSE(disk.dirty(kTerm1, 3));
  EXPECT_TRUE(disk.dirty(kTerm2, 3));
  EXPECT_TRUE(disk.dirty(kTerm1, 4));
  auto write = disk.begin(kTerm2, 5);
  EXPECT_TRUE(write.hard_state);
  EXPECT_EQ(write.first, 4u);
  EXPECT_EQ(write.truncate_from, 0u);
  EXPECT_FALSE(disk.dirty(kTerm2, 5));
  EXPECT_EQ(disk.index(), 3u);
  EXPECT_EQ(disk.hard_state(), kTerm1);
  disk.synced(write.token);
  EXPECT_EQ(disk.index(), 5u);
  EXPECT_EQ(disk.hard_state(), kTerm2);
  EXPECT_FALSE(disk.writing());
  EXPECT_THROW(disk.begin(kTerm2, 5), Panic);
}

TEST(Durability, EachWriteProvesItsOwnPart) {
  Durability disk(kTerm1, 0);
  auto first = disk.begin(kTerm1, 2);
  auto second = disk.begin(kTerm2, 4);
  EXPECT_EQ(second.first, 3u);
  EXPECT_EQ(disk.newest(), second.token);
  disk.synced(first.token);
  EXPECT_EQ(disk.index(), 2u);
  EXPECT_EQ(disk.hard_state(), kTerm1);
  disk.synced(first.token);  // again, and one that never was
  disk.synced(0);
  EXPECT_EQ(disk.index(), 2u);
  disk.synced(second.token);
  EXPECT_EQ(disk.index(), 4u);
}

TEST(Durability, TruncationIsWrittenOnce) {
  Durability disk(kTerm1, 5);
  disk.truncated(4);
  disk.truncated(3);
  EXPECT_EQ(disk.index(), 2u);
  auto write = disk.begin(kTerm1, 3);
  EXPECT_EQ(write.truncate_from, 3u);
  EXPECT_EQ(write.first, 3u);
  EXPECT_FALSE(disk.dirty(kTerm1, 3));
}

TEST(Durability, EntriesNeverHandedOutNeedNoTruncation) {
  Durability disk(kTerm1, 2);
  EXPECT_TRUE(disk.dirty(kTerm1, 4));
  disk.truncated(3);
  EXPECT_FALSE(disk.dirty(kTerm1, 2));
}

// A, B, A: the same entry goes, is replaced and comes back while the first write is in flight.
TEST(Durability, AnOldWriteProvesNothingAboutWhatReplacedIt) {
  Durability disk(kTerm1, 0);
  auto a = disk.begin(kTerm1, 3);
  disk.truncated(2);
  auto b = disk.begin(kTerm1, 3);
  disk.truncated(2);
  auto a_again = disk.begin(kTerm1, 3);
  disk.synced(a.token);
  EXPECT_EQ(disk.index(), 1u);
  disk.synced(b.token);
  EXPECT_EQ(disk.index(), 1u);
  disk.synced(a_again.token);
  EXPECT_EQ(disk.index(), 3u);
}

TEST(Durability, ASnapshotStartsOver) {
  Durability disk(kTerm1, 3);
  auto write = disk.begin(kTerm2, 5);
  disk.reset(9);
  EXPECT_EQ(disk.index(), 9u);
  EXPECT_FALSE(disk.dirty(kTerm2, 9));
  disk.synced(write.token);
  EXPECT_EQ(disk.index(), 9u);
  EXPECT_EQ(disk.hard_state(), kTerm2);
  EXPECT_EQ(disk.begin(kTerm2, 10).first, 10u);
}

}  // namespace
}  // namespace aspen::raft

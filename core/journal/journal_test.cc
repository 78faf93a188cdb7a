#include "core/journal/journal.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "core/base/assert.h"
#include "core/journal/names.h"
#include "core/journal/posix_directory.h"
#include "core/journal/test_journal.h"

namespace aspen::journal {
namespace {

class JournalTest : public testing::Test, public TestMachine {
 protected:
  void SetUp() override { ASSERT_TRUE(open()); }

  // Until a new segment was started.
  void fill_segment() {
    for (uint64_t started = journal->stats().segments_started;
         journal->stats().segments_started == started;) {
      ASSERT_TRUE(append({500}));
      ASSERT_TRUE(sync());
    }
  }
};

TEST_F(JournalTest, WhatIsSyncedIsReadInOrder) {
  EXPECT_EQ(journal->next_sequence(), 1u);
  ASSERT_TRUE(append({10, 20, 0, 30}));
  ASSERT_TRUE(append({40}));
  EXPECT_EQ(read_items(*journal, 1)->size(), 0u);  // not durable yet
  ASSERT_TRUE(sync());
  check_held();
  EXPECT_EQ(read_items(*journal, 4), (std::vector<Item>{items()[3], items()[4]}));
  EXPECT_EQ(read_items(*journal, 2, 1), (std::vector<Item>{items()[3], items()[4]}));
  EXPECT_EQ(read_items(*journal, 6)->size(), 0u);
}

TEST_F(JournalTest, OneTurnIsOneWriteAndOneSync) {
  ASSERT_TRUE(append({10}));
  ASSERT_TRUE(sync());
  int writes = 0;
  int syncs = 0;
  int others = 0;
  disk.before = [&](Operation operation, const std::string&) {
    ++(operation == Operation::write ? writes : operation == Operation::sync ? syncs : others);
    return Fault::none;
  };
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append({10, 10}));
  ASSERT_TRUE(sync());
  ASSERT_TRUE(sync());  // nothing to do
  EXPECT_EQ(writes, 1);
  EXPECT_EQ(syncs, 1);
  EXPECT_EQ(others, 0);
}

TEST_F(JournalTest, ACursorGoesOnWithWhatIsAppendedLater) {
  Cursor cursor = journal->read(1);
  EXPECT_FALSE(cursor.next()->has_value());
  for (int i = 0; i < 40; ++i) {  // over several segments
    ASSERT_TRUE(append({300, 1}));
    ASSERT_TRUE(sync());
    for (int record = 0; record < 2; ++record) {
      auto entry = cursor.next();
      ASSERT_TRUE(entry && *entry) << i;
      EXPECT_EQ((*entry)->payload, items()[(*entry)->sequence - 1].payload);
      EXPECT_EQ((*entry)->sequence, static_cast<uint64_t>(2 * i + record + 1));
    }
    EXPECT_FALSE(cursor.next()->has_value());
  }
  EXPECT_GT(journal->segments(), 2u);
}

TEST_F(JournalTest, SegmentsFollowEachOther) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(append({500}));
  ASSERT_TRUE(sync());
  EXPECT_GT(journal->segments(), 10u);
  check_held();
  ASSERT_TRUE(open());
  check_recovered();
  ASSERT_TRUE(append({500}));
  ASSERT_TRUE(sync());
  check_held();
}

TEST_F(JournalTest, AnAppendThatIsTooLarge) {
  size_t max = journal->batch_bytes_max();
  EXPECT_EQ(max, kSmallSegment - kSegmentHeaderBytes);
  auto refused = append({max - kFrameHeaderBytes - kRecordHeaderBytes + 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::LIMIT_EXCEEDED);
  EXPECT_EQ(refused.error().message, "1 records take 4104 bytes of the journal; at most 4096 in one append");
  ASSERT_TRUE(append({max - kFrameHeaderBytes - kRecordHeaderBytes}));
  ASSERT_TRUE(sync());
  check_held();
  // The segment is full to its last byte: there is no room for the mark of the next opening.
  ASSERT_TRUE(open());
  check_recovered();
  EXPECT_EQ(journal->segments(), 2u);
}

TEST_F(JournalTest, TheSlowestUserDecidesWhatIsKept) {
  for (int i = 0; i < 4; ++i) fill_segment();
  ASSERT_EQ(journal->segments(), 5u);
  ASSERT_TRUE(journal->reclaim());
  EXPECT_EQ(journal->segments(), 5u) << "nobody said what it needs";
  ASSERT_TRUE(journal->need(1, 20));
  ASSERT_TRUE(journal->need(2, 10));
  ASSERT_TRUE(journal->reclaim());
  EXPECT_LE(journal->first_sequence(), 10u);
  EXPECT_GT(journal->first_sequence(), 1u);
  uint64_t first = journal->first_sequence();
  EXPECT_EQ(read_items(*journal, first)->front(), items()[first - 1]);
  auto gone = read_items(*journal, first - 1);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Code::NOT_FOUND);
  journal->leave(2);
  ASSERT_TRUE(journal->reclaim());
  EXPECT_GT(journal->first_sequence(), 10u);
  EXPECT_LE(journal->first_sequence(), 20u);
  EXPECT_THROW((void)journal->need(1, 19), Panic);
}

TEST_F(JournalTest, TheSegmentInUseIsKept) {
  ASSERT_TRUE(append({10}));
  ASSERT_TRUE(sync());
  ASSERT_TRUE(journal->need(1, 2));
  ASSERT_TRUE(journal->reclaim());
  EXPECT_EQ(journal->first_sequence(), 1u);
}

TEST_F(JournalTest, SegmentsAreUsedAgain) {
  for (int i = 0; i < 20; ++i) {
    fill_segment();
    ASSERT_TRUE(reclaim(journal->next_sequence()));
  }
  EXPECT_EQ(journal->segments(), 1u);
  EXPECT_LE(disk.files().size(), 3u);
  // Behind the end stand frames of earlier uses; none of them counts, none is taken for damage.
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(append({30}));
    ASSERT_TRUE(sync());
    ASSERT_TRUE(open());
    check_recovered();
  }
}

TEST_F(JournalTest, NoMoreSparesThanAllowed) {
  for (int i = 0; i < 6; ++i) fill_segment();
  ASSERT_TRUE(reclaim(journal->next_sequence()));
  EXPECT_EQ(journal->segments(), 1u);
  EXPECT_EQ(journal->spares(), limits::kJournalSparesMax);
  EXPECT_EQ(disk.files().size(), 1 + limits::kJournalSparesMax);
  options.spares_max = 1;
  ASSERT_TRUE(open());
  EXPECT_EQ(disk.files().size(), 2u);
}

TEST_F(JournalTest, ACursorIsToldThatItsSegmentWasGivenUp) {
  fill_segment();
  fill_segment();
  Cursor cursor = journal->read(1);
  ASSERT_TRUE(*cursor.next());
  ASSERT_TRUE(reclaim(journal->next_sequence()));
  Result<std::optional<Entry>> entry = cursor.next();
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code, Code::NOT_FOUND);
}

TEST_F(JournalTest, TooManySegments) {
  options.segments_max = 2;
  ASSERT_TRUE(open());
  fill_segment();
  Result<> full;
  while (full) full = append({500});
  EXPECT_EQ(full.error().code, Code::OVERLOADED);
  EXPECT_EQ(full.error().applied, Applied::NO);
  EXPECT_EQ(full.error().message, "the journal has 2 segments, its limit, and no user said what it needs");
  ASSERT_TRUE(journal->need(7, 3));
  full = append({500});
  ASSERT_FALSE(full);
  EXPECT_TRUE(
      full.error().message.starts_with("the journal has 2 segments, its limit; user 7 still needs record 3"))
      << full.error().message;
  journal->leave(7);
  ASSERT_TRUE(sync());
  ASSERT_TRUE(reclaim(journal->next_sequence()));
  ASSERT_TRUE(append({500}));
  ASSERT_TRUE(sync());
  check_held();
}

TEST_F(JournalTest, AFullDiskRefusesAnAppendAndNothingElse) {
  disk.bytes_max = kSmallSegment + 4096;  // one segment, and a part of the next
  Result<> full;
  while (full) full = append({500});
  EXPECT_EQ(full.error().code, Code::IO);
  EXPECT_EQ(full.error().applied, Applied::NO);
  EXPECT_EQ(disk.files().size(), 1u) << "what could not be made is removed";
  ASSERT_TRUE(append({1}));  // still fits the segment
  ASSERT_TRUE(sync());
  check_held();
  ASSERT_TRUE(open());
  check_recovered();
  EXPECT_FALSE(append({500}));
  disk.bytes_max = 2 * kSmallSegment;
  ASSERT_TRUE(append({500}));
  ASSERT_TRUE(sync());
  check_held();
}

TEST_F(JournalTest, AFailedSyncPoisons) {
  ASSERT_TRUE(append({10}));
  ASSERT_TRUE(sync());
  ASSERT_TRUE(append({20}));
  disk.before = [](Operation operation, const std::string&) {
    return operation == Operation::sync ? Fault::fail : Fault::none;
  };
  EXPECT_FALSE(sync());
  disk.before = nullptr;
  for (const Result<>& result : {append({1}), sync(), journal->reclaim(), journal->close()}) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::IO);
    EXPECT_TRUE(
        result.error().message.starts_with("the journal stopped at a failure and is to be opened again: "))
        << result.error().message;
  }
  EXPECT_FALSE(journal->maintain());
  check_held();  // what was durable can be read
}

// Linux takes pages for clean whose write-back failed: they are read as written, and lost in a power cut.
TEST_F(JournalTest, WhatIsRecoveredIsDurable) {
  ASSERT_TRUE(append({10}));
  ASSERT_TRUE(sync());
  ASSERT_TRUE(append({20}));
  disk.before = [](Operation operation, const std::string&) {
    return operation == Operation::sync ? Fault::fail : Fault::none;
  };
  EXPECT_FALSE(sync());
  disk.before = nullptr;
  ASSERT_TRUE(open());
  check_recovered();
  EXPECT_EQ(durable(), 2u);
  disk.crash(lose_all);
  ASSERT_TRUE(open());
  check_recovered();
}

// Of two appends the power cut takes the first and leaves the second. What is appended in place of the first
// ends exactly where the second begins; still the second must not follow it.
TEST_F(JournalTest, WhatStoodBehindATornEndStaysGone) {
  const std::string large(600, 'x');
  const std::string shorter(large.size() - kFrameHeaderBytes, 'y');  // after the mark of the next opening
  const Record first[] = {{.user = 1, .payload = large}};
  const Record second[] = {{.user = 1, .payload = "the second"}};
  const Record instead[] = {{.user = 1, .payload = shorter}};
  ASSERT_EQ(kFrameHeaderBytes + frame_bytes(instead), frame_bytes(first));
  ASSERT_TRUE(journal->append(first));
  ASSERT_TRUE(journal->append(second));
  disk.before = [](Operation operation, const std::string&) {
    return operation == Operation::sync ? Fault::die : Fault::none;
  };
  EXPECT_FALSE(journal->sync());
  disk.before = nullptr;
  size_t sector = 0;
  disk.crash([&](uint64_t) { return sector++ > 0; });
  ASSERT_EQ(sector, 2u);
  ASSERT_TRUE(open());
  ASSERT_EQ(journal->next_sequence(), 1u);
  ASSERT_TRUE(journal->append(instead));
  ASSERT_TRUE(journal->sync());
  disk.crash(lose_all);
  ASSERT_TRUE(open());
  EXPECT_EQ(journal->next_sequence(), 2u);
}

TEST_F(JournalTest, OpeningAgainAndAgain) {
  for (int i = 0; i < 200; ++i) {  // the marks fill segments too
    ASSERT_TRUE(open());
    check_recovered();
  }
  ASSERT_TRUE(append({10}));
  ASSERT_TRUE(sync());
  check_held();
}

TEST_F(JournalTest, ANewJournalBeginsWithAShortSegment) {
  disk.clear();
  options.segment_bytes = 4 * limits::kJournalZeroBytes;
  ASSERT_TRUE(open());
  EXPECT_EQ(disk.bytes_used(), limits::kJournalZeroBytes);
  // More than it has room for, in one append.
  ASSERT_TRUE(append({limits::kJournalZeroBytes, limits::kJournalZeroBytes}));
  ASSERT_TRUE(sync());
  check_held();
  EXPECT_EQ(disk.bytes_used(), 5 * limits::kJournalZeroBytes);
  ASSERT_TRUE(reclaim(2));
  ASSERT_TRUE(open());
  EXPECT_EQ(journal->spares(), 0u) << "the short one is of no use as a spare";
}

TEST_F(JournalTest, MaintainMakesASpareInTime) {
  EXPECT_EQ(*journal->maintain(), false);
  EXPECT_EQ(journal->spares(), 0u);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append({500}));
  ASSERT_TRUE(sync());
  while (*journal->maintain()) {
  }
  EXPECT_EQ(journal->spares(), 1u);
  uint64_t files = disk.files().size();
  fill_segment();
  EXPECT_EQ(disk.files().size(), files);
  check_held();
}

TEST_F(JournalTest, MaintainMarksTheEndOnce) {
  ASSERT_TRUE(append({10}));
  EXPECT_EQ(*journal->maintain(), false);
  int writes = 0;
  disk.before = [&](Operation operation, const std::string&) {
    writes += operation == Operation::write;
    return Fault::none;
  };
  EXPECT_EQ(writes, 0);
  ASSERT_TRUE(sync());
  writes = 0;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(journal->maintain());
  EXPECT_EQ(writes, 1);
  ASSERT_TRUE(journal->close());
  EXPECT_EQ(writes, 1);
  ASSERT_TRUE(open());
  check_recovered();
  EXPECT_EQ(journal->stats().bytes_rewritten, kFrameHeaderBytes);
}

TEST_F(JournalTest, SegmentsOfAnotherSize) {
  for (int i = 0; i < 3; ++i) fill_segment();
  ASSERT_TRUE(reclaim(5));
  options.segment_bytes = 4 * kSegmentHeaderBytes;
  ASSERT_TRUE(open());
  check_recovered();
  EXPECT_EQ(journal->spares(), 0u);
  ASSERT_TRUE(append({10'000}));
  ASSERT_TRUE(sync());
  check_held();
  options.segment_bytes = 12'345;
  auto bad = open();
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(bad.error().message,
            "journal segments of 12345 bytes; from 8192 to 1073741824, a multiple of 4096");
}

TEST_F(JournalTest, ManyPendingBytesAreHandedToTheDisk) {
  options.segment_bytes = 8u << 20;
  disk.bytes_max = 64u << 20;
  MemoryDirectory fresh;
  auto large = *Journal::open(fresh, options);
  const std::string payload(1u << 20, 'p');
  const Record record[] = {{.user = 1, .payload = payload}};
  ASSERT_TRUE(large->append(record));  // past the first segment, which is short
  ASSERT_TRUE(large->sync());
  int writes = 0;
  fresh.before = [&](Operation operation, const std::string&) {
    writes += operation == Operation::write;
    return Fault::none;
  };
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(large->append(record));
  EXPECT_EQ(writes, 0);
  ASSERT_TRUE(large->append(record));
  EXPECT_EQ(writes, 1);
  ASSERT_TRUE(large->append(record));
  ASSERT_TRUE(large->sync());
  EXPECT_EQ(writes, 2);
  fresh.crash(lose_all);
  large = *Journal::open(fresh, options);
  EXPECT_EQ(read_items(*large, 1)->size(), 6u);
}

TEST_F(JournalTest, UsersAreCounted) {
  for (uint64_t user = 0; user < limits::kJournalUsersMax; ++user) ASSERT_TRUE(journal->need(user, 1));
  auto full = journal->need(limits::kJournalUsersMax, 1);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::LIMIT_EXCEEDED);
  EXPECT_TRUE(journal->need(3, 2));
}

TEST_F(JournalTest, OtherFilesAreLeftAlone) {
  ASSERT_TRUE(disk.create("lock"));
  ASSERT_TRUE(open());
  EXPECT_TRUE(disk.files().contains("lock"));
}

TEST(JournalOnDisk, IsThereAfterwards) {
  std::string path = (std::filesystem::temp_directory_path() / "aspen_journal_XXXXXX").string();
  ASSERT_NE(mkdtemp(path.data()), nullptr);
  for (SyncCall call : {SyncCall::dsync, SyncCall::fdatasync}) {
    Options options = small_options();
    auto directory = *PosixDirectory::at(path, call);
    uint64_t last = 0;
    for (int run = 0; run < 3; ++run) {
      auto journal = Journal::open(*directory, options);
      ASSERT_TRUE(journal) << journal.error().to_string();
      EXPECT_EQ((*journal)->next_sequence(), last + 1);
      for (int i = 0; i < 50; ++i) {
        const std::string payload = std::to_string(last + 1);
        const std::string other(200, 'x');
        const Record record[] = {{.user = 1, .payload = payload}, {.user = 2, .payload = other}};
        ASSERT_TRUE((*journal)->append(record));
        last += 2;
        ASSERT_TRUE((*journal)->sync());
      }
      auto items = read_items(**journal, (*journal)->first_sequence(), 1);
      ASSERT_TRUE(items);
      for (const Item& item : *items) EXPECT_EQ(item.payload, std::to_string(item.sequence));
      ASSERT_TRUE((*journal)->need(1, last - 20));
      ASSERT_TRUE((*journal)->reclaim());
      EXPECT_LE((*journal)->segments(), 4u);
    }
    std::filesystem::remove_all(path);
    std::filesystem::create_directory(path);
  }
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace aspen::journal

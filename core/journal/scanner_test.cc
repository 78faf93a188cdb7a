#include "core/journal/scanner.h"

#include <gtest/gtest.h>

namespace aspen::journal {
namespace {

using Kind = Scanner::Step::Kind;

const SegmentHeader kHeader{.journal = 1, .number = 1, .salt = 99, .first_sequence = 10, .epoch = 3};
constexpr uint64_t kEnd = 1u << 20;

// A segment in memory, built frame by frame.
struct Segment {
  Bytes bytes = Bytes(kSegmentHeaderBytes, '\0');
  uint64_t sequence = kHeader.first_sequence;
  uint32_t epoch = kHeader.epoch;

  void add(size_t records, uint64_t synced) {
    std::vector<Record> list(records, {.user = 1, .payload = "payload"});
    FramePlace place{.salt = kHeader.salt, .offset = bytes.size()};
    append_frame(bytes, place,
                 {.first_sequence = sequence, .synced = static_cast<uint32_t>(synced), .epoch = epoch}, list);
    sequence += records;
  }
};

Kind step(Scanner& scanner, const Bytes& bytes, uint64_t end = kEnd) {
  return scanner.step(BytesView(bytes).substr(scanner.offset()), end).kind;
}

TEST(JournalScanner, FramesInOrder) {
  Segment segment;
  segment.add(2, 4096);
  uint64_t second = segment.bytes.size();
  segment.add(1, second);
  Scanner scanner(kHeader);
  EXPECT_EQ(step(scanner, segment.bytes), Kind::frame);
  EXPECT_EQ(scanner.sequence(), 12u);
  EXPECT_EQ(scanner.synced(), 4096u);
  EXPECT_EQ(step(scanner, segment.bytes), Kind::frame);
  EXPECT_EQ(scanner.sequence(), 13u);
  EXPECT_EQ(scanner.synced(), second);
  EXPECT_EQ(scanner.offset(), segment.bytes.size());
  EXPECT_EQ(step(scanner, segment.bytes + Bytes(64, '\0')), Kind::none);
  EXPECT_EQ(step(scanner, segment.bytes, segment.bytes.size()), Kind::none);
}

TEST(JournalScanner, SaysHowMuchItNeeds) {
  Segment segment;
  segment.add(1, 4096);
  Scanner scanner(kHeader);
  size_t frame = segment.bytes.size() - kSegmentHeaderBytes;
  for (size_t have = 0; have < frame; ++have) {
    Scanner::Step step = scanner.step(BytesView(segment.bytes).substr(kSegmentHeaderBytes, have), kEnd);
    EXPECT_EQ(step.kind, Kind::more);
    EXPECT_EQ(step.need, have < kFrameHeaderBytes ? kFrameHeaderBytes : frame);
  }
  EXPECT_EQ(scanner.offset(), kSegmentHeaderBytes);
  // What does not fit the segment is not asked for.
  EXPECT_EQ(step(scanner, segment.bytes, segment.bytes.size() - 1), Kind::none);
}

TEST(JournalScanner, SequencesHaveNoGaps) {
  Segment segment;
  segment.sequence += 1;
  segment.add(1, 4096);
  Scanner scanner(kHeader);
  EXPECT_EQ(step(scanner, segment.bytes), Kind::none);
}

TEST(JournalScanner, OnlyAMarkRaisesTheEpochByOne) {
  struct Case {
    size_t records;
    uint32_t epoch;
    Kind kind;
  };
  const Case cases[] = {{1, 3, Kind::frame}, {1, 4, Kind::none}, {1, 2, Kind::none}, {0, 3, Kind::frame},
                        {0, 4, Kind::frame}, {0, 5, Kind::none}, {0, 2, Kind::none}};
  for (const Case& c : cases) {
    Segment segment;
    segment.epoch = c.epoch;
    segment.add(c.records, 4096);
    Scanner scanner(kHeader);
    EXPECT_EQ(step(scanner, segment.bytes), c.kind) << c.records << " records of epoch " << c.epoch;
  }
}

TEST(JournalScanner, ALaterFrameProvesThatOneIsLost) {
  Segment segment;
  segment.add(1, 4096);
  size_t second = segment.bytes.size();
  segment.add(1, 4096);
  size_t third = segment.bytes.size();
  segment.add(1, second);
  segment.add(1, third);
  segment.bytes.resize(segment.bytes.size() + 100);

  auto proves = [&](size_t damage_at) {
    Bytes bytes = segment.bytes;
    bytes[damage_at] = static_cast<char>(bytes[damage_at] ^ 1);
    Scanner scanner(kHeader);
    while (step(scanner, bytes) == Kind::frame) {
    }
    return scanner.proves_loss(BytesView(bytes).substr(scanner.offset()), scanner.offset());
  };
  EXPECT_TRUE(proves(4096));    // the first was durable when the third was made
  EXPECT_TRUE(proves(second));  // the second, when the fourth was
  EXPECT_FALSE(proves(third));  // of the third nobody says so
  EXPECT_FALSE(proves(third + 40));
}

}  // namespace
}  // namespace aspen::journal

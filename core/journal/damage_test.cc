// Torn ends and damaged bits, everywhere.
#include <gtest/gtest.h>

#include <ranges>

#include "core/journal/names.h"
#include "core/journal/test_journal.h"

namespace aspen::journal {
namespace {

using Image = std::map<std::string, Bytes>;

// A journal of two segments with some appends in the second, one sync for each of them.
struct Sample {
  TestMachine machine;
  Image image;
  std::vector<size_t> ends;     // in the last segment, after each append
  std::vector<size_t> records;  // in the journal, at those ends
  std::string last;             // name of the last segment

  explicit Sample(bool closed) {
    EXPECT_TRUE(machine.open());
    while (machine.journal->segments() < 2) add({900});
    note();
    for (size_t size : {0u, 100u, 333u}) {
      add({size, size / 2});
      note();
    }
    if (closed) EXPECT_TRUE(machine.journal->close());
    image = machine.disk.files();
    last = file_name(2, kSegmentSuffix);
  }

  void add(const std::vector<size_t>& sizes) {
    EXPECT_TRUE(machine.append(sizes));
    EXPECT_TRUE(machine.sync());
  }
  void note() {
    // The end of what is used: segments of this test are new, so what is behind it is zero.
    const Bytes bytes = machine.disk.files().at(file_name(2, kSegmentSuffix));
    size_t end = bytes.find_last_not_of('\0') + 1;
    ends.push_back((end + kFrameAlign - 1) / kFrameAlign * kFrameAlign);
    records.push_back(machine.items().size());
  }
};

// Everything from the first record on, or the error, of opening or of reading.
Result<std::vector<Item>> recover(const Image& image) {
  MemoryDirectory disk(image);
  ASPEN_TRY(auto journal, Journal::open(disk, small_options()));
  return read_items(*journal, 1);
}

TEST(JournalDamage, ATornEndAtEveryByte) {
  Sample sample(false);
  const Bytes& good = sample.image.at(sample.last);
  // What is behind the cut was never written (zeroes), or something else was written there before.
  for (char behind : {'\0', '\x5a'}) {
    for (size_t cut = sample.ends.front(); cut <= kSmallSegment; ++cut) {
      Image image = sample.image;
      Bytes& bytes = image[sample.last];
      bytes.replace(cut, Bytes::npos, bytes.size() - cut, behind);
      // A cut through the padding of an append is none when zeroes are behind it.
      size_t whole = 0;
      auto intact = [&](size_t end) {
        return BytesView(bytes).substr(0, end) == BytesView(good).substr(0, end);
      };
      while (whole + 1 < sample.ends.size() && intact(sample.ends[whole + 1])) ++whole;
      size_t records = sample.records[whole];
      auto items = recover(image);
      ASSERT_TRUE(items) << cut << ": " << items.error().to_string();
      EXPECT_EQ(items->size(), records) << cut;
      EXPECT_TRUE(std::ranges::equal(*items, sample.machine.items() | std::views::take(items->size())))
          << cut;
    }
  }
}

// A journal that was closed tells every damage to what it held.
TEST(JournalDamage, EveryByteOfAClosedJournal) {
  Sample sample(true);
  for (const auto& [name, good] : sample.image) {
    // Behind that is only the mark of the end.
    size_t held = name == sample.last ? sample.ends.back() : good.find_last_not_of('\0') + 1;
    for (size_t byte = 0; byte < good.size(); ++byte) {
      Image image = sample.image;
      image[name][byte] = static_cast<char>(good[byte] ^ (1 << byte % 8));
      auto items = recover(image);
      bool counts = byte < 64 || (byte >= kSegmentHeaderBytes && byte < held);
      ASSERT_EQ(items.has_value(), !counts) << name << " byte " << byte;
      if (items) {
        ASSERT_EQ(*items, sample.machine.items()) << name << " byte " << byte;
      } else {
        ASSERT_EQ(items.error().code, Code::CORRUPT);
      }
    }
  }
}

// Without the mark, what was appended in the last turn is dropped when it is damaged, and only that.
TEST(JournalDamage, EveryByteOfAJournalThatWasNotClosed) {
  Sample sample(false);
  size_t last_turn = sample.ends[sample.ends.size() - 2];
  size_t before = sample.records[sample.records.size() - 2];
  const Bytes& good = sample.image.at(sample.last);
  for (size_t byte = 0; byte < sample.ends.back(); ++byte) {
    Image image = sample.image;
    image[sample.last][byte] = static_cast<char>(good[byte] ^ (1 << byte % 8));
    auto items = recover(image);
    bool in_header = byte < 64;
    bool in_frames = byte >= kSegmentHeaderBytes;
    if (in_header || (in_frames && byte < last_turn)) {
      ASSERT_FALSE(items) << byte;
      EXPECT_EQ(items.error().code, Code::CORRUPT);
    } else {
      ASSERT_TRUE(items) << byte << items.error().to_string();
      EXPECT_EQ(items->size(), in_frames ? before : sample.records.back()) << byte;
    }
  }
}

TEST(JournalDamage, SaysWhere) {
  Sample sample(true);
  Image image = sample.image;
  image[file_name(1, kSegmentSuffix)][kSegmentHeaderBytes + 2] ^= 1;
  auto items = recover(image);
  ASSERT_FALSE(items);
  EXPECT_EQ(items.error().message,
            "journal segment 0000000000000001.journal: the frame at byte 4096 is damaged (record 1)");
  image = sample.image;
  image[sample.last][sample.ends[0] + 40] ^= 1;
  items = recover(image);
  ASSERT_FALSE(items);
  EXPECT_EQ(
      items.error().message,
      fmt::format("journal segment 0000000000000002.journal: the frame at byte {} is damaged (record {})",
                  sample.ends[0], sample.records[0] + 1));
}

// What proves the damage is found wherever it is, also where one read ends and the next begins.
TEST(JournalDamage, TheProofLiesAcrossTwoReads) {
  for (size_t before : {8u, 16u, 24u, 32u}) {
    MemoryDirectory disk;
    Options options = small_options();
    options.segment_bytes = 4u << 20;
    auto journal = *Journal::open(disk, options);
    const std::string large(limits::kJournalReadBytes - before - kFrameHeaderBytes - kRecordHeaderBytes - 4,
                            'x');
    const Record first[] = {{.user = 1, .payload = large}};
    const Record second[] = {{.user = 1, .payload = "second"}};
    ASSERT_TRUE(journal->append(first));
    ASSERT_TRUE(journal->sync());
    ASSERT_TRUE(journal->append(second));
    ASSERT_TRUE(journal->sync());
    disk.flip(file_name(2, kSegmentSuffix), kSegmentHeaderBytes, 1);
    auto opened = Journal::open(disk, options);
    ASSERT_FALSE(opened) << before;
    EXPECT_EQ(opened.error().code, Code::CORRUPT);
  }
}

TEST(JournalDamage, FilesMixedUp) {
  Sample sample(true);
  const std::string first = file_name(1, kSegmentSuffix);
  const std::string third = file_name(3, kSegmentSuffix);
  const std::string fourth = file_name(4, kSegmentSuffix);
  auto error = [](const Image& image) {
    auto items = recover(image);
    return items ? "none" : items.error().to_string();
  };
  Image image = sample.image;
  std::swap(image[first], image[sample.last]);
  EXPECT_EQ(error(image), "CORRUPT: journal segment 0000000000000001.journal says that its number is 2");

  Bytes header = encode(SegmentHeader{.journal = 5, .number = 3, .bytes = kSmallSegment});
  header.resize(kSmallSegment);
  image = sample.image;
  image[third] = header;
  EXPECT_EQ(error(image),
            "CORRUPT: journal segment 0000000000000003.journal is of another journal than the one before");

  uint64_t journal = decode_segment_header(sample.image.at(first), first)->journal;
  header.replace(0, kSegmentHeaderBytes,
                 encode(SegmentHeader{.journal = journal, .number = 3, .bytes = kSmallSegment}));
  image[third] = header;
  EXPECT_EQ(error(image),
            "CORRUPT: journal segment 0000000000000003.journal does not go on from the one before");

  header.replace(0, kSegmentHeaderBytes,
                 encode(SegmentHeader{.journal = journal, .number = 4, .bytes = kSmallSegment}));
  image = sample.image;
  image[fourth] = header;
  EXPECT_EQ(error(image), "CORRUPT: journal segment 0000000000000003.journal is missing");

  image = sample.image;
  image[sample.last].resize(kSmallSegment - 1);
  EXPECT_EQ(error(image), "CORRUPT: journal segment 0000000000000002.journal is cut: 8191 bytes of 8192");
}

}  // namespace
}  // namespace aspen::journal

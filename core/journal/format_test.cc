#include "core/journal/format.h"

#include <gtest/gtest.h>

#include "core/base/crc32c.h"
#include "core/journal/names.h"

namespace aspen::journal {
namespace {

using namespace std::string_literals;

std::string hex(BytesView bytes) {
  std::string text;
  for (char c : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return text;
}

const SegmentHeader kHeader{.journal = 0x1122334455667788,
                            .number = 3,
                            .salt = 0x99aabbccddeeff00,
                            .first_sequence = 1000,
                            .epoch = 2,
                            .bytes = 8192};
constexpr FramePlace kPlace{.salt = 0x99aabbccddeeff00, .offset = 4096};

Bytes frame(std::span<const Record> records) {
  Bytes out;
  append_frame(out, kPlace, {.first_sequence = 1000, .synced = 4096, .epoch = 2}, records);
  return out;
}

// The format is on people's disks: what fails here needs a new version.
TEST(JournalFormat, Golden) {
  Bytes header = encode(kHeader);
  EXPECT_EQ(header.size(), kSegmentHeaderBytes);
  EXPECT_EQ(hex(BytesView(header).substr(0, 64)),
            "617370656e6a6e6c010000000200000088776655443322110300000000000000"
            "00ffeeddccbbaa99e80300000000000000200000000000000000000006a850f1");
  EXPECT_EQ(header.find_first_not_of('\0', 64), Bytes::npos);

  const Record records[] = {{.user = 7, .payload = "hello"}, {.user = 258, .payload = ""}};
  EXPECT_EQ(hex(frame(records)),
            "968f5891b98aa7162000000002000000e8030000000000000010000002000000"
            "07000000000000000500000068656c6c6f020100000000000000000000000000");
  EXPECT_EQ(hex(frame({})), "8b34cc5c000000000000000000000000e8030000000000000010000002000000");
}

TEST(JournalFormat, HeaderRoundTrip) {
  auto header = decode_segment_header(encode(kHeader), "it");
  ASSERT_TRUE(header);
  EXPECT_EQ(*header, kHeader);
}

TEST(JournalFormat, EveryDamagedBitOfAHeaderIsFound) {
  const Bytes good = encode(kHeader);
  for (size_t bit = 0; bit < 64 * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    auto header = decode_segment_header(bad, "it");
    ASSERT_FALSE(header) << bit;
    EXPECT_EQ(header.error().code, Code::CORRUPT);
  }
  for (size_t size = 0; size < 64; ++size) {
    EXPECT_FALSE(decode_segment_header(BytesView(good).substr(0, size), "it")) << size;
  }
}

TEST(JournalFormat, AnotherVersionIsNamed) {
  Bytes bytes = encode(kHeader);
  bytes[8] = 2;
  uint32_t sum = crc32c(BytesView(bytes).substr(0, 60));
  for (int i = 0; i < 4; ++i) bytes[60 + i] = static_cast<char>(sum >> (8 * i));
  auto header = decode_segment_header(bytes, "it");
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, Code::UNSUPPORTED);
  EXPECT_EQ(header.error().message, "journal segment it has format 2; this build reads format 1");
}

TEST(JournalFormat, FrameRoundTrip) {
  const Record records[] = {{.user = 1, .payload = "a"},
                            {.user = ~uint64_t{0}, .payload = BytesView("bc\0d", 4)}};
  Bytes bytes = frame(records);
  EXPECT_EQ(bytes.size(), frame_bytes(records));
  EXPECT_EQ(bytes.size() % kFrameAlign, 0u);
  auto header = decode_frame_header(bytes, kPlace);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->records, 2u);
  EXPECT_EQ(header->first_sequence, 1000u);
  EXPECT_EQ(header->synced, 4096u);
  EXPECT_EQ(header->epoch, 2u);
  BytesView body = BytesView(bytes).substr(kFrameHeaderBytes);
  EXPECT_TRUE(body_valid(*header, body));
  RecordReader reader(body, header->records);
  EXPECT_EQ(reader.next(), records[0]);
  EXPECT_EQ(reader.next(), records[1]);
  EXPECT_EQ(reader.next(), std::nullopt);
}

TEST(JournalFormat, EveryDamagedBitOfAFrameIsFound) {
  const Record records[] = {{.user = 1, .payload = "some bytes"}};
  const Bytes good = frame(records);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    auto header = decode_frame_header(bad, kPlace);
    EXPECT_EQ(header.has_value(), bit >= kFrameHeaderBytes * 8) << bit;
    if (header) EXPECT_FALSE(body_valid(*header, BytesView(bad).substr(kFrameHeaderBytes))) << bit;
  }
}

TEST(JournalFormat, AFrameCountsInItsPlaceOnly) {
  const Record records[] = {{.user = 1, .payload = "some bytes"}};
  const Bytes bytes = frame(records);
  EXPECT_TRUE(decode_frame_header(bytes, kPlace));
  EXPECT_FALSE(decode_frame_header(bytes, {.salt = kPlace.salt, .offset = kPlace.offset + 8}));
  EXPECT_FALSE(decode_frame_header(bytes, {.salt = kPlace.salt + 1, .offset = kPlace.offset}));
  EXPECT_FALSE(decode_frame_header(BytesView(bytes).substr(0, kFrameHeaderBytes - 1), kPlace));
  EXPECT_FALSE(decode_frame_header(Bytes(kFrameHeaderBytes, '\0'), kPlace));
}

// With a right checksum, made by somebody who knows how.
TEST(JournalFormat, RecordsThatDoNotFitTheBody) {
  auto valid = [](Bytes body, uint32_t records) {
    return body_valid({.body_crc = crc32c(body), .body_bytes = 0, .records = records}, body);
  };
  const Bytes record = "\1\0\0\0\0\0\0\0\4\0\0\0abcd"s;
  EXPECT_TRUE(valid(record, 1));
  EXPECT_TRUE(valid(record + "\0\0\0\0"s, 1));
  EXPECT_TRUE(valid("", 0));
  EXPECT_FALSE(valid(record, 0));
  EXPECT_FALSE(valid(record, 2));
  EXPECT_FALSE(valid(record, ~uint32_t{0}));
  EXPECT_FALSE(valid(record + "\0\0\1\0"s, 1));
  EXPECT_FALSE(valid(record + Bytes(8, '\0'), 1));
  EXPECT_FALSE(valid("\1\0\0\0\0\0\0\0\xff\xff\xff\xff"s + "abcd", 1));
}

TEST(JournalNames, NumbersAndBack) {
  EXPECT_EQ(file_name(255, kSegmentSuffix), "00000000000000ff.journal");
  for (uint64_t number : {uint64_t{0}, uint64_t{10}, ~uint64_t{0}}) {
    EXPECT_EQ(number_of(file_name(number, kSpareSuffix), kSpareSuffix), number);
  }
  for (std::string name : {"", "1.journal", "00000000000000FF.journal", "00000000000000ff.spare",
                           "lost+found", "00000000000000ff.journal2", "g0000000000000ff.journal"}) {
    EXPECT_EQ(number_of(name, kSegmentSuffix), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace aspen::journal

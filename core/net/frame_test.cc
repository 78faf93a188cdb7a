#include "core/net/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "core/net/send_buffer.h"

namespace aspen::net {
namespace {

using testing::HasSubstr;

Bytes framed(BytesView payload) {
  uint8_t length[kVarintBytesMax];
  return Bytes(as_bytes(length, encode_varint(payload.size(), length))) + Bytes(payload);
}

// Feeds `wire` in pieces and collects the frames.
Result<std::vector<Bytes>> read_all(FrameReader& reader, BytesView wire, std::function<size_t()> piece) {
  std::vector<Bytes> frames;
  while (!wire.empty()) {
    BytesView input = wire.substr(0, piece());
    wire.remove_prefix(input.size());
    while (!input.empty()) {
      ASPEN_TRY(std::optional<Bytes> frame, reader.read(input));
      if (frame) frames.push_back(*std::move(frame));
    }
  }
  return frames;
}

TEST(Frame, ReadsFramesCutAnywhere) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Bytes> sent;
    Bytes wire;
    for (int i = 0; i < 20; ++i) {
      sent.emplace_back(random() % 300, static_cast<char>(i));
      wire += framed(sent.back());
    }
    FrameReader reader(300);
    auto frames = read_all(reader, wire, [&] { return 1 + random() % 400; });
    ASSERT_TRUE(frames) << frames.error().to_string();
    EXPECT_EQ(*frames, sent);
    EXPECT_TRUE(reader.at_boundary());
  }
}

TEST(Frame, KnowsWhetherAStreamMayEndHere) {
  FrameReader reader(1000);
  EXPECT_TRUE(reader.at_boundary());
  Bytes wire = framed(Bytes(200, 'x'));
  for (size_t i = 0; i + 1 < wire.size(); ++i) {
    BytesView byte = BytesView(wire).substr(i, 1);
    ASSERT_FALSE(*reader.read(byte));
    EXPECT_FALSE(reader.at_boundary()) << i;
  }
  BytesView last = BytesView(wire).substr(wire.size() - 1);
  EXPECT_TRUE(*reader.read(last));
  EXPECT_TRUE(reader.at_boundary());
}

TEST(Frame, RefusesTooLongAndNotCanonical) {
  auto refused = [](Bytes wire) {
    FrameReader reader(100);
    BytesView input = wire;
    auto frame = reader.read(input);
    EXPECT_FALSE(frame);
    return frame ? Error(Code::OK, "") : frame.error();
  };
  EXPECT_EQ(refused(framed(Bytes(101, 'x'))).code, Code::LIMIT_EXCEEDED);
  EXPECT_THAT(refused(framed(Bytes(101, 'x'))).message, HasSubstr("101 bytes; at most 100"));
  EXPECT_EQ(refused(Bytes("\x80\x00", 2)).code, Code::PROTOCOL);
  EXPECT_EQ(refused(Bytes("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10)).code, Code::PROTOCOL);
  EXPECT_EQ(refused(Bytes("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10)).code, Code::LIMIT_EXCEEDED);
}

TEST(Frame, ALengthAloneReservesLittle) {
  FrameReader reader(16 << 20);
  uint8_t length[kVarintBytesMax];
  BytesView header = as_bytes(length, encode_varint(16 << 20, length));
  ASSERT_FALSE(*reader.read(header));
  EXPECT_EQ(reader.pending_bytes(), 0u);
  BytesView some = "abc";
  ASSERT_FALSE(*reader.read(some));
  EXPECT_EQ(reader.pending_bytes(), 3u);
}

TEST(SendBuffer, KeepsBytesInPlaceUntilAcknowledged) {
  std::mt19937 random(3);
  SendBuffer buffer;
  Bytes expected;                                            // everything appended
  std::vector<std::pair<const uint8_t*, size_t>> in_flight;  // taken, in order
  size_t taken = 0;
  size_t acknowledged = 0;
  for (int step = 0; step < 20'000; ++step) {
    switch (random() % 3) {
      case 0: {
        if (buffer.buffered() > 300'000) break;
        Bytes payload(random() % 10 == 0 ? random() % 20'000 : random() % 200, static_cast<char>(random()));
        expected += framed(payload);
        buffer.append_frame(std::move(payload));
        break;
      }
      case 1: {
        SendBuffer::Piece pieces[4];
        size_t count = buffer.peek(pieces, 4);
        size_t want = 1 + random() % 3000;
        for (size_t i = 0; i < count && want > 0; ++i) {
          size_t size = std::min(want, pieces[i].size);
          in_flight.push_back({pieces[i].data, size});
          buffer.take(size);
          taken += size;
          want -= size;
          if (size < pieces[i].size) break;
        }
        break;
      }
      default: {
        if (in_flight.empty()) break;
        // What is sent again must still be what was sent first.
        for (size_t i = 0, at = acknowledged; i < std::min<size_t>(3, in_flight.size()); ++i) {
          auto [data, size] = in_flight[i];
          ASSERT_EQ(as_bytes(data, size), BytesView(expected).substr(at, size));
          at += size;
        }
        size_t size = in_flight.front().second;
        in_flight.erase(in_flight.begin());
        buffer.acknowledge(size);
        acknowledged += size;
      }
    }
    ASSERT_EQ(buffer.buffered(), expected.size() - acknowledged);
    ASSERT_EQ(buffer.untaken(), expected.size() - taken);
  }
  EXPECT_GT(acknowledged, 1'000'000u);
}

}  // namespace
}  // namespace aspen::net

#include "core/base/wire.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <random>

#include "core/base/assert.h"
#include "core/base/wire_check.h"

namespace aspen::wire {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

std::string hex(BytesView bytes) {
  std::string text;
  for (char c : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return text;
}

Bytes unhex(std::string_view text) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// What finish() says after `read` has run over `encoding`; empty when it is accepted.
std::string verdict(BytesView encoding, const std::function<void(Reader&)>& read) {
  auto copy = std::make_unique<char[]>(encoding.size());  // its exact size, for ASan
  encoding.copy(copy.get(), encoding.size());
  Reader reader(BytesView(copy.get(), encoding.size()));
  read(reader);
  auto result = reader.finish("it");
  if (result) return "";
  EXPECT_EQ(result.error().code, Code::PROTOCOL);
  EXPECT_FALSE(reader.ok());
  return result.error().message;
}

TEST(Wire, UnsignedIntegers) {
  const std::pair<uint64_t, std::string_view> cases[] = {
      {0, "00"},
      {1, "01"},
      {127, "7f"},
      {128, "8001"},
      {300, "ac02"},
      {16383, "ff7f"},
      {16384, "808001"},
      {UINT32_MAX, "ffffffff0f"},
      {uint64_t{1} << 63, "80808080808080808001"},
      {UINT64_MAX, "ffffffffffffffffff01"},
  };
  for (auto [value, encoding] : cases) {
    Writer writer;
    writer.u64(value);
    EXPECT_EQ(hex(writer.view()), encoding);
    EXPECT_EQ(verdict(writer.view(), [&](Reader& r) { EXPECT_EQ(r.u64(), value); }), "");
    EXPECT_EQ(verdict(writer.view(), [&](Reader& r) { EXPECT_EQ(r.u64_max(value, "n"), value); }), "");
  }
}

TEST(Wire, SignedIntegers) {
  const std::pair<int64_t, std::string_view> cases[] = {
      {0, "00"},
      {-1, "01"},
      {1, "02"},
      {-64, "7f"},
      {64, "8001"},
      {-65, "8101"},
      {std::numeric_limits<int64_t>::max(), "feffffffffffffffff01"},
      {std::numeric_limits<int64_t>::min(), "ffffffffffffffffff01"},
  };
  for (auto [value, encoding] : cases) {
    Writer writer;
    writer.i64(value);
    EXPECT_EQ(hex(writer.view()), encoding);
    EXPECT_EQ(verdict(writer.view(), [&](Reader& r) { EXPECT_EQ(r.i64(), value); }), "");
  }
}

TEST(Wire, TheOtherTypes) {
  Writer writer;
  writer.u8(0xfe);
  writer.boolean(true);
  writer.boolean(false);
  writer.fixed("\x01\x02");
  writer.bytes("");
  writer.bytes("k\0y"sv);
  EXPECT_EQ(hex(writer.view()),
            "fe01000102"
            "00"
            "036b0079");
  EXPECT_EQ(writer.size(), 10u);
  EXPECT_EQ(verdict(writer.view(),
                    [](Reader& r) {
                      EXPECT_EQ(r.u8(), 0xfe);
                      EXPECT_TRUE(r.boolean());
                      EXPECT_FALSE(r.boolean());
                      EXPECT_EQ(r.fixed(2), "\x01\x02");
                      EXPECT_EQ(r.bytes(0, "none"), "");
                      EXPECT_EQ(r.bytes(3, "key"), "k\0y"sv);
                      EXPECT_TRUE(r.at_end());
                    }),
            "");
  EXPECT_EQ(hex(writer.take()),
            "fe01000102"
            "00"
            "036b0079");
}

TEST(Wire, BytesLongerThanOneLengthByte) {
  Bytes long_value(300, 'x');
  Writer writer;
  writer.bytes(long_value);
  EXPECT_EQ(writer.size(), 302u);
  EXPECT_EQ(verdict(writer.view(), [&](Reader& r) { EXPECT_EQ(r.bytes(300, "v"), long_value); }), "");
}

TEST(Wire, TextIsUtf8WithoutNul) {
  const std::string_view accepted[] = {
      "",
      "a",
      "\x7f",
      "\xc2\x80",
      "\xdf\xbf",
      "\xe0\xa0\x80",
      "\xed\x9f\xbf",
      "\xee\x80\x80",
      "\xef\xbf\xbf",
      "\xf0\x90\x80\x80",
      "\xf4\x8f\xbf\xbf",
      "caf\xc3\xa9 \xe2\x82\xac!",
  };
  for (std::string_view text : accepted) {
    Writer writer;
    writer.bytes(text);
    EXPECT_EQ(verdict(writer.view(), [&](Reader& r) { EXPECT_EQ(r.text(20, "label"), text); }), "");
  }
  const std::string_view refused[] = {
      "\0"sv,
      "a\0b"sv,
      "\x80",
      "\xbf",
      "\xc0\x80",
      "\xc1\xbf",
      "\xc2",
      "\xc2\x41",
      "\xe0\x9f\xbf",
      "\xe2\x82",
      "\xed\xa0\x80",
      "\xed\xbf\xbf",
      "\xe2\x82x",
      "\xf0\x8f\xbf\xbf",
      "\xf0\x90\x80",
      "\xf4\x90\x80\x80",
      "\xf5\x80\x80\x80",
      "ok\xff",
  };
  for (std::string_view text : refused) {
    Writer writer;
    writer.bytes(text);
    EXPECT_EQ(verdict(writer.view(), [](Reader& r) { EXPECT_EQ(r.text(20, "label"), ""); }),
              "it: label is not text (UTF-8 without NUL) at byte 0")
        << hex(text);
  }
  EXPECT_EQ(verdict(unhex("0261"), [](Reader& r) { EXPECT_EQ(r.text(20, "label"), ""); }),
            "it: truncated at byte 1");
  EXPECT_EQ(verdict(unhex("026161"), [](Reader& r) { EXPECT_EQ(r.text(1, "label"), ""); }),
            "it: label is 2 bytes; at most 1 at byte 0");
}

Bytes nested_message() {
  Writer writer;
  writer.begin(7);
  writer.u64(300);
  writer.begin(200);
  writer.bytes(Bytes(130, 'x'));
  writer.end();
  writer.begin(1);
  writer.end();
  writer.boolean(true);
  writer.end();
  return writer.take();
}

void read_nested(Reader& r) {
  EXPECT_EQ(r.begin(), 7u);
  EXPECT_EQ(r.u64(), 300u);
  EXPECT_EQ(r.begin(), 200u);
  EXPECT_EQ(r.bytes(130, "x").size(), 130u);
  EXPECT_TRUE(r.at_end());
  r.end();
  EXPECT_EQ(r.begin(), 1u);
  EXPECT_TRUE(r.at_end());
  r.end();
  EXPECT_FALSE(r.at_end());
  EXPECT_TRUE(r.boolean());
  r.end();
}

TEST(Wire, TextFromElsewhereIsMadeTextAndCutBetweenCharacters) {
  auto written = [](BytesView value, size_t max) {
    Writer writer;
    writer.text(value, max);
    Reader reader(writer.view());
    Bytes text(reader.text(max, "text"));
    EXPECT_TRUE(reader.finish("text"));
    return text;
  };
  EXPECT_EQ(written("plain", 5), "plain");
  EXPECT_EQ(written("plain", 4), "plai");
  EXPECT_EQ(written("", 0), "");
  EXPECT_EQ(written("a\xc3\xa9", 3), "a\xc3\xa9");
  EXPECT_EQ(written("a\xc3\xa9z", 2), "a");
  EXPECT_EQ(written(BytesView("\0\xed\xa0\x80\xe2\x82", 6), 10), "??????");
}

TEST(Wire, MessagesNest) {
  Bytes encoding = nested_message();
  EXPECT_EQ(hex(encoding.substr(0, 11)),
            "078d01"
            "ac02"
            "c8018401"
            "8201");
  EXPECT_EQ(hex(encoding.substr(encoding.size() - 3)), "010001");
  EXPECT_EQ(verdict(encoding, read_nested), "");
}

TEST(Wire, AMessageEndsWhereItsLengthSays) {
  // The inner message's only field claims bytes that belong to the outer one.
  EXPECT_EQ(verdict(unhex("0104"
                          "0201"
                          "03"
                          "61"),
                    [](Reader& r) {
                      r.begin();
                      r.begin();
                      EXPECT_EQ(r.bytes(10, "name"), "");
                      r.end();
                      r.end();
                    }),
            "it: truncated at byte 5");
}

TEST(Wire, TrailingFieldsMayBeAbsentOrSkippedButOnlyOnRequest) {
  auto older = unhex("010105");    // kind 1: one field
  auto newer = unhex("01020506");  // kind 1: two fields
  auto skipping = [](Reader& r) {
    EXPECT_EQ(r.begin(), 1u);
    EXPECT_EQ(r.u64(), 5u);
    uint64_t added = r.at_end() ? 42 : r.u64();
    EXPECT_TRUE(added == 42 || added == 6);
    r.end_skip();
  };
  EXPECT_EQ(verdict(older, skipping), "");
  EXPECT_EQ(verdict(newer, skipping), "");
  auto read_one = [](Reader& r) { r.begin(), r.u64(), r.end_skip(); };
  EXPECT_EQ(verdict(newer, read_one), "");
  auto strict = [](Reader& r) { r.begin(), r.u64(), r.end(); };
  EXPECT_EQ(verdict(newer, strict), "it: 1 bytes left over in a message at byte 3");
}

struct Refused {
  const char* encoding;  // hex
  const char* message;
  void (*read)(Reader&);
};

TEST(Wire, RefusesEverySecondEncodingAndSaysWhere) {
  constexpr auto u64 = [](Reader& r) { EXPECT_EQ(r.u64(), 0u); };
  constexpr auto i64 = [](Reader& r) { EXPECT_EQ(r.i64(), 0); };
  constexpr auto boolean = [](Reader& r) { EXPECT_FALSE(r.boolean()); };
  constexpr auto name = [](Reader& r) { r.bytes(5, "name"); };
  constexpr auto fixed = [](Reader& r) { EXPECT_EQ(r.fixed(3), ""); };
  constexpr auto message = [](Reader& r) { r.begin(), r.end(); };
  constexpr auto list = [](Reader& r) {
    for (size_t n = r.count(5, "names"); n > 0; --n) r.u8();
  };
  const Refused cases[] = {
      {"", "it: truncated at byte 0", u64},
      {"80", "it: truncated at byte 1", u64},
      {"ffffffffffffffffff", "it: truncated at byte 9", u64},
      {"8000", "it: overlong varint at byte 0", u64},
      {"8100", "it: overlong varint at byte 0", u64},
      {"80808080808080808000", "it: overlong varint at byte 0", u64},
      {"80808080808080808002", "it: varint over 64 bits at byte 0", u64},
      {"ffffffffffffffffff7f", "it: varint over 64 bits at byte 0", u64},
      {"8080808080808080808001", "it: varint over 64 bits at byte 0", u64},
      {"0000", "it: 1 bytes left over at byte 1", u64},
      {"8000", "it: overlong varint at byte 0", i64},
      {"6401", "it: number is 100; at most 99 at byte 0", [](Reader& r) { r.u64_max(99, "number"); }},
      {"8000", "it: overlong varint at byte 0", [](Reader& r) { r.u64_max(99, "number"); }},
      {"", "it: truncated at byte 0", [](Reader& r) { EXPECT_EQ(r.u8(), 0); }},
      {"", "it: truncated at byte 0", boolean},
      {"02", "it: boolean is 2; 0 or 1 at byte 0", boolean},
      {"ff", "it: boolean is 255; 0 or 1 at byte 0", boolean},
      {"6162", "it: truncated at byte 0", fixed},
      {"", "it: truncated at byte 0", name},
      {"01", "it: truncated at byte 1", name},
      {"05616263", "it: truncated at byte 1", name},
      {"8100"
       "61",
       "it: overlong varint at byte 0", name},
      {"06616263646566", "it: name is 6 bytes; at most 5 at byte 0", name},
      {"ffffffffffffffffff01", "it: name is 18446744073709551615 bytes; at most 5 at byte 0", name},
      {"0161"
       "00",
       "it: 1 bytes left over at byte 2", name},
      {"020102"
       "00",
       "it: 1 bytes left over at byte 3", list},
      {"0301", "it: truncated at byte 0", list},
      {"0201", "it: truncated at byte 0", list},
      {"06010101010101", "it: 6 names; at most 5 at byte 0", list},
      {"ffffffffffffffffff01", "it: 18446744073709551615 names; at most 5 at byte 0", list},
      {"", "it: truncated at byte 0", message},
      {"01", "it: truncated at byte 1", message},
      {"0101", "it: truncated at byte 1", message},
      {"01ffffffffffffffffff01", "it: truncated at byte 1", message},
      {"8100"
       "00",
       "it: overlong varint at byte 0", message},
      {"00"
       "8000",
       "it: overlong varint at byte 1", message},
      {"00"
       "0161",
       "it: 1 bytes left over in a message at byte 2", message},
      {"00"
       "00"
       "61",
       "it: 1 bytes left over at byte 2", message},
  };
  for (const Refused& c : cases) {
    SCOPED_TRACE(c.encoding);
    EXPECT_EQ(verdict(unhex(c.encoding), c.read), c.message);
  }
}

TEST(Wire, EveryProperPrefixOfAMessageIsRefused) {
  Bytes encoding = nested_message();
  for (size_t size = 0; size < encoding.size(); ++size) {
    std::string message = verdict(BytesView(encoding).substr(0, size), [](Reader& r) {
      r.begin(), r.u64();
      r.begin(), r.bytes(130, "x"), r.end();
      r.begin(), r.end();
      r.boolean(), r.end();
    });
    EXPECT_TRUE(message.starts_with("it: truncated at byte ")) << size << " " << message;
  }
}

TEST(Wire, TheFirstFaultIsKeptAndEverythingAfterItIsEmpty) {
  EXPECT_EQ(verdict(unhex("02"
                          "01"
                          "0161"
                          "0100"),
                    [](Reader& r) {
                      EXPECT_FALSE(r.boolean());
                      EXPECT_FALSE(r.ok());
                      EXPECT_TRUE(r.at_end());
                      EXPECT_EQ(r.u8(), 0);
                      EXPECT_EQ(r.u64(), 0u);
                      EXPECT_EQ(r.u64_max(9, "n"), 0u);
                      EXPECT_EQ(r.i64(), 0);
                      EXPECT_EQ(r.fixed(0), "");
                      EXPECT_EQ(r.bytes(9, "b"), "");
                      EXPECT_EQ(r.count(9, "c"), 0u);
                      EXPECT_EQ(r.begin(), 0u);
                      r.refuse("a second reason");
                      r.end();
                      EXPECT_TRUE(r.at_end());
                    }),
            "it: boolean is 2; 0 or 1 at byte 0");
}

TEST(Wire, ADecoderCanRefuseForItsOwnReason) {
  EXPECT_EQ(verdict(unhex("0901"
                          "05"),
                    [](Reader& r) {
                      if (r.begin() != 1) r.refuse("unknown kind");
                      r.end();
                    }),
            "it: unknown kind at byte 2");
}

TEST(Wire, AMessageThatIsNotReadToItsEndIsRefused) {
  EXPECT_EQ(verdict(unhex("0101"
                          "05"),
                    [](Reader& r) { r.begin(), r.u64(); }),
            "it: a message was not read to its end at byte 3");
}

TEST(Wire, LeavingAMessageThatWasNotEnteredIsOurOwnMistake) {
  Reader reader("");
  EXPECT_THROW(reader.end(), Panic);
  Writer writer;
  EXPECT_THROW(writer.end(), Panic);
}

// Deep nesting costs the reader memory in proportion to what its decoder asks for, never more.
TEST(Wire, DeepNestingIsReadBack) {
  Writer writer;
  for (int i = 0; i < 200; ++i) writer.begin(1);
  for (int i = 0; i < 200; ++i) writer.end();
  EXPECT_EQ(verdict(writer.view(),
                    [](Reader& r) {
                      for (int i = 0; i < 200; ++i) EXPECT_EQ(r.begin(), 1u);
                      for (int i = 0; i < 200; ++i) r.end();
                    }),
            "");
}

// Bytes that are often valid: small numbers, and now and then something odd.
Bytes random_input(std::mt19937_64& random) {
  Bytes input(random() % 40, '\0');
  for (char& c : input) c = static_cast<char>(random() % 4 == 0 ? random() : random() % 4);
  return input;
}

TEST(Wire, RandomBytesKeepThePromises) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 300'000; ++round) {
    Bytes program(random() % 8, '\0');
    for (char& c : program) c = kFields[random() % kFields.size()];
    Bytes input = random_input(random);
    ASSERT_EQ(CanonicalCheck().run(program, input), "") << program << " " << hex(input);
  }
}

TEST(Wire, RandomValuesAreReadBack) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 50'000; ++round) {
    uint64_t number = random() >> (random() % 64);
    int64_t signed_number = static_cast<int64_t>(random()) >> (random() % 64);
    Bytes value = random_input(random);
    Writer writer;
    writer.begin(number);
    writer.i64(signed_number), writer.bytes(value);
    writer.end();
    ASSERT_EQ(verdict(writer.view(),
                      [&](Reader& r) {
                        ASSERT_EQ(r.begin(), number);
                        ASSERT_EQ(r.i64(), signed_number);
                        ASSERT_EQ(r.bytes(40, "value"), value);
                        r.end();
                      }),
              "");
  }
}

}  // namespace
}  // namespace aspen::wire

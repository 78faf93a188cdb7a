#include "tools/bytes_text.h"

#include <gtest/gtest.h>

namespace aspen::tools {
namespace {

using namespace std::string_literals;

TEST(BytesText, HexBothWaysOfWriting) {
  EXPECT_EQ(decode("00fFaB", Encoding::HEX).value(), "\x00\xff\xab"s);
  EXPECT_EQ(decode("", Encoding::HEX).value(), "");
  EXPECT_EQ(decode("abc", Encoding::HEX).error().code, kUsage);
  EXPECT_EQ(decode("0g", Encoding::HEX).error().code, kUsage);
}

TEST(BytesText, Base64RoundTripOfEveryLength) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(decode(to_base64(bytes), Encoding::BASE64).value(), bytes);
    bytes.push_back(static_cast<char>(i * 37));
  }
  EXPECT_EQ(to_base64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
}

TEST(BytesText, Base64Refusals) {
  for (const char* bad : {"YQ=", "YQ", "Y", "====", "Y===", "YQ==YQ==", "Y!==", "a b="}) {
    EXPECT_EQ(decode(bad, Encoding::BASE64).error().code, kUsage) << bad;
  }
}

TEST(BytesText, Utf8) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("grün \xf0\x9f\x8c\xb2"));
  // Overlong, surrogate, past U+10FFFF, cut, lone continuation.
  for (const std::string& bad : {"\xc0\xaf"s, "\xe0\x80\xaf"s, "\xed\xa0\x80"s, "\xf4\x90\x80\x80"s,
                                 "\xe2\x82"s, "\x80"s, "\xff"s, "\xf0\x80\x80\x80"s}) {
    EXPECT_FALSE(is_utf8(bad)) << to_base64(bad);
  }
}

TEST(BytesText, DisplayNeverSendsControlBytes) {
  EXPECT_EQ(display("a\x1b[2Jb\n\t\\", 0), "a\\x1b[2Jb\\n\\t\\\\");
  EXPECT_EQ(display("\xc2\x9b", 0), "\\xc2\\x9b");
  EXPECT_EQ(display("\xff\x00"s, 0), "\\xff\\x00");
  EXPECT_EQ(display("grün", 0), "grün");
}

TEST(BytesText, DisplayCutsToWidth) {
  EXPECT_EQ(display("abcdef", 6), "abcdef");
  EXPECT_EQ(display("abcdefg", 6), "abcde…");
  EXPECT_EQ(columns(display("üüüüüüüü", 4)), 4u);
  EXPECT_LE(columns(display("abc\xff\xff", 6)), 6u);
}

TEST(BytesText, Durations) {
  EXPECT_EQ(parse_duration("500ms").value(), 500'000'000);
  EXPECT_EQ(parse_duration("10").value(), 10'000'000'000);
  EXPECT_EQ(parse_duration("1.5s").value(), 1'500'000'000);
  EXPECT_EQ(parse_duration("2m").value(), 120'000'000'000);
  for (const char* bad : {"", "0", "-1s", "5x", "s", "nan", "inf", "1e99", "10 s"}) {
    EXPECT_EQ(parse_duration(bad).error().code, kUsage) << bad;
  }
}

TEST(BytesText, ValuesFromTheCommandLine) {
  EXPECT_EQ(read_value("text").value(), "text");
  EXPECT_EQ(read_value("@@home").value(), "@home");
  EXPECT_EQ(read_value("@/nowhere/at/all").error().code, ASPEN_IO);
}

}  // namespace
}  // namespace aspen::tools

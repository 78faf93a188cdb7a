#include "core/base/base32.h"

#include <gtest/gtest.h>

#include <random>

namespace aspen {
namespace {

using namespace std::string_view_literals;

TEST(Base32, EncodesTheVectorsOfRfc4648InLowerCaseWithoutPadding) {
  const std::pair<BytesView, std::string_view> vectors[] = {
      {"", ""},
      {"f", "my"},
      {"fo", "mzxq"},
      {"foo", "mzxw6"},
      {"foob", "mzxw6yq"},
      {"fooba", "mzxw6ytb"},
      {"foobar", "mzxw6ytboi"},
      {"\0\xff"sv, "ad7q"},
  };
  for (auto [bytes, text] : vectors) {
    EXPECT_EQ(base32_encode(bytes), text);
    auto decoded = base32_decode(text, "text");
    ASSERT_TRUE(decoded) << decoded.error().to_string();
    EXPECT_EQ(*decoded, bytes);
  }
}

TEST(Base32, RefusesEveryOtherSpelling) {
  const std::pair<std::string_view, std::string_view> refused[] = {
      {"a", "the text is not complete base32: it has 1 characters"},
      {"mzx", "the text is not complete base32: it has 3 characters"},
      {"mzxw6y", "the text is not complete base32: it has 6 characters"},
      {"mz", "the text is not complete base32: it has 2 characters"},  // "my" with a spare bit set
      {"MY", "the text has a character at position 0 that is not of a-z or 2-7"},
      {"my======", "the text has a character at position 2 that is not of a-z or 2-7"},
      {"m1", "the text has a character at position 1 that is not of a-z or 2-7"},
      {"m8", "the text has a character at position 1 that is not of a-z or 2-7"},
      {" my", "the text has a character at position 0 that is not of a-z or 2-7"},
      {"my\n", "the text has a character at position 2 that is not of a-z or 2-7"},
      {"m\0"sv, "the text has a character at position 1 that is not of a-z or 2-7"},
      {"m\xc3\xa9", "the text has a character at position 1 that is not of a-z or 2-7"},
  };
  for (auto [text, message] : refused) {
    auto decoded = base32_decode(text, "the text");
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code, Code::INVALID_ARGUMENT);
    EXPECT_EQ(decoded.error().message, message);
  }
}

TEST(Base32, NoTwoTextsOfTwoCharactersReadAsTheSameByte) {
  int accepted = 0;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      std::string text{static_cast<char>(first), static_cast<char>(second)};
      auto decoded = base32_decode(text, "text");
      if (!decoded) continue;
      ++accepted;
      ASSERT_EQ(base32_encode(*decoded), text);
    }
  }
  EXPECT_EQ(accepted, 256);
}

TEST(Base32, RandomBytesSurviveAndRandomTextIsReadOnlyInItsOneForm) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes(random() % 70, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    auto decoded = base32_decode(base32_encode(bytes), "text");
    ASSERT_TRUE(decoded);
    ASSERT_EQ(*decoded, bytes);

    std::string text(random() % 12, '\0');
    for (char& c : text) c = "abcdefghijklmnopqrstuvwxyz234567A=\xff"[random() % 35];
    if (auto read = base32_decode(text, "text")) ASSERT_EQ(base32_encode(*read), text);
  }
}

}  // namespace
}  // namespace aspen

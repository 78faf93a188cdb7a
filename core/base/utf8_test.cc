#include "core/base/utf8.h"

#include <gtest/gtest.h>

namespace aspen {
namespace {

TEST(Utf8, WhatIsText) {
  for (BytesView text : {"", "aspen", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8c\xb3", "\xf4\x8f\xbf\xbf",
                         "\xed\x9f\xbf\xee\x80\x80", "\xef\xbb\xbf", "\x01\x7f"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  EXPECT_TRUE(is_utf8(BytesView("a\0b", 3)));
}

TEST(Utf8, WhatIsNot) {
  for (BytesView text :
       {"\x80", "a\xff", "\xc3", "\xc3(", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_FALSE(is_utf8(text));
  }
}

TEST(Utf8, SizesOfCharacters) {
  const BytesView text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\xb3\xff";
  EXPECT_EQ(utf8_character_size(text, 0), 1u);
  EXPECT_EQ(utf8_character_size(text, 1), 2u);
  EXPECT_EQ(utf8_character_size(text, 2), 0u);
  EXPECT_EQ(utf8_character_size(text, 3), 3u);
  EXPECT_EQ(utf8_character_size(text, 6), 4u);
  EXPECT_EQ(utf8_character_size(text, 10), 0u);
}

}  // namespace
}  // namespace aspen

#include "core/base/bytes.h"

#include <gtest/gtest.h>

#include <vector>

namespace aspen {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

TEST(PrefixEnd, IsTheSmallestStringAfterEveryStringWithThePrefix) {
  EXPECT_EQ(prefix_end("a"), "b");
  EXPECT_EQ(prefix_end("user/"), "user0");
  EXPECT_EQ(prefix_end("\0"sv), "\x01"sv);
  EXPECT_EQ(prefix_end("a\xff"sv), "b");
  EXPECT_EQ(prefix_end("a\xff\xff"sv), "b");
  EXPECT_EQ(prefix_end("\x7f"sv), "\x80"sv);
  EXPECT_EQ(prefix_end("\xfe\xff"sv), "\xff"sv);
}

TEST(PrefixEnd, IsEmptyWhenThereIsNoSuchString) {
  EXPECT_EQ(prefix_end(""), "");
  EXPECT_EQ(prefix_end("\xff"sv), "");
  EXPECT_EQ(prefix_end("\xff\xff\xff"sv), "");
}

// Over all strings of up to two bytes drawn from the interesting values: `key < end` is the same as
// "key < prefix, or key starts with prefix".
TEST(PrefixEnd, SeparatesStringsWithThePrefixFromLaterOnes) {
  std::vector<Bytes> all{""};
  const Bytes values = "\0\x01\x7f\x80\xfe\xff"s;
  for (char a : values) {
    all.push_back(Bytes(1, a));
    for (char b : values) all.push_back(Bytes{a, b});
  }
  for (const Bytes& prefix : all) {
    Bytes end = prefix_end(prefix);
    for (const Bytes& key : all) {
      bool below_end = end.empty() || key < end;
      EXPECT_EQ(below_end, key < prefix || key.starts_with(prefix));
    }
  }
}

}  // namespace
}  // namespace aspen

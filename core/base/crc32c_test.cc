#include "core/base/crc32c.h"

#include <gtest/gtest.h>

#include <random>

namespace aspen {
namespace {

// RFC 3720 (iSCSI), appendix B.4.
TEST(Crc32c, KnownSums) {
  Bytes rising;
  for (int i = 0; i < 32; ++i) rising.push_back(static_cast<char>(i));
  for (auto sum : {crc32c, crc32c_by_table}) {
    EXPECT_EQ(sum("", 0), 0u);
    EXPECT_EQ(sum("123456789", 0), 0xe3069283u);
    EXPECT_EQ(sum(Bytes(32, '\0'), 0), 0x8a9136aau);
    EXPECT_EQ(sum(Bytes(32, '\xff'), 0), 0x62a8ab43u);
    EXPECT_EQ(sum(rising, 0), 0x46dd794eu);
  }
}

TEST(Crc32c, BothWaysAgreeAndGoOnFromAnyPoint) {
  std::mt19937 random(1);
  Bytes bytes;
  for (int i = 0; i < 100; ++i) bytes.push_back(static_cast<char>(random()));
  for (size_t size = 0; size <= bytes.size(); ++size) {
    BytesView all = BytesView(bytes).substr(0, size);
    EXPECT_EQ(crc32c(all), crc32c_by_table(all));
    for (size_t cut = 0; cut <= size; ++cut) {
      EXPECT_EQ(crc32c(all.substr(cut), crc32c(all.substr(0, cut))), crc32c(all));
    }
  }
}

}  // namespace
}  // namespace aspen

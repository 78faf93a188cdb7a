#include "core/base/hash.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <set>

namespace aspen {
namespace {

std::string hex(const Hash& h) {
  return fmt::format("{:02x}", fmt::join(h, ""));
}

Bytes counting_bytes(size_t size) {
  Bytes bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i);
  return bytes;
}

// Computed with Python, independently of libsodium and of our codec:
//   hashlib.blake2b(b"".join(varint(len(p)) + p for p in (domain, *parts)), digest_size=32)
TEST(Hash, AgreesWithPython) {
  EXPECT_EQ(hex(hash("", {})), "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314");
  EXPECT_EQ(hex(hash("aspen/test/1", {})),
            "d897f86a5cd1535b1f29818d3ef817ce06d79cd67e448c1fd11efc9948cfcedd");
  EXPECT_EQ(hex(hash("aspen/test/1", {""})),
            "a4e8979b7607ec1d70a80ca97bd9ebd3003d67e14dbaee1bc396c5f3f25e37ca");
  EXPECT_EQ(hex(hash("aspen/test/1", {"abc"})),
            "d527724eeaa7aa6abbae8ce6452778dd756bbe813c77a2d026dbcebae3a076bb");
  EXPECT_EQ(hex(hash("aspen/test/1", {"ab", "c"})),
            "95a776383970b54c38fe3b90d0857e118fdb70ab17d14034d8370065f5029a95");
  EXPECT_EQ(hex(hash("aspen/test/1", {"abc", ""})),
            "f2d68e11b021d4df1079cee032cbf462a778e2826bd2249bc231b35299bfa157");
  EXPECT_EQ(hex(hash("aspen/test/2", {"abc"})),
            "d677f07fbc6ccef154860105923fca1ade82b7050a1ae97362aefd5df5a781e9");
}

// The length prefix grows from one byte to two at 128.
TEST(Hash, AgreesWithPythonAboutLongParts) {
  EXPECT_EQ(hex(hash("aspen/test/1", {Bytes(127, '\0')})),
            "d7badc167dcefaadd87f2ba682ccb7c04f7d643d38b36435985bcb0686c24d19");
  EXPECT_EQ(hex(hash("aspen/test/1", {Bytes(128, '\0')})),
            "4acf34dca23f5ae300c0dc4d0e2e9ed29380db468c173ddc146fe83fb3d0325f");
  EXPECT_EQ(hex(hash("aspen/test/1", {counting_bytes(16384)})),
            "57be0bbdcb7da23eee163ecbde8cebbb1b7633a7510ce7a4052c3f17375ceca1");
}

TEST(Hash, WhereOnePartEndsMatters) {
  std::set<Hash> hashes{
      hash("d", {"abc"}),     hash("d", {"ab", "c"}),     hash("d", {"a", "bc"}),
      hash("d", {"", "abc"}), hash("d", {"abc", ""}),     hash("da", {"bc"}),
      hash("dabc", {}),       hash("d", {"a", "b", "c"}), hash("d", {"\x01", "ab"}),
  };
  EXPECT_EQ(hashes.size(), 9u);
}

TEST(Hash, ViewIsItsBytes) {
  Hash h = hash("d", {"x"});
  EXPECT_EQ(hash_view(h).size(), 32u);
  EXPECT_EQ(static_cast<uint8_t>(hash_view(h)[31]), h[31]);
}

}  // namespace
}  // namespace aspen

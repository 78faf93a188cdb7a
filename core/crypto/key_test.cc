#include "core/crypto/key.h"

#include <gtest/gtest.h>

namespace aspen::crypto {
namespace {

Seed seed_of(uint8_t byte) {
  Seed seed;
  seed.fill(byte);
  return seed;
}

class KeyTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialize(); }
};

TEST_F(KeyTest, SeedDeterminesTheKey) {
  EXPECT_EQ(KeyPair::from_seed(seed_of(1)).id(), KeyPair::from_seed(seed_of(1)).id());
  EXPECT_NE(KeyPair::from_seed(seed_of(1)).id(), KeyPair::from_seed(seed_of(2)).id());
  EXPECT_EQ(KeyPair::from_seed(seed_of(7)).seed(), seed_of(7));
  EXPECT_NE(KeyPair::generate().id(), KeyPair::generate().id());
}

// RFC 8032, section 7.1, test 1: the empty message.
TEST_F(KeyTest, MatchesTheStandard) {
  Seed seed{0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
            0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
  KeyPair key = KeyPair::from_seed(seed);
  EXPECT_EQ(key.id().key[0], 0xd7);
  EXPECT_EQ(key.id().key[31], 0x1a);
  Signature signature = key.sign("");
  EXPECT_EQ(signature[0], 0xe5);
  EXPECT_EQ(signature[63], 0x0b);
}

TEST_F(KeyTest, VerifyRefusesEverythingElse) {
  KeyPair key = KeyPair::from_seed(seed_of(1));
  Signature signature = key.sign("message");
  BytesView good = as_bytes(signature.data(), signature.size());
  EXPECT_TRUE(verify(key.id(), "message", good));
  EXPECT_FALSE(verify(key.id(), "messagf", good));
  EXPECT_FALSE(verify(key.id(), "message", good.substr(1)));
  EXPECT_FALSE(verify(key.id(), "message", ""));
  EXPECT_FALSE(verify(KeyPair::from_seed(seed_of(2)).id(), "message", good));
  EXPECT_FALSE(verify(NodeId{}, "message", good));
  signature[10] ^= 1;
  EXPECT_FALSE(verify(key.id(), "message", as_bytes(signature.data(), signature.size())));
}

TEST_F(KeyTest, Moves) {
  KeyPair a = KeyPair::from_seed(seed_of(1));
  NodeId id = a.id();
  KeyPair b = std::move(a);
  EXPECT_EQ(b.id(), id);
  KeyPair c = KeyPair::from_seed(seed_of(2));
  c = std::move(b);
  Signature signature = c.sign("x");
  EXPECT_TRUE(verify(id, "x", as_bytes(signature.data(), signature.size())));
}

}  // namespace
}  // namespace aspen::crypto

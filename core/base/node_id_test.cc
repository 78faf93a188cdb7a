#include "core/base/node_id.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace aspen {
namespace {

NodeId counting_id() {
  NodeId id;
  for (size_t i = 0; i < id.key.size(); ++i) id.key[i] = static_cast<uint8_t>(i);
  return id;
}

// Computed with Python's base64.b32encode.
constexpr std::string_view kCountingText = "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq";

TEST(NodeId, TextFormIsFixed) {
  EXPECT_EQ(counting_id().to_string(), kCountingText);
  EXPECT_EQ(counting_id().short_string(), "aaaqeaye");
  EXPECT_EQ(NodeId{}.to_string(), std::string(NodeId::kTextSize, 'a'));
}

TEST(NodeId, ReadsWhatItWrote) {
  auto id = NodeId::parse(kCountingText);
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, counting_id());
  auto same = NodeId::from_bytes(id->view());
  ASSERT_TRUE(same);
  EXPECT_EQ(*same, *id);
}

TEST(NodeId, OrderIsThatOfTheBytes) {
  NodeId low, high;
  low.key[31] = 0xff;
  high.key[0] = 0x80;
  EXPECT_LT(low, high);
  EXPECT_EQ(low < high, low.view() < high.view());
}

TEST(NodeId, WorksAsAHashKey) {
  std::unordered_set<NodeId> ids{counting_id(), NodeId{}, counting_id()};
  EXPECT_EQ(ids.size(), 2u);
}

TEST(NodeId, RefusesEveryOtherText) {
  std::string text(kCountingText);
  auto replaced = [&text](size_t position, char c) {
    std::string copy = text;
    copy[position] = c;
    return copy;
  };
  const std::pair<std::string, std::string_view> refused[] = {
      {"", "a node id is 52 characters, not 0"},
      {text.substr(1), "a node id is 52 characters, not 51"},
      {text + "a", "a node id is 52 characters, not 53"},
      {std::string(1 << 20, 'a'), "a node id is 52 characters, not 1048576"},
      {replaced(0, 'A'), "node id has a character at position 0 that is not of a-z or 2-7"},
      {replaced(51, '='), "node id has a character at position 51 that is not of a-z or 2-7"},
      {replaced(7, '\0'), "node id has a character at position 7 that is not of a-z or 2-7"},
      {replaced(7, '1'), "node id has a character at position 7 that is not of a-z or 2-7"},
      {replaced(51, 'r'), "node id is not complete base32: it has 52 characters"},  // spare bits set
  };
  for (const auto& [text, message] : refused) {
    auto id = NodeId::parse(text);
    ASSERT_FALSE(id) << message;
    EXPECT_EQ(id.error().code, Code::INVALID_ARGUMENT);
    EXPECT_EQ(id.error().message, message);
  }
}

TEST(NodeId, RefusesBytesOfAnotherSize) {
  for (size_t size : {0u, 31u, 33u, 64u}) {
    auto id = NodeId::from_bytes(Bytes(size, 'x'));
    ASSERT_FALSE(id);
    EXPECT_EQ(id.error().message, fmt::format("a node id is 32 bytes, not {}", size));
  }
}

}  // namespace
}  // namespace aspen

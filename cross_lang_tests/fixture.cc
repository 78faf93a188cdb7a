#include "cross_lang_tests/fixture.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <vector>

#include "core/crypto/key.h"

namespace aspen {

const Json& fixture(const std::string& name) {
  crypto::initialize();
  static std::map<std::string, Json> loaded;
  auto [entry, is_new] = loaded.try_emplace(name);
  if (is_new) {
    std::ifstream file(fmt::format("{}/cross_lang_tests/fixtures/{}.json", ASPEN_SOURCE_DIR, name));
    entry->second = Json::parse(file);
  }
  return entry->second;
}

std::string str(const Json& text) {
  return text.get<std::string>();
}

std::string hex(BytesView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (char c : bytes) {
    auto byte = static_cast<uint8_t>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Bytes unhex(const Json& text) {
  Bytes bytes;
  const auto& digits = text.get_ref<const std::string&>();
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

NodeId id_of(const Json& text) {
  auto id = NodeId::from_bytes(unhex(text));
  EXPECT_TRUE(id);
  return id.value_or(NodeId{});
}

WallNs now_of(const std::string& name) {
  return std::stoll(str(fixture(name)["now"]));
}

bool says(const Error& error, const std::string& reason) {
  static const std::map<std::string, std::vector<std::string>> texts{
      {"truncated", {"truncated at byte"}},
      {"overlong", {"overlong varint at byte"}},
      {"range", {"varint over 64 bits at byte"}},
      {"boolean", {"boolean is"}},
      {"limit", {"; at most "}},
      {"text", {"is not text (UTF-8 without NUL)"}},
      {"order",
       {"keys are not in ascending order", "are not in order", "not sorted by peer", "voters not sorted"}},
      {"kind", {"kind", "unknown command"}},
      {"left_over", {"bytes left over"}},
      {"length", {"a node id is 52 characters, not"}},
      {"character", {"that is not of a-z or 2-7"}},
      {"incomplete", {"is not complete base32"}},
      {"value",
       {"unknown error code",
        "in the wrong order",
        "peer 0",
        "member role",
        "entry kind",
        "data in a noop",
        "without a voter",
        "rest at byte",
        "transfer in a pre-vote",
        "entry term",
        "of a compare",
        "unknown operation",
        "without a session",
        "freshness of a request",
        "age_max of a read",
        "a body in a request",
        "a leader with another error",
        "asks for equal",
        "exists is 0 or 1",
        "of an earlier revision",
        "unknown result",
        "is of another revision",
        "some records of those erased",
        "without events",
        "without leases",
        "that is not complete before",
        "a compacted revision with",
        "an owner of zeros",
        "to one node, or from one"}},
      {"address", {"address \""}},
  };
  return std::ranges::any_of(texts.at(reason), [&](const std::string& text) {
    return error.message.find(text) != std::string::npos;
  });
}

}  // namespace aspen

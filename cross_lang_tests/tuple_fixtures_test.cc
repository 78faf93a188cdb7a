// The engine reads tuple.json (docs/wire.md section 13): tuples pack to the stated bytes and come back, bytes
// and tuples that are none are refused with the code and the message that every language has for them.
#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <optional>

#include "core/kv/subspace.h"
#include "cross_lang_tests/fixture.h"

namespace aspen {
namespace {

using kv::Tuple;
using kv::TupleItem;

template <typename T>
bool parse(const std::string& text, T& value, int base) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<Tuple> tuple_of(const Json& spelled);

// Nothing for an integer that no C++ type we take holds.
std::optional<TupleItem> item_of(const Json& spelled) {
  if (spelled.is_null()) return TupleItem();
  if (spelled.is_boolean()) return TupleItem(spelled.get<bool>());
  if (spelled.is_array()) {
    auto inner = tuple_of(spelled);
    if (!inner) return std::nullopt;
    return TupleItem(*std::move(inner));
  }
  const std::string& kind = spelled.begin().key();
  const std::string body = str(spelled.begin().value());
  if (kind == "bytes") return TupleItem(kv::Blob{unhex(body)});
  if (kind == "text") return TupleItem(kv::Text{body});
  if (kind == "uuid") {
    kv::Uuid uuid;
    unhex(body).copy(reinterpret_cast<char*>(uuid.bytes.data()), uuid.bytes.size());
    return TupleItem(uuid);
  }
  if (kind == "int") {
    int64_t low = 0;
    uint64_t high = 0;
    if (parse(body, low, 10)) return TupleItem(low);
    if (parse(body, high, 10)) return TupleItem(high);
    return std::nullopt;
  }
  uint64_t bits = 0;
  EXPECT_TRUE(parse(body, bits, 16)) << spelled;
  if (kind == "float") return TupleItem(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  EXPECT_EQ(kind, "double");
  return TupleItem(std::bit_cast<double>(bits));
}

std::optional<Tuple> tuple_of(const Json& spelled) {
  Tuple tuple;
  for (const Json& item : spelled) {
    auto value = item_of(item);
    if (!value) return std::nullopt;
    tuple.push_back(*std::move(value));
  }
  return tuple;
}

TEST(TupleFixtures, ValidTuplesArePackedAndUnpacked) {
  for (const Json& row : fixture("tuple")["valid"]) {
    SCOPED_TRACE(str(row["name"]));
    const Tuple tuple = tuple_of(row["value"]).value();
    auto packed = kv::pack(tuple);
    ASSERT_TRUE(packed) << packed.error().message;
    EXPECT_EQ(hex(*packed), str(row["hex"]));
    auto unpacked = kv::unpack(unhex(row["hex"]));
    ASSERT_TRUE(unpacked) << unpacked.error().message;
    EXPECT_EQ(*unpacked, tuple);
  }
  for (const Json& row : fixture("tuple")["nans"]) {
    EXPECT_EQ(hex(kv::pack(tuple_of(row["value"]).value()).value()), str(row["hex"])) << row;
  }
}

TEST(TupleFixtures, TheOrderIsThatOfTheEncodings) {
  const Json& rows = fixture("tuple")["order"];
  std::vector<Tuple> tuples;
  for (const Json& row : rows) {
    tuples.push_back(tuple_of(row["value"]).value());
    EXPECT_EQ(hex(kv::pack(tuples.back()).value()), str(row["hex"])) << row;
  }
  for (size_t i = 0; i < tuples.size(); ++i) {
    for (size_t k = 0; k < tuples.size(); ++k) {
      ASSERT_EQ(kv::compare(tuples[i], tuples[k]), i <=> k) << rows[i] << rows[k];
      ASSERT_EQ(unhex(rows[i]["hex"]) <=> unhex(rows[k]["hex"]), i <=> k) << rows[i] << rows[k];
    }
  }
}

TEST(TupleFixtures, RangesHoldWhatBeginsSo) {
  for (const Json& row : fixture("tuple")["ranges"]) {
    SCOPED_TRACE(row.dump());
    const kv::KeyRange range = kv::tuple_range(tuple_of(row["value"]).value()).value();
    EXPECT_EQ(hex(range.start), str(row["start"]));
    EXPECT_EQ(hex(range.end), str(row["end"]));
    for (const Json& key : row["inside"]) EXPECT_TRUE(range.contains(unhex(key))) << key;
    for (const Json& key : row["outside"]) EXPECT_FALSE(range.contains(unhex(key))) << key;
  }
}

TEST(TupleFixtures, SubspacesHoldTheirKeys) {
  for (const Json& row : fixture("tuple")["subspaces"]) {
    SCOPED_TRACE(row.dump());
    const Tuple value = tuple_of(row["value"]).value();
    auto space = kv::Subspace(unhex(row["prefix"])).subspace(tuple_of(row["tuple"]).value()).value();
    EXPECT_EQ(hex(space.pack(value).value()), str(row["key"]));
    EXPECT_TRUE(space.contains(unhex(row["key"])));
    EXPECT_EQ(space.unpack(unhex(row["key"])).value(), value);
    EXPECT_EQ(hex(space.range().value().start), str(row["start"]));
    EXPECT_EQ(hex(space.range().value().end), str(row["end"]));
    for (const Json& key : row["outside"]) {
      EXPECT_FALSE(space.contains(unhex(key))) << key;
      EXPECT_FALSE(space.unpack(unhex(key))) << key;
    }
  }
}

TEST(TupleFixtures, OthersAreRefused) {
  for (const Json& row : fixture("tuple")["invalid"]) {
    SCOPED_TRACE(str(row["name"]));
    auto tuple = kv::unpack(unhex(row["hex"]));
    ASSERT_FALSE(tuple);
    EXPECT_EQ(tuple.error().name(), str(row["code"]));
    EXPECT_EQ(tuple.error().message, str(row["message"]));
  }
  size_t refused = 0;
  for (const Json& row : fixture("tuple")["unpackable"]) {
    SCOPED_TRACE(str(row["name"]));
    auto tuple = tuple_of(row["value"]);
    if (!tuple) continue;
    ++refused;
    auto packed = kv::pack(*tuple);
    ASSERT_FALSE(packed);
    EXPECT_EQ(packed.error().name(), str(row["code"]));
    EXPECT_EQ(packed.error().message, str(row["message"]));
  }
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace aspen

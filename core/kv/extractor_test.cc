#include "core/kv/extractor.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "core/kv/index_limits.h"
#include "core/kv/tuple.h"

namespace aspen::kv {
namespace {

std::vector<Bytes> packed(std::vector<TupleItem> items) {
  std::vector<Bytes> all;
  for (TupleItem& item : items) all.push_back(*pack(Tuple{std::move(item)}));
  return all;
}

std::vector<Bytes> found(BytesView extractor, BytesView value) {
  auto parsed = Extractor::parse(extractor);
  EXPECT_TRUE(parsed) << parsed.error().to_string();
  return parsed ? parsed->extract(value) : std::vector<Bytes>();
}

TEST(Extractor, FindsScalarsByTheirPointer) {
  const char* user = R"({"user": {"email": "ada@example.org", "age": 36, "x/y": 1, "m~n": -2}, "ok": true})";
  EXPECT_EQ(found("json:/user/email", user), packed({"ada@example.org"}));
  EXPECT_EQ(found("json:/user/age", user), packed({36}));
  EXPECT_EQ(found("json:/user/x~1y", user), packed({1}));
  EXPECT_EQ(found("json:/user/m~0n", user), packed({-2}));
  EXPECT_EQ(found("json:/ok", user), packed({true}));
  EXPECT_EQ(found("json:/user", user), packed({}));
  EXPECT_EQ(found("json:/user/name", user), packed({}));
  EXPECT_EQ(found("json:/user/age/1", user), packed({}));
  EXPECT_EQ(found("json:", user), packed({}));
  EXPECT_EQ(found("json:", " 7 "), packed({7}));
  EXPECT_EQ(found("json:/", R"({"": null})"), packed({nullptr}));
}

TEST(Extractor, NumbersAreIntegersOrDoubles) {
  EXPECT_EQ(found("json:", "18446744073709551615"), packed({UINT64_MAX}));
  EXPECT_EQ(found("json:", "-9223372036854775808"), packed({INT64_MIN}));
  EXPECT_EQ(found("json:", "18446744073709551616"), packed({18446744073709551616.0}));
  EXPECT_EQ(found("json:", "2.50"), packed({2.5}));
  EXPECT_EQ(found("json:", "1e2"), packed({100.0}));
  EXPECT_EQ(found("json:", "-0.0"), packed({-0.0}));
  EXPECT_EQ(found("json:", "1e999"), packed({})) << "no double is so large";
  EXPECT_EQ(found("number:", "10"), packed({10.0}));
  EXPECT_EQ(found("number:", "9.5"), packed({9.5}));
  EXPECT_LT(found("number:", "9.5"), found("number:", "10"));
  EXPECT_EQ(found("number:", "18446744073709551615"), packed({18446744073709551615.0}));
  EXPECT_EQ(found("number:", "\"10\""), packed({}));
}

TEST(Extractor, AnArrayStandsForItsElements) {
  EXPECT_EQ(found("json:/tags", R"({"tags": ["b", "a", "b", {"c": 1}, ["d"], null]})"),
            packed({nullptr, "a", "b"}));
  EXPECT_EQ(found("json:/tags/1", R"({"tags": ["b", "a"]})"), packed({"a"}));
  EXPECT_EQ(found("json:/1/0", R"([0, [5, 6], 7])"), packed({5}));
  EXPECT_EQ(found("json:/01", R"([0, 1])"), packed({})) << "no array index";
  EXPECT_EQ(found("json:/-", R"([0, 1])"), packed({}));
  std::string many = "[";
  for (int i = 0; i < 100; ++i) many += (i == 0 ? "" : ",") + std::to_string(i);
  EXPECT_EQ(found("json:", many + "]").size(), limits::kIndexValuesMax);
}

TEST(Extractor, WhatIsNotJsonHasNoValue) {
  for (const char* value :
       {"", "{", "[1", "1 2", "{\"a\": 1,}", "nul", "\"\xff\"", "01", "{\"a\" 1}", "\"\\ud800\""}) {
    EXPECT_EQ(found("json:", value), packed({})) << value;
    EXPECT_EQ(found("json:/a", value), packed({})) << value;
  }
  EXPECT_EQ(found("json:/a", R"({"a": 1} x)"), packed({}));
}

TEST(Extractor, OfANameTwiceTheLastCounts) {
  EXPECT_EQ(found("json:/a", R"({"a": [1, 2], "a": 3})"), packed({3}));
  EXPECT_EQ(found("json:/a/b", R"({"a": {"b": 1}, "a": {}})"), packed({}));
  EXPECT_EQ(found("json:/a/b", R"({"a": {"b": 1}, "a": {"b": 2}})"), packed({2}));
}

TEST(Extractor, WhatIsTooLongIsNotIndexed) {
  const std::string longest(limits::kIndexValueBytesMax - 2, 'x');
  EXPECT_EQ(found("json:", '"' + longest + '"'), packed({Text{longest}}));
  EXPECT_EQ(found("json:", '"' + longest + "x\""), packed({}));
  EXPECT_EQ(found("json:", "[1,\"" + longest + "x\"]"), packed({1}));
  EXPECT_EQ(found("value", longest), packed({Blob{longest}}));
  EXPECT_EQ(found("value", longest + "x"), packed({}));
  EXPECT_EQ(found("json:", std::string(limits::kIndexDocumentBytesMax - 1, ' ') + "1"), packed({1}));
  EXPECT_EQ(found("json:", std::string(limits::kIndexDocumentBytesMax, ' ') + "1"), packed({}));
  // Deep, and no stack is used for it.
  EXPECT_EQ(found("json:", std::string(limits::kIndexDocumentBytesMax, '[')), packed({}));
}

TEST(Extractor, ReadsTuplesTheProgramHasPacked) {
  Bytes value = *pack({"ada", TupleItem(Tuple{"x", 2, Blob{"b"}}), 7, Blob{"the rest"}});
  EXPECT_EQ(found("tuple:0", value), packed({"ada"}));
  EXPECT_EQ(found("tuple:1", value), packed({Blob{"b"}, "x", 2}));
  EXPECT_EQ(found("tuple:2", value), packed({7}));
  EXPECT_EQ(found("tuple:4", value), packed({}));
  EXPECT_EQ(found("tuple:0", value + "\x7f"), packed({}));
}

TEST(Extractor, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "json", "xml:/a", "json:a", "tuple:", "tuple:-1", "tuple:1x", "value:"}) {
    auto parsed = Extractor::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::INVALID_ARGUMENT);
  }
  EXPECT_EQ(Extractor::parse("json:/a~2").error().message,
            "the extractor \"json:/a~2\" has a ~ that is neither ~0 nor ~1");
  EXPECT_FALSE(Extractor::parse("json:/~"));
  EXPECT_FALSE(Extractor::parse("json:/\xff"));
  EXPECT_EQ(Extractor::parse("json:/" + std::string(limits::kExtractorBytesMax, 'a')).error().code,
            Code::LIMIT_EXCEEDED);
}

// --- against a document that is built ---

std::string random_json(std::mt19937_64& random, int depth) {
  auto below = [&](uint64_t n) { return random() % n; };
  switch (below(depth > 3 ? 4 : 7)) {
    case 0:
      return std::to_string(static_cast<int64_t>(below(5)) - 2);
    case 1:
      return below(2) == 0 ? "1.5" : "\"\\u00e9\"";
    case 2:
      return below(2) == 0 ? "true" : "null";
    case 3:
      return "\"a\"";
    case 4: {
      std::string array = "[";
      for (uint64_t n = below(4); n > 0; --n) array += random_json(random, depth + 1) + (n > 1 ? "," : "");
      return array + "]";
    }
    default: {
      std::string object = "{";
      for (uint64_t n = below(4); n > 0; --n) {
        object += std::string(1, '"') + "ab0"[below(3)] + "\": " + random_json(random, depth + 1) +
                  (n > 1 ? "," : "");
      }
      return object + "}";
    }
  }
}

void add_scalar(const nlohmann::json& json, std::vector<TupleItem>& items) {
  if (json.is_null()) items.push_back(nullptr);
  if (json.is_boolean()) items.push_back(json.get<bool>());
  if (json.is_number_float()) items.push_back(json.get<double>());
  if (json.is_number_integer()) items.push_back(json.get<int64_t>());
  if (json.is_string()) items.push_back(Text{json.get<std::string>()});
}

TEST(Extractor, FindsWhatADocumentHolds) {
  std::mt19937_64 random(1);
  size_t hits = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = random_json(random, 0);
    if (random() % 20 == 0) text.resize(random() % (text.size() + 1));
    std::string pointer;
    for (uint64_t n = random() % 4; n > 0; --n) pointer += std::string("/") + "ab01"[random() % 4];
    std::vector<TupleItem> items;
    nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_discarded()) {
      const nlohmann::json* at = &json;
      for (size_t slash = 0; at != nullptr && slash < pointer.size(); slash += 2) {
        const std::string token = pointer.substr(slash + 1, 1);
        const bool is_index = token == "0" || token == "1";
        if (at->is_object()) {
          at = at->contains(token) ? &at->at(token) : nullptr;
        } else {
          const size_t index = token == "1" ? 1 : 0;
          at = at->is_array() && is_index && index < at->size() ? &at->at(index) : nullptr;
        }
      }
      if (at != nullptr) add_scalar(*at, items);
      if (at != nullptr && at->is_array()) {
        for (const nlohmann::json& element : *at) add_scalar(element, items);
      }
    }
    std::vector<Bytes> expected = packed(std::move(items));
    std::ranges::sort(expected);
    expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
    hits += expected.empty() ? 0 : 1;
    ASSERT_EQ(found("json:" + pointer, text), expected) << pointer << " in " << text;
  }
  EXPECT_GT(hits, 3000u);
}

}  // namespace
}  // namespace aspen::kv

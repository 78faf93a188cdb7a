#include "core/kv/tuple.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "core/base/limits.h"
#include "core/kv/subspace.h"
#include "core/kv/tuple_check.h"

namespace aspen::kv {
namespace {

using std::numeric_limits;

constexpr double kInfinity = numeric_limits<double>::infinity();

template <size_t N>
Bytes raw(const char (&literal)[N]) {
  return Bytes(literal, N - 1);
}

Blob blob(Bytes bytes) {
  return {std::move(bytes)};
}

TupleItem nested(Tuple tuple) {
  return TupleItem(std::move(tuple));
}

Tuple nested_to(size_t depth) {
  Tuple tuple;
  for (size_t i = 0; i < depth; ++i) {
    Tuple outer;
    outer.emplace_back(std::move(tuple));
    tuple = std::move(outer);
  }
  return tuple;
}

template <typename T>
std::string refusal(const Result<T>& result) {
  return result ? "OK" : result.error().to_string();
}

// The test cases of the public description of the format (FoundationDB, design/tuple.md).
TEST(Tuple, PublicExamples) {
  EXPECT_EQ(pack({blob(raw("foo\x00"
                           "bar"))})
                .value(),
            raw("\x01"
                "foo\x00\xff"
                "bar\x00"));
  EXPECT_EQ(pack({Text{raw("F\xc3\x94O\x00"
                           "bar")}})
                .value(),
            raw("\x02"
                "F\xc3\x94O\x00\xff"
                "bar\x00"));
  EXPECT_EQ(pack({nested({blob(raw("foo\x00"
                                   "bar")),
                          nullptr, nested({})})})
                .value(),
            raw("\x05\x01"
                "foo\x00\xff"
                "bar\x00\x00\xff\x05\x00\x00"));
  EXPECT_EQ(pack({-5551212}).value(), raw("\x11\xabK\x93"));
  EXPECT_EQ(pack({-42.0f}).value(), raw("\x20\x3d\xd7\xff\xff"));
  EXPECT_EQ(pack({-1}).value(), raw("\x13\xfe"));
}

TEST(Tuple, AnItemKeepsItsType) {
  const Tuple tuple{nullptr, blob("b"), "t",  nested({1}), -1, numeric_limits<uint64_t>::max(),
                    1.5f,    2.5,       true, Uuid{}};
  const Tuple again = unpack(pack(tuple).value()).value();
  ASSERT_EQ(again, tuple);
  EXPECT_NE(again[0].get<std::monostate>(), nullptr);
  EXPECT_EQ(again[1].get<Blob>()->bytes, "b");
  EXPECT_EQ(again[2].get<Text>()->utf8, "t");
  EXPECT_EQ(*again[3].get<Tuple>(), Tuple{1});
  EXPECT_EQ(*again[4].get<int64_t>(), -1);
  EXPECT_EQ(*again[5].get<uint64_t>(), numeric_limits<uint64_t>::max());
  EXPECT_EQ(*again[6].get<float>(), 1.5f);
  EXPECT_EQ(*again[7].get<double>(), 2.5);
  EXPECT_EQ(*again[8].get<bool>(), true);
  EXPECT_NE(again[9].get<Uuid>(), nullptr);
  EXPECT_EQ(again[9].get<bool>(), nullptr);
  // An integer is the same whatever type it came from.
  EXPECT_EQ(TupleItem(5u), TupleItem(int64_t{5}));
  EXPECT_NE(TupleItem(5u).get<int64_t>(), nullptr);
}

// Ascending; among them every type, what borders on another type, and what a plain encoding gets wrong.
std::vector<Tuple> ladder() {
  constexpr int64_t kMin = numeric_limits<int64_t>::min(), kMax = numeric_limits<int64_t>::max();
  constexpr uint64_t kTop = numeric_limits<uint64_t>::max();
  Uuid low, high;
  low.bytes[15] = 1;
  high.bytes[0] = 0x80;
  std::vector<Tuple> all{
      {},
      {nullptr},
      {nullptr, nullptr},
      {nullptr, blob("")},
      {blob("")},
      {blob(""), nullptr},
      {blob(""), Uuid{}},
      {blob(raw("\x00"))},
      {blob(raw("\x00\x00"))},
      {blob(raw("\x00\x01"))},
      {blob(raw("\x00\xff"))},
      {blob(raw("\x01"))},
      {blob("a")},
      {blob("a"), nullptr},
      {blob(raw("a\x00"))},
      {blob(raw("a\x00")), nullptr},
      {blob("aa")},
      {blob("\x80")},
      {blob("\xff")},
      {blob("\xff\xff")},
      {""},
      {"", 0},
      {Text{raw("\x00")}},
      {"9"},
      {"a"},
      {"a", "b"},
      {"ab"},
      {"\xef\xbf\xbd"},      // U+FFFD, below U+10000 here and above its surrogates in UTF-16
      {"\xf0\x90\x80\x80"},  // U+10000
      {nested({})},
      {nested({}), nullptr},
      {nested({nullptr})},
      {nested({nullptr, nullptr})},
      {nested({nullptr, nested({})})},
      {nested({blob("")})},
      {nested({"a"})},
      {nested({"a"}), 1},
      {nested({"a", nullptr})},
      {nested({"a", 1})},
      {nested({"b"})},
      {nested({nested({nullptr})})},
      {nested({Uuid{}})},
  };
  for (int64_t n : {kMin,
                    kMin + 1,
                    -(int64_t{1} << 56),
                    1 - (int64_t{1} << 56),
                    -65537L,
                    -65536L,
                    -65535L,
                    -257L,
                    -256L,
                    -255L,
                    -254L,
                    -2L,
                    -1L,
                    0L,
                    1L,
                    2L,
                    254L,
                    255L,
                    256L,
                    257L,
                    65535L,
                    65536L,
                    (int64_t{1} << 56) - 1,
                    int64_t{1} << 56,
                    kMax}) {
    all.push_back({n});
    all.push_back({n, nullptr});
  }
  for (uint64_t n : {uint64_t{kMax} + 1, kTop - 1, kTop}) all.push_back({n});
  constexpr float kFloatMax = numeric_limits<float>::max(), kFloatLow = numeric_limits<float>::denorm_min();
  for (float x : {-HUGE_VALF, -kFloatMax, -1.5f, -1.0f, -kFloatLow, -0.0f, 0.0f, kFloatLow, 1.0f, 1.5f,
                  kFloatMax, HUGE_VALF, NAN}) {
    all.push_back({x});
  }
  constexpr double kMost = numeric_limits<double>::max(), kLeast = numeric_limits<double>::denorm_min();
  for (double x : {-kInfinity, -kMost, -1e9, -1.0, -kLeast, -0.0, 0.0, kLeast, 1.0, 1.0000000000000002, 1e9,
                   kMost, kInfinity, std::nan("")}) {
    all.push_back({x});
  }
  for (TupleItem item :
       {TupleItem(false), TupleItem(true), TupleItem(Uuid{}), TupleItem(low), TupleItem(high)}) {
    all.push_back({item});
  }
  return all;
}

TEST(Tuple, EncodingsAreInTheOrderOfTuples) {
  const std::vector<Tuple> all = ladder();
  for (size_t i = 0; i < all.size(); ++i) {
    const Bytes a = pack(all[i]).value();
    EXPECT_EQ(unpack(a).value(), all[i]) << i;
    for (size_t k = 0; k < all.size(); ++k) {
      const Bytes b = pack(all[k]).value();
      EXPECT_EQ(compare(all[i], all[k]), i <=> k) << i << " " << k;
      ASSERT_EQ(TupleCheck().run(a, b), "") << i << " " << k;
    }
  }
}

TEST(Tuple, ThereIsOneNan) {
  const double negative = std::bit_cast<double>(0xfff8000000000000u);
  const double payload = std::bit_cast<double>(0x7ff0000000000001u);
  const Bytes the_nan = raw("\x21\xff\xf8\x00\x00\x00\x00\x00\x00");
  for (double nan : {std::nan(""), negative, payload}) {
    EXPECT_EQ(pack({nan}).value(), the_nan);
    EXPECT_EQ(TupleItem(nan), TupleItem(std::nan("7")));
    EXPECT_GT(TupleItem(nan), TupleItem(kInfinity));
  }
  EXPECT_EQ(pack({std::bit_cast<float>(0xffc00001u)}).value(), raw("\x20\xff\xc0\x00\x00"));
  EXPECT_LT(TupleItem(-0.0), TupleItem(0.0));
}

// ---- random tuples: few different values, so that beginnings are shared.

class RandomTuples {
 public:
  explicit RandomTuples(uint64_t seed) : random_(seed) {}

  Tuple next(size_t depth = 0) {
    Tuple tuple;
    for (size_t n = random_() % 4; n > 0; --n) tuple.push_back(item(depth));
    return tuple;
  }

  uint64_t number() { return random_(); }

 private:
  TupleItem item(size_t depth) {
    switch (random_() % 9) {
      case 0:
        return nullptr;
      case 1:
        return blob(string(BytesView("\x00\x01\xff", 3)));
      case 2:
        return Text{string(BytesView("\x00z", 2))};
      case 3:
        return depth < 4 ? TupleItem(next(depth + 1)) : TupleItem();
      case 4:
        return static_cast<int64_t>(random_()) >> random_() % 64;
      case 5:
        return random_() >> random_() % 64;
      case 6:
        return std::bit_cast<float>(static_cast<uint32_t>(random_() << random_() % 32));
      case 7:
        return std::bit_cast<double>(random_() << random_() % 64);
      default:
        return random_() % 2 == 0 ? TupleItem(random_() % 2 == 0) : uuid();
    }
  }

  TupleItem uuid() {
    Uuid uuid;
    uuid.bytes[random_() % 16] = static_cast<uint8_t>(random_());
    return uuid;
  }

  Bytes string(BytesView alphabet) {
    Bytes bytes(random_() % 4, '\0');
    for (char& byte : bytes) byte = alphabet[random_() % alphabet.size()];
    return bytes;
  }

  std::mt19937_64 random_;
};

TEST(Tuple, RandomTuplesComeBackAndCompareAsTheirEncodings) {
  RandomTuples tuples(1);
  Tuple last;
  for (int round = 0; round < 20'000; ++round) {
    Tuple tuple = tuples.next();
    if (tuples.number() % 3 == 0) tuple.insert(tuple.begin(), last.begin(), last.end());
    const Bytes packed = pack(tuple).value();
    ASSERT_EQ(unpack(packed).value(), tuple);
    ASSERT_EQ(TupleCheck().run(packed, pack(last).value()), "");
    last = std::move(tuple);
    if (last.size() > 6) last.clear();
  }
}

TEST(Tuple, AnyBytesAreRefusedOrTheOneEncoding) {
  RandomTuples tuples(2);
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = pack(tuples.next()).value();
    const Bytes other = bytes;
    for (size_t n = 1 + tuples.number() % 3; n > 0; --n) {
      const size_t at = tuples.number() % (bytes.size() + 1);
      constexpr BytesView kLikely("\x00\xff\x01\x05\x0c\x15\x1c\x20\x21\x30", 10);
      const char byte = tuples.number() % 2 == 0 ? kLikely[tuples.number() % kLikely.size()]
                                                 : static_cast<char>(tuples.number());
      const uint64_t change = tuples.number() % 3;
      if (change == 0) bytes.insert(at, 1, byte);
      if (change == 1 && at < bytes.size()) bytes[at] = byte;
      if (change == 2) bytes.resize(at);
    }
    ASSERT_EQ(TupleCheck().run(bytes, other), "") << round;
  }
}

// ---- refusals

TEST(Tuple, AFaultNamesTheByteOfItsItem) {
  auto fault = [](const Bytes& bytes) { return refusal(unpack(bytes)); };
  EXPECT_EQ(fault("\x15"), "INVALID_ARGUMENT: tuple: truncated at byte 0");
  EXPECT_EQ(fault(raw("\x00\x16\x01")), "INVALID_ARGUMENT: tuple: truncated at byte 1");
  EXPECT_EQ(fault("\x01"
                  "abc"),
            "INVALID_ARGUMENT: tuple: truncated at byte 0");
  EXPECT_EQ(fault(raw("\x05\x14\x02z\x00\xff")), "INVALID_ARGUMENT: tuple: truncated at byte 2");
  EXPECT_EQ(fault(raw("\x14\x05\x14")), "INVALID_ARGUMENT: tuple: truncated at byte 1");
  EXPECT_EQ(fault(raw("\x16\x00\x01")), "INVALID_ARGUMENT: tuple: overlong integer at byte 0");
  EXPECT_EQ(fault(raw("\x14\x12\xff\xfe")), "INVALID_ARGUMENT: tuple: overlong integer at byte 1");
  EXPECT_EQ(fault(raw("\x0c\x7f\xff\xff\xff\xff\xff\xff\xfe")),
            "UNSUPPORTED: tuple: integer below -2^63 at byte 0");
  EXPECT_EQ(fault("\x1d\x09"), "UNSUPPORTED: tuple: unsupported type code 0x1d at byte 0");
  EXPECT_EQ(fault(raw("\x00\x00\xff")), "INVALID_ARGUMENT: tuple: unknown type code 0xff at byte 2");
  EXPECT_EQ(fault(raw("\x02\xc3\x00")), "INVALID_ARGUMENT: tuple: text that is not UTF-8 at byte 0");
  EXPECT_EQ(fault(raw("\x20\x00\x3f\xff\xff")), "INVALID_ARGUMENT: tuple: NaN of another form at byte 0");
  // Every code is of a type, of the public format only, or nobody's.
  size_t ours = 0, unsupported = 0;
  for (int code = 0; code < 256; ++code) {
    const std::string said = fault(Bytes(1, static_cast<char>(code)));
    ours += said == "OK" || said.ends_with("truncated at byte 0") ? 1 : 0;
    unsupported += said.starts_with("UNSUPPORTED") ? 1 : 0;
  }
  EXPECT_EQ(ours, 26u);
  EXPECT_EQ(unsupported, 26u);
}

TEST(Tuple, WhatCannotBePackedNamesItsItem) {
  EXPECT_EQ(refusal(pack({1, Text{"\xff"}})), "INVALID_ARGUMENT: tuple: text that is not UTF-8 in item 1");
  EXPECT_EQ(refusal(pack({nested({Text{"\xed\xa0\x80"}})})),
            "INVALID_ARGUMENT: tuple: text that is not UTF-8 in item 0");
}

TEST(Tuple, DepthAndSizeHaveALimit) {
  const size_t depth = limits::kTupleDepthMax, size = limits::kTupleBytesMax;
  const Bytes deepest = pack(nested_to(depth)).value();
  EXPECT_EQ(unpack(deepest).value(), nested_to(depth));
  EXPECT_EQ(refusal(pack(nested_to(depth + 1))),
            "LIMIT_EXCEEDED: tuple: more than 32 tuples inside each other in item 0");
  EXPECT_EQ(refusal(unpack("\x05" + deepest + raw("\x00"))),
            "LIMIT_EXCEEDED: tuple: more than 32 tuples inside each other at byte 32");

  const std::string too_long = "LIMIT_EXCEEDED: tuple: more than 65536 bytes";
  EXPECT_EQ(refusal(unpack(pack({blob(Bytes(size - 2, 'x'))}).value())), "OK");
  EXPECT_EQ(refusal(pack({blob(Bytes(size - 1, 'x'))})), too_long);
  EXPECT_EQ(refusal(pack({blob(Bytes(size / 2, '\0'))})), too_long);
  EXPECT_EQ(refusal(pack({blob(Bytes(size + 1, 'x'))})), too_long);
  EXPECT_EQ(refusal(pack({}, Bytes(size, 'x'))), "OK");
  EXPECT_EQ(refusal(pack({1}, Bytes(size, 'x'))), too_long);
  EXPECT_EQ(refusal(pack({}, Bytes(size + 1, 'x'))), too_long);
  EXPECT_EQ(refusal(unpack(Bytes(size, '\0'))), "OK");
  EXPECT_EQ(refusal(unpack(Bytes(size + 1, '\0'))), too_long);
}

// ---- subspaces

TEST(Subspace, KeysAreTuplesBehindThePrefix) {
  const Subspace users = Subspace::of({"app", "users"}).value();
  const Bytes key = users.pack({42, "name"}).value();
  EXPECT_EQ(key, pack({"app", "users", 42, "name"}).value());
  EXPECT_EQ(users.unpack(key).value(), (Tuple{42, "name"}));
  EXPECT_EQ(users.unpack(users.prefix()).value(), Tuple{});
  const Subspace user = users.subspace({42}).value();
  EXPECT_EQ(user.unpack(key).value(), Tuple{"name"});
  EXPECT_EQ(user.prefix(), users.pack({42}).value());
  EXPECT_TRUE(users.range().value().contains(key));
  EXPECT_TRUE(users.range({42}).value().contains(key));
  EXPECT_FALSE(users.range({42, "name"}).value().contains(key));
  EXPECT_FALSE(users.range({41}).value().contains(key));
  EXPECT_FALSE(users.range().value().contains(users.prefix()));
}

TEST(Subspace, SiblingsDoNotMeet) {
  const Subspace mine = Subspace::of({blob("a")}).value();
  const Bytes longer = pack({blob(raw("a\x00z")), 1}).value();
  ASSERT_TRUE(longer.starts_with(mine.prefix()));
  EXPECT_FALSE(mine.contains(longer));
  EXPECT_FALSE(mine.range().value().contains(longer));
  EXPECT_EQ(refusal(mine.unpack(longer)), "INVALID_ARGUMENT: tuple: the key is outside the subspace");
  EXPECT_EQ(refusal(mine.unpack(pack({blob("b"), 1}).value())),
            "INVALID_ARGUMENT: tuple: the key is outside the subspace");
  EXPECT_EQ(refusal(mine.unpack("")), "INVALID_ARGUMENT: tuple: the key is outside the subspace");
}

TEST(Subspace, APrefixNeedNotBeATuple) {
  const Subspace raw_space(Bytes("\xff\x03"));
  const Bytes key = raw_space.pack({nullptr, 7}).value();
  EXPECT_EQ(raw_space.unpack(key).value(), (Tuple{nullptr, 7}));
  EXPECT_EQ(refusal(raw_space.unpack(key + "\x15")), "INVALID_ARGUMENT: tuple: truncated at byte 5");
  EXPECT_TRUE(Subspace().contains(key) == false);
  EXPECT_EQ(Subspace().unpack(pack({1}).value()).value(), Tuple{1});
}

}  // namespace
}  // namespace aspen::kv

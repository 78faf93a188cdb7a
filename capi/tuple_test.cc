// Tuples of aspen.h: what the items become and come back as, what is refused, what is borrowed.
#include <aspen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>

namespace {

struct Free {
  void operator()(aspen_tuple_t* tuple) const { aspen_tuple_free(tuple); }
};
using TuplePtr = std::unique_ptr<aspen_tuple_t, Free>;

constexpr uint8_t kUuid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

TuplePtr made() {
  aspen_tuple_t* tuple = nullptr;
  EXPECT_EQ(aspen_tuple_new(&tuple), ASPEN_OK);
  return TuplePtr(tuple);
}

std::string text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

std::string packed(aspen_tuple_t* tuple, const std::string& prefix = "") {
  const uint8_t* data = nullptr;
  size_t size = 0;
  EXPECT_EQ(aspen_tuple_pack(tuple, prefix.data(), prefix.size(), &data, &size), ASPEN_OK)
      << aspen_tuple_message(tuple);
  return text(data, size);
}

int32_t unpack(aspen_tuple_t* tuple, const std::string& key, const std::string& prefix = "") {
  return aspen_tuple_unpack(tuple, prefix.data(), prefix.size(), key.data(), key.size());
}

aspen_tuple_item_t item(const aspen_tuple_t* tuple, size_t index) {
  aspen_tuple_item_t read;
  EXPECT_EQ(aspen_tuple_item(tuple, index, &read), ASPEN_OK) << index;
  return read;
}

// One of each type, with (null, ()) inside.
TuplePtr everything() {
  TuplePtr tuple = made();
  aspen_tuple_t* t = tuple.get();
  EXPECT_EQ(aspen_tuple_add_null(t), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_bytes(t, "a\0b", 3), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_text(t, "\xc3\xa9", 2), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_begin(t), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_null(t), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_begin(t), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_end(t), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_end(t), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_int(t, -1), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_uint(t, 5), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_uint(t, UINT64_MAX), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_float(t, -42.0f), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_double(t, 1.5), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_bool(t, 7), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_bool(t, 0), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_uuid(t, kUuid), ASPEN_OK);
  return tuple;
}

void check_everything(const aspen_tuple_t* t) {
  constexpr int32_t kTypes[] = {ASPEN_TUPLE_NULL,   ASPEN_TUPLE_BYTES, ASPEN_TUPLE_TEXT, ASPEN_TUPLE_BEGIN,
                                ASPEN_TUPLE_NULL,   ASPEN_TUPLE_BEGIN, ASPEN_TUPLE_END,  ASPEN_TUPLE_END,
                                ASPEN_TUPLE_INT,    ASPEN_TUPLE_INT,   ASPEN_TUPLE_UINT, ASPEN_TUPLE_FLOAT,
                                ASPEN_TUPLE_DOUBLE, ASPEN_TUPLE_BOOL,  ASPEN_TUPLE_BOOL, ASPEN_TUPLE_UUID};
  ASSERT_EQ(aspen_tuple_count(t), std::size(kTypes));
  for (size_t i = 0; i < std::size(kTypes); ++i) EXPECT_EQ(item(t, i).type, kTypes[i]) << i;
  EXPECT_EQ(text(item(t, 1).data, item(t, 1).size), std::string("a\0b", 3));
  EXPECT_EQ(text(item(t, 2).data, item(t, 2).size), "\xc3\xa9");
  EXPECT_EQ(item(t, 8).int_value, -1);
  EXPECT_EQ(item(t, 9).int_value, 5);
  EXPECT_EQ(item(t, 10).uint_value, UINT64_MAX);
  EXPECT_EQ(item(t, 11).float_value, -42.0);
  EXPECT_EQ(item(t, 12).float_value, 1.5);
  EXPECT_EQ(item(t, 13).int_value, 1);
  EXPECT_EQ(item(t, 14).int_value, 0);
  EXPECT_EQ(text(item(t, 15).data, item(t, 15).size), text(kUuid, sizeof kUuid));
  aspen_tuple_item_t none;
  EXPECT_EQ(aspen_tuple_item(t, std::size(kTypes), &none), ASPEN_NOT_FOUND);
}

TEST(CapiTuple, ItemsArePackedAndComeBack) {
  TuplePtr tuple = everything();
  check_everything(tuple.get());
  const std::string key = packed(tuple.get());
  constexpr char kExpected[] =
      "\0\1a\0\xff"
      "b\0\2\xc3\xa9\0\5\0\xff\5\0\0\x13\xfe\x15\5\x1c\xff\xff\xff\xff\xff\xff\xff\xff\x20\x3d\xd7\xff\xff"
      "\x21\xbf\xf8\0\0\0\0\0\0\x27\x26\x30";
  EXPECT_EQ(key, std::string(kExpected, sizeof kExpected - 1) + text(kUuid, sizeof kUuid));
  TuplePtr again = made();
  ASSERT_EQ(unpack(again.get(), key), ASPEN_OK);
  check_everything(again.get());
  EXPECT_EQ(packed(again.get()), key);
  // What was unpacked can be extended.
  EXPECT_EQ(aspen_tuple_add_int(again.get(), 0), ASPEN_OK);
  EXPECT_EQ(packed(again.get()), key + "\x14");
  aspen_tuple_clear(again.get());
  EXPECT_EQ(packed(again.get()), "");
}

TEST(CapiTuple, APrefixIsASubspace) {
  TuplePtr tuple = made();
  EXPECT_EQ(aspen_tuple_add_text(tuple.get(), "u", 1), ASPEN_OK);
  const std::string users = packed(tuple.get());
  aspen_tuple_clear(tuple.get());
  EXPECT_EQ(aspen_tuple_add_int(tuple.get(), 7), ASPEN_OK);
  const std::string key = packed(tuple.get(), users);
  EXPECT_EQ(key, std::string("\2u\0\x15\7", 5));
  ASSERT_EQ(unpack(tuple.get(), key, users), ASPEN_OK);
  ASSERT_EQ(aspen_tuple_count(tuple.get()), 1u);
  EXPECT_EQ(item(tuple.get(), 0).int_value, 7);

  const uint8_t *start = nullptr, *end = nullptr;
  size_t start_size = 0, end_size = 0;
  ASSERT_EQ(aspen_tuple_range(tuple.get(), users.data(), users.size(), &start, &start_size, &end, &end_size),
            ASPEN_OK);
  EXPECT_EQ(text(start, start_size), key + std::string(1, '\0'));
  EXPECT_EQ(text(end, end_size), key + "\xff");

  for (const std::string& other : {std::string("\2v\0\x15\7", 5), users + "\xff", std::string()}) {
    EXPECT_EQ(unpack(tuple.get(), other, users), ASPEN_INVALID_ARGUMENT);
    EXPECT_STREQ(aspen_tuple_message(tuple.get()), "tuple: the key is outside the subspace");
    EXPECT_EQ(aspen_tuple_count(tuple.get()), 0u);
  }
}

TEST(CapiTuple, WhatIsRefusedSaysWhy) {
  TuplePtr tuple = made();
  aspen_tuple_t* t = tuple.get();
  EXPECT_STREQ(aspen_tuple_message(t), "");
  EXPECT_EQ(aspen_tuple_add_text(t, "\xff", 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_STREQ(aspen_tuple_message(t), "tuple: text that is not UTF-8");
  EXPECT_EQ(aspen_tuple_end(t), ASPEN_INVALID_ARGUMENT);
  EXPECT_STREQ(aspen_tuple_message(t), "tuple: aspen_tuple_end without aspen_tuple_begin");
  EXPECT_EQ(aspen_tuple_count(t), 0u);
  EXPECT_EQ(aspen_tuple_add_int(t, 1), ASPEN_OK);
  EXPECT_EQ(unpack(t, std::string("\x14\x16\0\1", 4)), ASPEN_INVALID_ARGUMENT);
  EXPECT_STREQ(aspen_tuple_message(t), "tuple: overlong integer at byte 1");
  EXPECT_EQ(aspen_tuple_count(t), 0u);
  EXPECT_EQ(unpack(t, "\x1d"), ASPEN_UNSUPPORTED);
  EXPECT_STREQ(aspen_tuple_message(t), "tuple: unsupported type code 0x1d at byte 0");

  const uint8_t* data = nullptr;
  size_t size = 0;
  EXPECT_EQ(aspen_tuple_begin(t), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_pack(t, nullptr, 0, &data, &size), ASPEN_INVALID_ARGUMENT);
  EXPECT_STREQ(aspen_tuple_message(t), "tuple: aspen_tuple_begin without aspen_tuple_end");
  for (uint64_t i = 1; i < aspen_limit_get(ASPEN_LIMIT_TUPLE_DEPTH); ++i)
    EXPECT_EQ(aspen_tuple_begin(t), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_begin(t), ASPEN_LIMIT_EXCEEDED);
  EXPECT_STREQ(aspen_tuple_message(t), "tuple: more than 32 tuples inside each other");
}

TEST(CapiTuple, SizesAreChecked) {
  const size_t max = aspen_limit_get(ASPEN_LIMIT_TUPLE_BYTES);
  const std::string most(max - 2, 'x');
  TuplePtr tuple = made();
  EXPECT_EQ(aspen_tuple_add_bytes(tuple.get(), most.data(), most.size()), ASPEN_OK);
  const std::string key = packed(tuple.get());
  EXPECT_EQ(key.size(), max);
  EXPECT_EQ(unpack(tuple.get(), key), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_null(tuple.get()), ASPEN_LIMIT_EXCEEDED);
  EXPECT_EQ(aspen_tuple_count(tuple.get()), 1u);
  EXPECT_EQ(unpack(tuple.get(), key + "x"), ASPEN_LIMIT_EXCEEDED);
  // Not read, so it need not be there.
  EXPECT_EQ(aspen_tuple_add_text(tuple.get(), "x", SIZE_MAX / 2), ASPEN_LIMIT_EXCEEDED);
  EXPECT_EQ(aspen_tuple_add_bytes(tuple.get(), "x", SIZE_MAX), ASPEN_LIMIT_EXCEEDED);
  EXPECT_STREQ(aspen_tuple_message(tuple.get()), "tuple: more than 65536 bytes");
  for (size_t i = 0; i < max; ++i) ASSERT_EQ(aspen_tuple_add_null(tuple.get()), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_null(tuple.get()), ASPEN_LIMIT_EXCEEDED);
}

TEST(CapiTuple, TheKeyMayBeItsOwn) {
  TuplePtr tuple = made();
  const std::string inner("\2in\0\x15\1", 6);
  EXPECT_EQ(aspen_tuple_add_bytes(tuple.get(), inner.data(), inner.size()), ASPEN_OK);
  const aspen_tuple_item_t own = item(tuple.get(), 0);
  ASSERT_EQ(aspen_tuple_unpack(tuple.get(), own.data, 4, own.data, own.size), ASPEN_OK);
  EXPECT_EQ(item(tuple.get(), 0).int_value, 1);
}

TEST(CapiTuple, NullPointersAreRefused) {
  TuplePtr tuple = made();
  aspen_tuple_t* t = tuple.get();
  const uint8_t* data = nullptr;
  size_t size = 0;
  aspen_tuple_item_t read;
  EXPECT_EQ(aspen_tuple_new(nullptr), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_null(nullptr), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_bytes(nullptr, "x", 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_text(nullptr, "x", 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_int(nullptr, 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_uint(nullptr, 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_float(nullptr, 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_double(nullptr, 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_bool(nullptr, 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_uuid(nullptr, kUuid), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_begin(nullptr), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_end(nullptr), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_pack(nullptr, nullptr, 0, &data, &size), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_unpack(nullptr, nullptr, 0, "x", 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_item(nullptr, 0, &read), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_count(nullptr), 0u);
  EXPECT_STREQ(aspen_tuple_message(nullptr), "");
  aspen_tuple_clear(nullptr);
  aspen_tuple_free(nullptr);

  EXPECT_EQ(aspen_tuple_add_bytes(t, nullptr, 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_text(t, nullptr, 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_add_uuid(t, nullptr), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_pack(t, nullptr, 1, &data, &size), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_pack(t, nullptr, 0, nullptr, &size), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_pack(t, nullptr, 0, &data, nullptr), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_range(t, nullptr, 0, &data, &size, &data, nullptr), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_unpack(t, nullptr, 1, "x", 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_unpack(t, nullptr, 0, nullptr, 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_tuple_item(t, 0, nullptr), ASPEN_INVALID_ARGUMENT);
  // Nothing is no fault.
  EXPECT_EQ(aspen_tuple_add_bytes(t, nullptr, 0), ASPEN_OK);
  EXPECT_EQ(aspen_tuple_add_text(t, nullptr, 0), ASPEN_OK);
  EXPECT_EQ(packed(t), std::string("\1\0\2\0", 4));
  EXPECT_EQ(aspen_tuple_unpack(t, nullptr, 0, nullptr, 0), ASPEN_OK);
}

}  // namespace

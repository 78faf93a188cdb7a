// What every Directory does, for the tests of each.
#pragma once

#include <gtest/gtest.h>

#include "core/journal/directory.h"

namespace aspen::journal {

inline Bytes read(const File& file, uint64_t offset, size_t size) {
  Bytes bytes(size, '?');
  auto got = file.read(offset, bytes);
  EXPECT_TRUE(got);
  bytes.resize(*got);
  return bytes;
}

inline void check_contract(Directory& directory) {
  auto file = directory.create("a");
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->write(0, "hello"));
  EXPECT_TRUE((*file)->write_synced(8, "world"));
  EXPECT_TRUE((*file)->sync());
  EXPECT_EQ((*file)->size(), 13u);
  EXPECT_EQ(read(**file, 0, 20), Bytes("hello\0\0\0world", 13));
  EXPECT_EQ(read(**file, 8, 3), "wor");
  EXPECT_EQ(read(**file, 13, 3), "");
  EXPECT_EQ(read(**file, 99, 3), "");

  EXPECT_TRUE(directory.rename("a", "b"));
  EXPECT_TRUE((*file)->write(0, "H"));
  auto again = directory.open("b");
  ASSERT_TRUE(again);
  EXPECT_EQ(read(**again, 0, 5), "Hello");
  EXPECT_TRUE(directory.create("c"));
  EXPECT_EQ(directory.list(), (std::vector<std::string>{"b", "c"}));
  EXPECT_TRUE(directory.remove("c"));
  EXPECT_TRUE(directory.sync());
  EXPECT_EQ(directory.list(), std::vector<std::string>{"b"});
  auto missing = directory.open("a");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::IO);
}

}  // namespace aspen::journal

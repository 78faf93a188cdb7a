#include "core/base/assert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aspen {
namespace {

TEST(Assert, HoldsSilently) {
  int evaluated = 0;
  ASPEN_ASSERT(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

TEST(Assert, ThrowsAPanicNamingTheExpressionAndThePlace) {
  try {
    ASPEN_ASSERT(1 + 1 == 3);
    FAIL() << "no panic";
  } catch (const Panic& panic) {
    EXPECT_THAT(panic.what(), testing::HasSubstr("assertion failed: 1 + 1 == 3 ("));
    EXPECT_THAT(panic.what(), testing::HasSubstr("assert_test.cc:"));
  }
}

}  // namespace
}  // namespace aspen

#include "core/rt/env.h"

#include <gtest/gtest.h>

namespace aspen::rt {
namespace {

TEST(SystemEnv, ReadsClocksAndRandomness) {
  Env& env = system_env();
  TimeNs before = env.now();
  EXPECT_GE(env.now(), before);
  EXPECT_GT(env.wall_now(), WallNs{1'600'000'000} * kSecond);
  EXPECT_NE(env.random_u64(), env.random_u64());
  EXPECT_EQ(&system_env(), &env);
}

}  // namespace
}  // namespace aspen::rt

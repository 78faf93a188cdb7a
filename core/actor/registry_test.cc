#include "core/actor/registry.h"

#include <gtest/gtest.h>

#include "core/base/limits.h"

namespace aspen::actor {
namespace {

constexpr ActorId kA{1};
constexpr ActorId kB{2};

TEST(Registry, ANameLeadsToItsHolder) {
  Registry registry;
  EXPECT_TRUE(registry.take("router", kA));
  EXPECT_TRUE(registry.take("alias", kA));
  EXPECT_EQ(registry.find("router"), kA);
  EXPECT_EQ(registry.find("nobody"), ActorId());
  EXPECT_EQ(registry.names_of(kA), (std::vector<std::string>{"alias", "router"}));
  EXPECT_TRUE(registry.names_of(kB).empty());
}

TEST(Registry, AReleasedNameCanBeTaken) {
  Registry registry;
  EXPECT_TRUE(registry.take("router", kA));
  EXPECT_TRUE(registry.release("router"));
  EXPECT_FALSE(registry.release("router"));
  EXPECT_TRUE(registry.names_of(kA).empty());
  EXPECT_TRUE(registry.take("router", kB));
  EXPECT_EQ(registry.find("router"), kB);
}

TEST(Registry, IsBounded) {
  Registry registry;
  EXPECT_EQ(registry.take("", kA).error().code, Code::INVALID_ARGUMENT);
  EXPECT_TRUE(registry.take(std::string(limits::kActorNameBytesMax, 'n'), kA));
  EXPECT_EQ(registry.take(std::string(limits::kActorNameBytesMax + 1, 'n'), kA).error().code,
            Code::INVALID_ARGUMENT);
  for (size_t i = 1; i < limits::kActorNamesPerActorMax; ++i)
    EXPECT_TRUE(registry.take(fmt::format("{}", i), kA));
  EXPECT_EQ(registry.take("more", kA).error().message, "actor 1 has 64 names; at most 64");
  for (size_t i = 0; registry.size() < limits::kActorNamesMax; ++i) {
    ASSERT_TRUE(registry.take(fmt::format("b{}", i), ActorId{100 + i}));
  }
  EXPECT_EQ(registry.take("more", kB).error().code, Code::LIMIT_EXCEEDED);
}

}  // namespace
}  // namespace aspen::actor

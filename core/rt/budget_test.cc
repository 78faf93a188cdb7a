#include "core/rt/budget.h"

#include <gtest/gtest.h>

#include <random>

namespace aspen::rt {
namespace {

// Few values of each, so that ties are common.
Budget any_budget(std::minstd_rand& random) {
  auto pick = [&](uint64_t unlimited) { return random() % 4 == 0 ? unlimited : random() % 3; };
  return {static_cast<TimeNs>(pick(kNever)), pick(Budget::kUnlimited), pick(Budget::kUnlimited),
          static_cast<uint8_t>(random() % 3)};
}

TEST(Budget, MeetTakesTheNarrowerAndTheMoreUrgent) {
  Budget a{.deadline = 10, .polls = 20, .cost = 5, .priority = 1};
  Budget b{.deadline = 11, .polls = 19, .cost = 6, .priority = 7};
  EXPECT_EQ(meet(a, b), (Budget{.deadline = 10, .polls = 19, .cost = 5, .priority = 7}));
}

TEST(Budget, MeetDoesNotDependOnTheOrder) {
  std::minstd_rand random(7);
  for (int i = 0; i < 10'000; ++i) {
    Budget a = any_budget(random);
    Budget b = any_budget(random);
    Budget c = any_budget(random);
    ASSERT_EQ(meet(a, b), meet(b, a));
    ASSERT_EQ(meet(a, meet(b, c)), meet(meet(a, b), c));
    ASSERT_EQ(meet(a, a), a);
    ASSERT_EQ(meet(a, Budget{}), a);
  }
}

}  // namespace
}  // namespace aspen::rt

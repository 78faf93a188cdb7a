#include <gtest/gtest.h>

#include <iostream>

#include "core/lab/explore_channel.h"
#include "core/lab/explore_region.h"

namespace aspen::lab {
namespace {

// Without optimisation three tasks take a minute.
#ifdef NDEBUG
constexpr size_t kTasks = 3;
#else
constexpr size_t kTasks = 2;
#endif

TEST(ExploreRegion, EveryOrderCloses) {
  ExploreReport report =
      explore_runs("region", [](Choices& choices) { return explore_region(choices, kTasks); });
  std::cout << report.summary() << std::endl;
  EXPECT_TRUE(report.ok()) << report.text();
  EXPECT_GT(report.runs, 5'000u);
}

TEST(ExploreChannel, NothingIsLost) {
  ExploreReport report = explore_runs("channel", explore_channel);
  std::cout << report.summary() << std::endl;
  EXPECT_TRUE(report.ok()) << report.text();
  EXPECT_GT(report.runs, 1'000u);
}

}  // namespace
}  // namespace aspen::lab

#include "core/lab/cancel_injection.h"

#include <gtest/gtest.h>

#include <set>

namespace aspen::lab {
namespace {

// In the suite every so manieth point of a world; `aspen sim --scenario cancel-injection` does them all.
#ifdef NDEBUG
constexpr uint64_t kStride = 1;
#else
constexpr uint64_t kStride = 3;
#endif
constexpr size_t kMembers = 3;

struct Injected {
  std::string violation;
  std::string trace;
  bool cut = false;  // an operation did not get its answer
};

Injected inject(uint64_t seed, uint64_t point) {
  World world({.seed = seed});
  Cluster cluster(world, {.members = kMembers});
  CancelInjection injection(world, cluster, point);
  injection.run();
  Injected injected{.trace = to_hex(world.trace().hash())};
  for (const Operation& operation : cluster.history().operations()) injected.cut |= !operation.ok();
  if (world.violation()) injected.violation = world.violation()->oracle + ": " + world.violation()->detail;
  return injected;
}

class CancelInjectionTest : public testing::TestWithParam<uint64_t> {};

TEST_P(CancelInjectionTest, EveryPoint) {
  uint64_t seed = GetParam();
  Result<uint64_t> points = count_injection_points(seed, kMembers);
  ASSERT_TRUE(points) << points.error().to_string();
  EXPECT_GT(*points, 10u);
  uint64_t cut = 0;
  for (uint64_t point = 1 + seed % kStride; point <= *points; point += kStride) {
    Injected injected = inject(seed, point);
    ASSERT_EQ(injected.violation, "") << "seed " << seed << " point " << point << " of " << *points;
    if (injected.cut) ++cut;
  }
  EXPECT_GT(cut, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, CancelInjectionTest, testing::Range<uint64_t>(1, 13));

TEST(CancelInjection, WorksOnEveryKindOfMachine) {
  std::set<CancelInjection::Place> places;
  for (uint64_t seed = 1; seed < 7; ++seed) {
    World world({.seed = seed});
    Cluster cluster(world, {.members = kMembers});
    places.insert(CancelInjection(world, cluster, 0).place());
  }
  EXPECT_EQ(places.size(), 3u);
}

TEST(CancelInjection, IsItsSeedAndPoint) {
  EXPECT_EQ(inject(1, 3).trace, inject(1, 3).trace);
  EXPECT_NE(inject(1, 3).trace, inject(1, 4).trace);
}

TEST(CancelInjection, APointThatIsNotReachedIsAFailure) {
  EXPECT_TRUE(inject(1, 1'000'000).violation.starts_with("cancel-injection: point 1000000 was not reached"));
}

}  // namespace
}  // namespace aspen::lab

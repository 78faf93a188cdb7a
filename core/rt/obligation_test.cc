#include "core/rt/obligation.h"

#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

struct ObligationTest : testing::Test {
  TestWorld world;
  Region region{world.executor};
  bool closed = false;
};

TEST_F(ObligationTest, HoldsTheCloseUntilItIsResolved) {
  Obligation first(region, "ack");
  auto second = std::make_unique<Obligation>(region, "permit");
  EXPECT_EQ(region.obligation_count(), 2u);
  region.close([&] { closed = true; });
  first.resolve();
  first.resolve();
  EXPECT_EQ(region.obligation_count(), 1u);
  world.run();
  EXPECT_FALSE(closed);
  second.reset();
  world.run();
  EXPECT_TRUE(closed);
}

// The end of an obligation may stand in the middle of anything, so nothing else may happen inside it.
TEST_F(ObligationTest, ItsEndCallsNobody) {
  std::optional<Obligation> obligation(std::in_place, region, "ack");
  region.close([&] { closed = true; });
  obligation.reset();
  EXPECT_FALSE(closed);
  world.run();
  EXPECT_TRUE(closed);
}

TEST_F(ObligationTest, MovesAsOne) {
  std::optional<Obligation> kept;
  {
    Obligation obligation(region, "ack");
    kept.emplace(std::move(obligation));
    Obligation nothing(std::move(obligation));
    EXPECT_EQ(region.obligation_count(), 1u);
  }
  EXPECT_EQ(region.obligation_count(), 1u);
  EXPECT_STREQ(kept->kind(), "ack");
  EXPECT_NE(std::string(kept->origin().file_name()).find("obligation_test.cc"), std::string::npos);
  EXPECT_NE(region.pending().find("ack from"), std::string::npos);
  kept.reset();
  EXPECT_EQ(region.obligation_count(), 0u);
}

// The region was about to close when another promise was made.
TEST_F(ObligationTest, OneMadeWhileTheRegionClosesCountsToo) {
  std::optional<Obligation> first(std::in_place, region, "ack");
  region.close([&] { closed = true; });
  first.reset();
  std::optional<Obligation> second(std::in_place, region, "ack");
  world.run();
  EXPECT_FALSE(closed);
  second.reset();
  world.run();
  EXPECT_TRUE(closed);
}

TEST_F(ObligationTest, AClosedRegionTakesNone) {
  region.close([] {});
  EXPECT_THROW(Obligation(region, "ack"), Panic);
  EXPECT_EQ(region.obligation_count(), 0u);
}

}  // namespace
}  // namespace aspen::rt

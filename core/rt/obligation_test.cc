#include "core/rt/obligation.h"

#include "core/base/limits.h"
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
  EXPECT_STREQ(kept->name(), "ack");
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

// What became of broken promises: logged always, and as the options say.
struct PromiseTest : testing::Test {
  PromiseTest() {
    auto keep = [](LogLevel, std::string_view line, void* test) {
      static_cast<PromiseTest*>(test)->logged += std::string(line) + "\n";
    };
    set_log_sink(keep, this, LogLevel::error);
    world.executor.on_panic = [this](const std::string& text) { panics.push_back(text); };
  }
  ~PromiseTest() override { set_log_sink(nullptr, nullptr, LogLevel::off); }
  void open(BrokenPromise broken) {
    region.emplace(world.executor, RegionOptions{.name = "r", .broken_promise = broken});
  }
  void close() {
    region->close([] {});
    world.run_for(limits::kCleanupRequestTime);
    EXPECT_EQ(region->state(), RegionState::closed) << region->pending();
  }
  size_t told() const {
    size_t count = 0;
    for (size_t at = logged.find("broken promise"); at != std::string::npos;
         at = logged.find("broken promise", at + 1)) {
      ++count;
    }
    return count;
  }

  TestWorld world;
  std::optional<Region> region;
  std::string logged;
  std::vector<std::string> panics;
};

TEST_F(PromiseTest, KeepsItsState) {
  open(BrokenPromise::panic);
  Obligation kept(*region, ObligationKind::lease, "lock");
  Obligation given_up(*region, ObligationKind::ack, "reply");
  Obligation moved(*region, ObligationKind::io, "read");
  Obligation taken(std::move(moved));
  kept.commit();
  given_up.abort();
  EXPECT_EQ(kept.state(), Obligation::State::committed);
  EXPECT_EQ(given_up.state(), Obligation::State::aborted);
  EXPECT_EQ(moved.state(), Obligation::State::gone);
  EXPECT_EQ(taken.state(), Obligation::State::open);
  taken.resolve();
  taken.resolve();
  EXPECT_EQ(told(), 0u);
  close();
}

TEST_F(PromiseTest, ASecondWordIsToldWithThePlaceOfTheFirst) {
  for (BrokenPromise broken : {BrokenPromise::log, BrokenPromise::panic, BrokenPromise::recover}) {
    open(broken);
    logged.clear();
    Obligation lease(*region, ObligationKind::lease, "lock");
    lease.commit();
    if (broken == BrokenPromise::panic) {
      EXPECT_THROW(lease.abort(), Panic);
    } else {
      lease.abort();
    }
    EXPECT_EQ(told(), 1u);
    EXPECT_NE(logged.find("lease lock, made at"), std::string::npos) << logged;
    EXPECT_NE(logged.find("obligation_test.cc"), std::string::npos) << logged;
    EXPECT_NE(logged.find("is aborted when it is committed"), std::string::npos) << logged;
    EXPECT_EQ(lease.state(), Obligation::State::committed);
    close();
  }
}

TEST_F(PromiseTest, OneThatDemandsAWordAndGetsNoneIsALeak) {
  open(BrokenPromise::panic);
  {
    Obligation permit(*region, ObligationKind::permit, "place");
  }
  {
    Obligation operation(*region, ObligationKind::io, "read");
  }
  EXPECT_EQ(told(), 0u);
  {
    Obligation ack(*region, ObligationKind::ack, "reply");
  }
  {
    Obligation lease(*region, ObligationKind::lease, "lock");
  }
  EXPECT_EQ(told(), 2u);
  EXPECT_EQ(panics.size(), 2u);
  EXPECT_NE(logged.find("ack reply, made at"), std::string::npos) << logged;
  EXPECT_EQ(region->obligation_count(), 0u);
  close();
}

TEST_F(PromiseTest, WhatAPanicTakesAlongIsNoLeak) {
  open(BrokenPromise::log);
  region->spawn("panics", [&](Cx&) -> Task<Result<>> {
    Obligation ack(*region, ObligationKind::ack, "reply");
    EXPECT_EQ(ack.made_by(), 2u) << "the region is 1, this task 2";
    ASPEN_ASSERT(1 + 1 == 3);
    co_return Result<>();
  });
  close();
  EXPECT_EQ(told(), 0u);
}

TEST_F(PromiseTest, AHoldUpIsToldAfterTheCleanupBudget) {
  for (BrokenPromise broken : {BrokenPromise::log, BrokenPromise::panic, BrokenPromise::recover}) {
    open(broken);
    logged.clear();
    panics.clear();
    std::optional<Obligation> forgotten(std::in_place, *region, ObligationKind::permit, "place");
    world.executor.read_clock();
    region->close([] {});
    world.run_for(limits::kCleanupRequestTime - 1);
    EXPECT_EQ(told(), 0u);
    world.run_for(2);
    EXPECT_EQ(told(), 1u);
    EXPECT_NE(logged.find("permit place, made at"), std::string::npos) << logged;
    EXPECT_NE(logged.find("holds up the close of region r"), std::string::npos) << logged;
    EXPECT_EQ(panics.size(), broken == BrokenPromise::panic ? 1u : 0u);
    EXPECT_EQ(region->state(),
              broken == BrokenPromise::recover ? RegionState::closed : RegionState::finalizing);
    forgotten.reset();
    world.turn_all();
    EXPECT_EQ(region->state(), RegionState::closed);
  }
}

TEST_F(PromiseTest, AWordThatComesAfterTheRecoveryIsRefused) {
  open(BrokenPromise::recover);
  Obligation late(*region, ObligationKind::lease, "lock");
  region->close([] {});
  world.run_for(limits::kCleanupRequestTime);
  EXPECT_EQ(late.state(), Obligation::State::gone);
  late.commit();
  EXPECT_EQ(told(), 2u);
  EXPECT_EQ(late.state(), Obligation::State::gone);
}

TEST_F(PromiseTest, AFullLedgerTakesNoMore) {
  region.emplace(world.executor, RegionOptions{.name = "small", .obligations_max = 1});
  auto first = Obligation::make(*region, ObligationKind::permit, "place");
  ASSERT_TRUE(first);
  auto second = Obligation::make(*region, ObligationKind::permit, "place");
  EXPECT_EQ(second.error().code, Code::OVERLOADED);
  EXPECT_EQ(second.error().message,
            "region small holds 1 obligations; at most 1 (RegionOptions::obligations_max)");
  EXPECT_THROW(Obligation(*region, "place"), Panic);
  first->resolve();
  EXPECT_TRUE(Obligation::make(*region, ObligationKind::permit, "place"));
  close();
}

}  // namespace
}  // namespace aspen::rt

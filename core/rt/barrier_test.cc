#include "core/rt/barrier.h"

#include <map>
#include <set>

#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct BarrierTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  std::optional<Barrier> barrier{std::in_place, 3u};
  std::string log;

  Join<> start(std::string name) {
    return root.spawn("task", [this, name](Cx& cx) -> Task<Result<>> {
      auto met = co_await barrier->arrive(cx);
      log += met ? fmt::format("{}{}{} ", name, met->generation, met->leader ? "!" : "")
                 : fmt::format("{}:{} ", name, met.error().name());
      co_return Result<>();
    });
  }
  void TearDown() override {
    barrier.reset();
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
  }
};

TEST_F(BarrierTest, AllGoOnWhenTheLastComes) {
  start("a");
  start("b");
  world.run();
  EXPECT_EQ(log, "");
  EXPECT_EQ(barrier->waiting(), 2u);
  start("c");
  world.run();
  EXPECT_EQ(log, "c0! a0 b0 ");
  EXPECT_EQ(barrier->generation(), 1u);
}

TEST_F(BarrierTest, BeginsAgain) {
  for (const char* name : {"a", "b", "c", "d", "e"}) start(name);
  world.run();
  EXPECT_EQ(log, "c0! a0 b0 ");
  start("f");
  world.run();
  EXPECT_EQ(log, "c0! a0 b0 f1! d1 e1 ");
}

TEST_F(BarrierTest, OneThatIsCancelledHasNotCome) {
  start("a");
  auto b = start("b");
  world.run();
  b.cancel({CancelKind::user, "stop"});
  start("c");
  world.run();
  EXPECT_EQ(log, "b:CANCELLED ");
  start("d");
  world.run();
  EXPECT_EQ(log, "b:CANCELLED d0! a0 c0 ");
}

TEST_F(BarrierTest, OneWhoseGenerationIsCompleteGoesOn) {
  auto a = start("a");
  start("b");
  start("c");
  world.executor.turn();
  a.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "c0! a0 b0 ");
}

TEST_F(BarrierTest, ACancelledTaskIsNotTheLast) {
  start("a");
  start("b");
  start("c").cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "c:CANCELLED ");
}

TEST_F(BarrierTest, WhoWaitsWhenItGoesHearsIt) {
  start("a");
  world.run();
  barrier.reset();
  world.run();
  EXPECT_EQ(log, "a:UNAVAILABLE ");
}

TEST(Barrier, OfOneLetsThrough) {
  auto outcome = run_task([](Cx& cx) -> Task<Result<bool>> {
    Barrier barrier(1);
    ASPEN_CO_CHECK(co_await barrier.arrive(cx));
    ASPEN_CO_TRY(auto met, co_await barrier.arrive(cx));
    co_return met.leader&& met.generation == 1;
  });
  EXPECT_TRUE(*outcome.result());
}

TEST(Barrier, AgreesWithItsModelInAnyOrder) {
  for (uint32_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::minstd_rand random(seed);
    TestWorld world;
    Region root(world.executor);
    const size_t parties = seed % 4 + 1;
    Barrier barrier(parties);
    // The model: who waits, and for those released, in which generation.
    std::set<int> waiting;
    std::map<int, uint64_t> released;
    std::map<uint64_t, int> leaders;
    uint64_t generation = 0;
    std::map<int, Join<>> open;
    for (int i = 0; i < 300; ++i) {
      if (random() % 3 != 0) {
        open.emplace(i, root.spawn("arrives", [&, i](Cx& cx) -> Task<Result<>> {
          if (!cx.cancelled()) waiting.insert(i);
          if (waiting.size() == parties) {
            for (int id : waiting) released[id] = generation;
            waiting.clear();
            ++generation;
          }
          auto met = co_await barrier.arrive(cx);
          EXPECT_EQ(met.has_value(), released.contains(i));
          if (met) EXPECT_EQ(met->generation, released[i]);
          if (met && met->leader) ++leaders[met->generation];
          open.erase(i);
          co_return Result<>();
        }));
      } else if (!open.empty()) {
        auto victim = std::next(open.begin(), random() % open.size());
        waiting.erase(victim->first);
        victim->second.cancel({CancelKind::user, "a move"});
      }
      if (random() % 3 == 0) world.executor.turn();
      if (random() % 8 == 0) {
        world.turn_all();
        ASSERT_EQ(open.size(), waiting.size());
      }
    }
    root.cancel({CancelKind::user, "the end"});
    root.close([] {});
    world.run();
    EXPECT_EQ(leaders.size(), generation);
    for (auto [of, count] : leaders) EXPECT_EQ(count, 1) << of;
  }
}

struct BarrierWorkload : InjectedWorkload {
  static constexpr int kParties = 3;
  Barrier barrier{kParties};
  int at[kParties] = {};

  void start() override {
    for (int i = 0; i < kParties; ++i) {
      part("party", [this, i](Cx& cx) -> Task<Result<>> {
        for (int round = 0; round < 3; ++round) {
          ASPEN_CO_CHECK(co_await cx.sleep(i));
          ++at[i];
          ASPEN_CO_CHECK(co_await barrier.arrive(cx));
          for (int other : at) EXPECT_GE(other, round + 1);  // nobody is a round behind
        }
        co_return Result<>();
      });
    }
  }
  bool may_stall() const override { return true; }  // without one of its parties nobody meets
  void check(bool cancelled) override {
    EXPECT_EQ(barrier.waiting(), 0u);
    if (!cancelled) EXPECT_EQ(barrier.generation(), 3u);
  }
};

TEST(Barrier, CancelledAnywhereLeavesNobodyBehind) {
  EXPECT_GT(inject_cancels<BarrierWorkload>().runs, 20);
}

}  // namespace
}  // namespace aspen::rt

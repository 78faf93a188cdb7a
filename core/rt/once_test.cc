#include "core/rt/once.h"

#include <map>

#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct OnceTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  std::optional<Once<int>> once{std::in_place};
  std::string log;
  int tries = 0;

  // Tries for `duration`; a negative value fails.
  Join<> start(std::string name, int value, DurationNs duration = 1) {
    return root.spawn("task", [this, name, value, duration](Cx& cx) -> Task<Result<>> {
      auto got = co_await once->get_or_init(cx, [=, this](Cx& cx) -> Task<Result<int>> {
        ++tries;
        ASPEN_CO_CHECK(co_await cx.sleep(duration));
        ASPEN_ASSERT(value != 0);
        if (value < 0) co_return fail(Code::IO, "no luck");
        co_return value;
      });
      log += name + (got ? std::to_string(**got) : std::string(":") + got.error().name()) + " ";
      co_return Result<>();
    });
  }
  void TearDown() override {
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
  }
};

TEST_F(OnceTest, TheFirstMakesItForAll) {
  EXPECT_EQ(once->get(), nullptr);
  start("a", 1, 5);
  start("b", 2);
  start("c", 3);
  world.run();
  start("d", 4);
  world.run();
  EXPECT_EQ(log, "a1 b1 c1 d1 ");
  EXPECT_EQ(tries, 1);
  EXPECT_EQ(*once->get(), 1);
}

TEST_F(OnceTest, AfterAFailureTheNextInLineTries) {
  start("a", -1);
  start("b", 2);
  start("c", 3);
  world.run();
  EXPECT_EQ(log, "a:IO b2 c2 ");
  EXPECT_EQ(tries, 2);
}

TEST_F(OnceTest, AfterAFailureWithNobodyWaitingTheNextToComeTries) {
  start("a", -1);
  world.run();
  start("b", 2);
  world.run();
  EXPECT_EQ(log, "a:IO b2 ");
}

TEST_F(OnceTest, AfterACancelTheNextInLineTries) {
  auto a = start("a", 1, 5);
  start("b", 2);
  world.turn_all();
  a.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a:CANCELLED b2 ");
}

TEST_F(OnceTest, AfterAPanicTheNextInLineTries) {
  start("a", 0);
  start("b", 2);
  world.run();
  EXPECT_EQ(log, "b2 ");
}

TEST_F(OnceTest, ATurnThatComesWithACancelIsPassedOn) {
  auto a = start("a", -1, 5);
  auto b = start("b", 2);
  start("c", 3);
  world.turn_all();
  a.cancel({CancelKind::user, "stop"});
  b.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a:CANCELLED b:CANCELLED c3 ");
}

TEST_F(OnceTest, AWaiterThatIsHandedTheTurnAndCancelledTriesNot) {
  start("a", -1, 5);
  auto b = start("b", 2);
  start("c", 3);
  world.turn_all();
  world.env.time += 5;
  world.executor.turn();  // "a" fails
  b.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a:IO b:CANCELLED c3 ");
  EXPECT_EQ(tries, 2);
}

TEST_F(OnceTest, WhoComesBetweenDoesNotTakeTheTurn) {
  start("a", -1, 5);
  start("b", 2, 5);
  world.turn_all();
  world.env.time += 5;
  world.executor.turn();
  start("late", 3);
  world.run();
  EXPECT_EQ(log, "a:IO b2 late2 ");
}

TEST(Once, AtMostOneTriesAndTheValueStaysInAnyOrder) {
  for (uint32_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::minstd_rand random(seed);
    TestWorld world;
    Region root(world.executor);
    Once<int> once;
    bool trying = false;
    int made = -1;
    int ok_at = static_cast<int>(seed % 30);
    std::vector<int> tried;
    std::map<int, Join<>> open;
    for (int i = 0; i < 60; ++i) {
      open.emplace(i, root.spawn("needs it", [&, i](Cx& cx) -> Task<Result<>> {
        auto got = co_await once.get_or_init(cx, [&, i](Cx& cx) -> Task<Result<int>> {
          EXPECT_FALSE(std::exchange(trying, true));
          EXPECT_EQ(made, -1);
          if (!tried.empty()) EXPECT_LT(tried.back(), i);  // in the order they came
          tried.push_back(i);
          auto slept = co_await cx.sleep(3);
          trying = false;
          ASPEN_CO_CHECK(std::move(slept));
          if (i < ok_at) co_return fail(Code::IO, "no luck");
          made = i;
          co_return i;
        });
        if (got) EXPECT_EQ(**got, made);
        open.erase(i);
        co_return Result<>();
      }));
      if (random() % 3 == 0 && !open.empty()) {
        std::next(open.begin(), random() % open.size())->second.cancel({CancelKind::user, "a move"});
      }
      if (random() % 2 == 0) world.run_for(random() % 3);
    }
    root.close([] {});
    EXPECT_TRUE(world.run());
    EXPECT_TRUE(open.empty()) << open.size() << " wait for ever";
    if (made >= 0) EXPECT_EQ(*once.get(), made);
  }
}

struct OnceWorkload : InjectedWorkload {
  Once<int> once;
  int made = 0;
  int got = 0;

  void start() override {
    for (int i = 0; i < 4; ++i) {
      part("needs it", [this, i](Cx& cx) -> Task<Result<>> {
        ASPEN_CO_CHECK(co_await once.get_or_init(cx, [this, i](Cx& cx) -> Task<Result<int>> {
          ASPEN_CO_CHECK(co_await cx.sleep(2));
          if (i == 0) co_return fail(Code::IO, "the first fails");
          ++made;
          co_return i;
        }));
        ++got;
        co_return Result<>();
      });
    }
  }
  void check(bool cancelled) override {
    EXPECT_LE(made, 1);
    if (!cancelled) EXPECT_EQ(got, 3);
  }
};

TEST(Once, CancelledAnywhereIsNotPoisoned) {
  EXPECT_GT(inject_cancels<OnceWorkload>().runs, 10);
}

}  // namespace
}  // namespace aspen::rt

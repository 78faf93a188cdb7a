#include "core/rt/event.h"

#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

struct EventTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  Event event;
  std::string log;

  Join<> start(std::string name) {
    return root.spawn("waiter", [this, name](Cx& cx) -> Task<Result<>> {
      auto waited = co_await event.wait(cx);
      log += name + (waited ? "+" : "-");
      co_return waited;
    });
  }
  void TearDown() override {
    root.close([] {});
    world.run();
  }
};

TEST_F(EventTest, WakesAllInOrderAndLetsLaterOnesThrough) {
  start("a");
  start("b");
  world.run();
  EXPECT_EQ(log, "");
  EXPECT_FALSE(event.is_set());
  event.set();
  world.run();
  EXPECT_EQ(log, "a+b+");
  start("c");
  world.run();
  EXPECT_EQ(log, "a+b+c+");
}

TEST_F(EventTest, ResetStopsLaterOnesOnly) {
  start("a");
  world.run();
  event.set();
  event.reset();
  auto b = start("b");
  world.run();
  EXPECT_EQ(log, "a+");
  event.set();
  world.run();
  EXPECT_EQ(log, "a+b+");
}

TEST_F(EventTest, CancelEndsOneWait) {
  auto a = start("a");
  start("b");
  world.run();
  a.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a-");
  event.set();
  world.run();
  EXPECT_EQ(log, "a-b+");
}

TEST_F(EventTest, ACancelledTaskDoesNotPass) {
  event.set();
  auto a = start("a");
  a.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a-");
}

TEST(Event, WhoWaitsWhenItGoesHearsIt) {
  TestWorld world;
  Region root(world.executor);
  std::optional<Event> event(std::in_place);
  std::string log;
  root.spawn("waits", [&](Cx& cx) -> Task<Result<>> {
    log = (co_await event->wait(cx)).error().message;
    co_return Result<>();
  });
  world.run();
  event.reset();
  world.run();
  EXPECT_EQ(log, "the event is gone");
  root.close([] {});
  world.run();
}

}  // namespace
}  // namespace aspen::rt

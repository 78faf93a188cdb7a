#include "core/rt/channel.h"

#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

struct ChannelTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  Channel<int> channel{root, 2};
  std::string log;

  Join<> sender(std::string name, int value) {
    return root.spawn(name, [this, name, value](Cx& cx) -> Task<Result<>> {
      auto permit = co_await channel.reserve(cx);
      log += name + (permit ? "+" : permit.error().code == Code::UNAVAILABLE ? "closed" : "-");
      if (!permit) co_return forward_error(std::move(permit));
      std::move(*permit).send(value);
      co_return Result<>();
    });
  }
  Join<> receiver(std::string name) {
    return root.spawn(name, [this, name](Cx& cx) -> Task<Result<>> {
      auto item = co_await channel.recv(cx);
      log += name + (!item ? "-" : *item ? std::to_string(**item) : "end");
      co_return Result<>();
    });
  }
  void send(int value) {
    auto permit = channel.try_reserve();
    ASSERT_TRUE(permit);
    std::move(*permit).send(value);
  }
  void TearDown() override {
    channel.close();
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
  }
};

TEST_F(ChannelTest, CapacityCountsQueuedAndReserved) {
  send(1);
  {
    auto permit = channel.try_reserve();
    ASSERT_TRUE(permit);
    EXPECT_EQ(root.obligation_count(), 1u);
    auto full = channel.try_reserve();
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, Code::OVERLOADED);
  }
  EXPECT_EQ(root.obligation_count(), 0u);
  EXPECT_EQ(channel.size(), 1u);
  send(2);  // the dropped permit gave its place back
  EXPECT_EQ(channel.size(), 2u);
  EXPECT_FALSE(channel.try_reserve());
  receiver("r");
  world.run();
  EXPECT_EQ(log, "r1");
  EXPECT_TRUE(channel.try_reserve());
}

TEST_F(ChannelTest, APermitMoves) {
  std::optional<Channel<int>::Permit> kept;
  {
    auto permit = channel.try_reserve();
    kept.emplace(std::move(*permit));
  }
  EXPECT_EQ(root.obligation_count(), 1u);
  std::move(*kept).send(7);
  EXPECT_EQ(root.obligation_count(), 0u);
  EXPECT_THROW(std::move(*kept).send(8), Panic);
  kept.reset();
  EXPECT_EQ(channel.size(), 1u);
}

TEST_F(ChannelTest, SendersAreServedInOrder) {
  send(1);
  send(2);
  sender("a", 3);
  sender("b", 4);
  sender("c", 5);
  world.run();
  EXPECT_EQ(log, "");
  for (const char* name : {"r", "s", "t", "u", "v"}) {
    receiver(name);
    world.run();
  }
  EXPECT_EQ(log, "r1a+s2b+t3c+u4v5");
}

TEST_F(ChannelTest, ReceiversAreServedInOrder) {
  receiver("r");
  receiver("s");
  receiver("t");
  world.run();
  send(1);
  send(2);
  send(3);  // handed to the waiting: the channel is never full
  world.run();
  EXPECT_EQ(log, "r1s2t3");
}

TEST_F(ChannelTest, APlaceIsHandedOverNotRacedFor) {
  send(1);
  send(2);
  sender("waited", 3);
  world.run();
  receiver("r");
  bool overtook = false;
  Deferred thief([&] { overtook = channel.try_reserve().has_value(); });
  world.executor.schedule(thief);  // after the receive, before the sender that waits resumes
  world.run();
  EXPECT_FALSE(overtook);
  EXPECT_EQ(log, "r1waited+");
}

TEST_F(ChannelTest, AnItemIsHandedOverNotRacedFor) {
  receiver("waited");
  world.run();
  send(1);
  receiver("late");
  world.run();
  EXPECT_EQ(log, "waited1");
}

TEST_F(ChannelTest, ACancelledSenderLeavesNothingBehind) {
  send(1);
  send(2);
  auto a = sender("a", 3);
  sender("b", 4);
  world.run();
  a.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a-");
  EXPECT_EQ(root.obligation_count(), 0u);
  receiver("r");
  world.run();
  EXPECT_EQ(log, "a-r1b+");
}

TEST_F(ChannelTest, ACancelledReceiverLosesNothing) {
  auto r = receiver("r");
  receiver("s");
  world.run();
  r.cancel({CancelKind::user, "stop"});
  send(1);  // before the cancelled one has resumed
  world.run();
  EXPECT_EQ(log, "r-s1");
}

TEST_F(ChannelTest, WhatWasHandedOverSurvivesACancel) {
  auto r = receiver("r");
  world.run();
  send(1);
  r.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "r1");

  send(2);
  send(3);
  auto a = sender("a", 4);
  world.run();
  receiver("s");
  world.executor.turn();
  a.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "r1s2a+");
  EXPECT_EQ(channel.size(), 2u);
}

TEST_F(ChannelTest, ACancelledTaskPassesNeither) {
  send(1);
  sender("a", 2).cancel({CancelKind::user, "stop"});
  receiver("r").cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "a-r-");
  EXPECT_EQ(channel.size(), 1u);
}

TEST_F(ChannelTest, CloseRefusesSendersAndDrains) {
  send(1);
  send(2);
  sender("a", 3);
  world.run();
  channel.close();
  EXPECT_TRUE(channel.closed());
  auto refused = channel.try_reserve();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::UNAVAILABLE);
  sender("b", 4);
  world.run();
  EXPECT_EQ(log, "aclosedbclosed");
  log.clear();
  for (const char* name : {"r", "s", "t", "u"}) receiver(name);
  world.run();
  EXPECT_EQ(log, "r1s2tenduend");
}

TEST_F(ChannelTest, CloseWakesReceivers) {
  receiver("r");
  receiver("s");
  world.run();
  channel.close();
  channel.close();
  world.run();
  EXPECT_EQ(log, "rendsend");
}

// A permit's send may not fail, so "closed and drained" is not true while one is out.
TEST_F(ChannelTest, TheEndComesAfterTheLastPermit) {
  auto first = channel.try_reserve();
  auto second = channel.try_reserve();
  receiver("r");
  world.run();
  channel.close();
  receiver("s");
  receiver("t");
  world.run();
  EXPECT_EQ(log, "");
  std::move(*first).send(1);
  world.run();
  EXPECT_EQ(log, "r1");
  {
    auto dropped = std::move(second);
  }
  world.run();
  EXPECT_EQ(log, "r1sendtend");
}

TEST_F(ChannelTest, TheEndComesWithTheLastItemOfTheLastPermit) {
  auto permit = channel.try_reserve();
  receiver("r");
  receiver("s");
  world.run();
  channel.close();
  std::move(*permit).send(1);
  world.run();
  EXPECT_EQ(log, "r1send");
}

TEST_F(ChannelTest, APermitHoldsTheRegionsClose) {
  auto permit = channel.try_reserve();
  root.close([] {});
  world.run();
  EXPECT_NE(root.state(), Region::State::closed);
  EXPECT_NE(root.pending().find("channel permit from"), std::string::npos);
  EXPECT_NE(root.pending().find("channel_test.cc"), std::string::npos);
  std::move(*permit).send(1);
  world.run();
  EXPECT_EQ(root.state(), Region::State::closed);
  auto late = channel.try_reserve();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::UNAVAILABLE);
}

TEST(Channel, ManyTasksLoseNothing) {
  TestWorld world;
  Region root(world.executor);
  Channel<int> channel(root, 3);
  std::vector<int> got;
  int senders = 0;
  for (int s = 0; s < 5; ++s) {
    ++senders;
    root.spawn("sender", [&, s](Cx& cx) -> Task<Result<>> {
      for (int i = 0; i < 100; ++i) {
        if (i % (s + 2) == 0) co_await cx.sleep(1);
        auto permit = co_await channel.reserve(cx);
        EXPECT_LE(channel.size(), 3u);
        std::move(*permit).send(s * 100 + i);
      }
      if (--senders == 0) channel.close();
      co_return Result<>();
    });
  }
  for (int r = 0; r < 3; ++r) {
    root.spawn("receiver", [&, r](Cx& cx) -> Task<Result<>> {
      for (;;) {
        auto item = co_await channel.recv(cx);
        if (!*item) co_return Result<>();
        got.push_back(**item);
        if (got.size() % (r + 3) == 0) co_await cx.sleep(2);
      }
    });
  }
  root.close([] {});
  EXPECT_TRUE(world.run());
  EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
  // Each sender's items in its order; with several receivers, only the set is certain.
  std::sort(got.begin(), got.end());
  ASSERT_EQ(got.size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(got[i], i);
}

}  // namespace
}  // namespace aspen::rt

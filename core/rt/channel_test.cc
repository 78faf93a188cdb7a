#include "core/rt/channel.h"

#include <deque>
#include <map>

#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct ChannelTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  Channel<int> channel{root, 2};
  std::string log;

  Join<> sender(std::string name, int value) {
    return root.spawn("sender", [this, name, value](Cx& cx) -> Task<Result<>> {
      auto permit = co_await channel.reserve(cx);
      log += name + (permit ? "+" : permit.error().code == Code::UNAVAILABLE ? "closed" : "-");
      if (!permit) co_return forward_error(std::move(permit));
      std::move(*permit).send(value);
      co_return Result<>();
    });
  }
  Join<> receiver(std::string name) {
    return root.spawn("receiver", [this, name](Cx& cx) -> Task<Result<>> {
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

TEST_F(ChannelTest, TryRecvTakesWhatIsThere) {
  EXPECT_FALSE(channel.try_recv());
  send(1);
  send(2);
  sender("a", 3);
  world.run();
  EXPECT_EQ(channel.try_recv(), 1);
  world.run();
  EXPECT_EQ(log, "a+");  // the place was handed over
  EXPECT_EQ(channel.try_recv(), 2);
  channel.close();
  EXPECT_FALSE(channel.ended());
  EXPECT_EQ(channel.try_recv(), 3);
  EXPECT_FALSE(channel.try_recv());
  EXPECT_TRUE(channel.ended());
}

TEST_F(ChannelTest, AReceiverThatGoesDropsTheRest) {
  send(1);
  auto permit = channel.try_reserve();
  sender("a", 3);
  world.run();
  channel.discard();
  EXPECT_EQ(channel.size(), 0u);
  EXPECT_TRUE(channel.ended());  // whatever the permit does
  receiver("r");
  std::move(*permit).send(2);
  EXPECT_EQ(channel.size(), 0u);
  world.run();
  EXPECT_EQ(log, "aclosedrend");
  EXPECT_EQ(channel.try_reserve().error().code, Code::UNAVAILABLE);
}

TEST_F(ChannelTest, DiscardEndsOtherReceiversToo) {
  auto permit = channel.try_reserve();
  receiver("r");
  world.run();
  channel.discard();
  world.run();
  EXPECT_EQ(log, "rend");
}

TEST(Channel, WhoWaitsWhenItGoesHearsIt) {
  TestWorld world;
  Region root(world.executor);
  std::optional<Channel<int>> channel(std::in_place, root, 1);
  std::string log;
  auto receive = [&](Cx& cx) -> Task<Result<>> {
    auto item = co_await channel->recv(cx);
    log += item ? std::to_string(**item) : item.error().name();
    log += " ";
    co_return Result<>();
  };
  auto reserve = [&](Cx& cx) -> Task<Result<>> {
    auto permit = co_await channel->reserve(cx);
    log += permit ? "permit" : permit.error().name();
    co_return Result<>();
  };
  root.spawn("served", receive);
  root.spawn("waits", receive);
  world.run();
  std::move(*channel->try_reserve()).send(1);
  channel.reset();
  world.run();
  EXPECT_EQ(log, "1 UNAVAILABLE ");

  log.clear();
  channel.emplace(root, 1);
  std::move(*channel->try_reserve()).send(1);
  root.spawn("waits", reserve);
  world.run();
  channel.reset();
  world.run();
  EXPECT_EQ(log, "UNAVAILABLE");
  root.close([] {});
  world.run();
}

TEST(ChannelDeathTest, AChannelOutlivesItsPermits) {
  EXPECT_DEATH(
      {
        TestWorld world;
        Region root(world.executor);
        std::optional<Channel<int>> channel(std::in_place, root, 1);
        auto permit = channel->try_reserve();
        channel.reset();
      },
      "");
}

struct ChannelWorkload : InjectedWorkload {
  Channel<int> channel{root, 1};
  int sent = 0;
  int received = 0;
  int senders = 3;

  Task<Result<>> send_some(Cx& cx, int count) {
    for (int i = 0; i < count; ++i) {
      ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
      ASPEN_CO_CHECK(co_await cx.sleep(i % 2));
      std::move(permit).send(i);
      ++sent;
    }
    co_return Result<>();
  }
  void start() override {
    for (int s = 0; s < 3; ++s) {
      part("sender", [this](Cx& cx) -> Task<Result<>> {
        auto result = co_await send_some(cx, 3);
        if (--senders == 0) channel.close();
        co_return result;
      });
    }
    for (int r = 0; r < 2; ++r) {
      part("receiver", [this](Cx& cx) -> Task<Result<>> {
        for (;;) {
          ASPEN_CO_TRY(auto item, co_await channel.recv(cx));
          if (!item) co_return Result<>();
          ++received;
          ASPEN_CO_CHECK(co_await cx.sleep(1));
        }
      });
    }
  }
  void check(bool cancelled) override {
    EXPECT_EQ(sent, received + static_cast<int>(channel.size()));
    if (!cancelled) EXPECT_EQ(received, 9);
    EXPECT_EQ(root.obligation_count(), 0u);
  }
};

TEST(Channel, CancelledAnywhereLosesNothing) {
  EXPECT_GT(inject_cancels<ChannelWorkload>().runs, 50);
}

// What a channel is, with nothing clever about it.
struct ChannelModel {
  size_t capacity;
  std::deque<int> queue;
  size_t reserved = 0;
  bool closed = false;
  std::deque<int> reservers, receivers;
  std::set<int> permitted, refused;
  std::map<int, std::optional<int>> received;

  void serve() {
    while (!receivers.empty() && (!queue.empty() || (closed && reserved == 0))) {
      auto& got = received[receivers.front()];
      receivers.pop_front();
      if (queue.empty()) continue;
      got = queue.front();
      queue.pop_front();
    }
    while (!reservers.empty() && (closed || queue.size() + reserved < capacity)) {
      if (!closed) ++reserved;
      (closed ? refused : permitted).insert(reservers.front());
      reservers.pop_front();
    }
  }
  void cancel(int id) {
    std::erase(reservers, id);
    std::erase(receivers, id);
    serve();
  }
};

struct ChannelGame {
  explicit ChannelGame(uint32_t seed) : random(seed) {}
  std::minstd_rand random;
  TestWorld world;
  Region root{world.executor};
  Channel<int> channel{root, random() % 4 + 1};
  ChannelModel model{.capacity = channel.capacity()};
  std::map<int, Join<>> open;
  std::map<int, Channel<int>::Permit> permits;
  int last_id = 0;

  void start_sender() {
    int id = ++last_id;
    auto join = root.spawn("sender", [this, id](Cx& cx) -> Task<Result<>> {
      if (!cx.cancelled()) model.reservers.push_back(id), model.serve();
      auto permit = co_await channel.reserve(cx);
      EXPECT_EQ(permit.has_value(), model.permitted.contains(id));
      EXPECT_EQ(!permit && permit.error().code == Code::UNAVAILABLE, model.refused.contains(id));
      if (permit) permits.emplace(id, std::move(*permit));
      open.erase(id);
      co_return Result<>();
    });
    open.emplace(id, join);
  }
  void start_receiver() {
    int id = ++last_id;
    auto join = root.spawn("receiver", [this, id](Cx& cx) -> Task<Result<>> {
      if (!cx.cancelled()) model.receivers.push_back(id), model.serve();
      auto item = co_await channel.recv(cx);
      EXPECT_EQ(item.has_value(), model.received.contains(id));
      if (item) EXPECT_EQ(*item, model.received[id]);
      open.erase(id);
      co_return Result<>();
    });
    open.emplace(id, join);
  }
  void end_permit(bool send) {
    auto it = std::next(permits.begin(), random() % permits.size());
    auto [id, permit] = std::move(*it);
    permits.erase(it);
    --model.reserved;
    if (send) model.queue.push_back(id);
    model.serve();
    if (send) std::move(permit).send(id);
  }
  void move() {
    uint32_t kind = random() % 10;
    if (kind < 3) return start_sender();
    if (kind < 6) return start_receiver();
    if (kind < 9 && !permits.empty()) return end_permit(random() % 4 != 0);
    if (open.empty()) return;
    auto victim = std::next(open.begin(), random() % open.size());
    model.cancel(victim->first);
    victim->second.cancel({CancelKind::user, "a move"});
  }
  void settle() {
    EXPECT_TRUE(world.turn_all());
    EXPECT_EQ(open.size(), model.reservers.size() + model.receivers.size());
    EXPECT_EQ(channel.size(), model.queue.size());
    EXPECT_EQ(root.obligation_count(), model.reserved);
    EXPECT_LE(channel.size() + permits.size(), channel.capacity());
  }
  void play() {
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
      for (uint32_t k = random() % 3 + 1; k > 0; --k) move();
      if (random() % 2 == 0) world.executor.turn();
      if (random() % 4 == 0) settle();
    }
    channel.close();
    model.closed = true;
    model.serve();
    settle();
    while (!permits.empty()) end_permit(true);
    settle();
    for (size_t i = channel.size() + 2; i > 0; --i) start_receiver();
    settle();
    EXPECT_TRUE(open.empty());
    EXPECT_TRUE(channel.ended());
    root.close([] {});
    world.run();
  }
};

TEST(Channel, AgreesWithItsModelInAnyOrder) {
  for (uint32_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    ChannelGame(seed).play();
  }
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

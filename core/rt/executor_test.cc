#include "core/rt/executor.h"

#include <map>
#include <memory>

#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

using Log = std::vector<std::string>;

TEST(Executor, RunsInTheOrderScheduled) {
  TestWorld world;
  Log log;
  Deferred a([&] { log.push_back("a"); });
  Deferred b([&] { log.push_back("b"); });
  Deferred c([&] { log.push_back("c"); });
  world.executor.schedule(b);
  world.executor.schedule(a);
  world.executor.schedule(c);
  world.executor.schedule(b);  // stands in the queue already
  EXPECT_FALSE(world.executor.turn());
  EXPECT_EQ(log, (Log{"b", "a", "c"}));
  EXPECT_FALSE(world.executor.turn());
  EXPECT_EQ(log.size(), 3u);
}

TEST(Executor, WhatBecomesReadyInATurnWaitsForTheNext) {
  TestWorld world;
  int runs = 0;
  Deferred again([&] {
    ++runs;
    world.executor.schedule(again);
  });
  world.executor.schedule(again);
  EXPECT_TRUE(world.executor.turn());
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(world.executor.turn());
  EXPECT_EQ(runs, 2);
}

TEST(Executor, ScheduledNextRunsRightAfterWhatRuns) {
  TestWorld world;
  Log log;
  Deferred next([&] { log.push_back("next"); });
  Deferred first([&] {
    log.push_back("first");
    world.executor.schedule_next(next);
    world.executor.schedule_next(next);
  });
  Deferred second([&] { log.push_back("second"); });
  world.executor.schedule(first);
  world.executor.schedule(second);
  EXPECT_FALSE(world.executor.turn());
  EXPECT_EQ(log, (Log{"first", "next", "second"}));
}

TEST(Executor, HooksRunAtTheTurnsEnd) {
  TestWorld world;
  Log log;
  Deferred next_turn([&] { log.push_back("next turn"); });
  Deferred hook([&] {
    log.push_back("hook");
    world.executor.schedule(next_turn);
  });
  Deferred second([&] { log.push_back("second"); });
  Deferred first([&] {
    log.push_back("first");
    world.executor.at_turn_end(hook);
    world.executor.at_turn_end(hook);
  });
  world.executor.schedule(first);
  world.executor.schedule(second);
  EXPECT_TRUE(world.executor.turn());
  EXPECT_EQ(log, (Log{"first", "second", "hook"}));
  EXPECT_FALSE(world.executor.turn());
  EXPECT_EQ(log.back(), "next turn");
}

TEST(Executor, AHookAskedForByAHookRunsInTheNextTurn) {
  TestWorld world;
  int runs = 0;
  Deferred hook([&] {
    ++runs;
    world.executor.at_turn_end(hook);
  });
  world.executor.at_turn_end(hook);
  EXPECT_TRUE(world.executor.turn());
  EXPECT_EQ(runs, 1);
}

TEST(Executor, DestroyedWorkDoesNotRun) {
  TestWorld world;
  int runs = 0;
  auto victim = std::make_unique<Deferred>([&] { ++runs; });
  Deferred killer([&] { victim.reset(); });
  world.executor.schedule(killer);
  world.executor.schedule(*victim);
  world.executor.turn();
  EXPECT_EQ(runs, 0);
}

TEST(Executor, ADeferredMayDestroyItself) {
  TestWorld world;
  auto mark = std::make_shared<int>(7);
  std::weak_ptr<int> captured = mark;
  std::unique_ptr<Deferred> deferred;
  bool still_there = false;
  deferred = std::make_unique<Deferred>([&, mark = std::move(mark)] {
    deferred.reset();
    still_there = !captured.expired();
  });
  world.executor.schedule(*deferred);
  world.executor.turn();
  EXPECT_TRUE(still_there) << "its captures went while it ran";
  EXPECT_TRUE(captured.expired());
}

TEST(Executor, ADeferredRunsAgainAfterAPanic) {
  TestWorld world;
  int runs = 0;
  Deferred deferred([&] {
    ++runs;
    ASPEN_ASSERT(runs != 1);
  });
  for (int i = 0; i < 2; ++i) {
    world.executor.schedule(deferred);
    world.executor.turn();
  }
  EXPECT_EQ(runs, 2);
}

TEST(Executor, FailuresEndAtTheirRunnable) {
  TestWorld world;
  Log panics;
  int runs = 0;
  world.executor.on_panic = [&](const std::string& text) { panics.push_back(text); };
  Deferred asserts([] { ASPEN_ASSERT(1 + 1 == 3); });
  Deferred throws([] { throw 7; });
  Deferred fine([&] { ++runs; });
  Timer timer(world.executor, [] { ASPEN_ASSERT(2 + 2 == 5); });
  timer.arm(world.env.time);
  world.executor.schedule(asserts);
  world.executor.schedule(throws);
  world.executor.schedule(fine);
  world.executor.at_turn_end(fine);
  EXPECT_FALSE(world.executor.turn());
  EXPECT_EQ(runs, 1);
  ASSERT_EQ(panics.size(), 3u);
  EXPECT_NE(panics[0].find("2 + 2 == 5"), std::string::npos);
  EXPECT_NE(panics[1].find("1 + 1 == 3"), std::string::npos);
}

TEST(Executor, TimeStandsStillInATurn) {
  TestWorld world;
  TimeNs begin = world.env.time;
  Deferred first([&] { world.env.time += kSecond; });
  Deferred second([&] { EXPECT_EQ(world.executor.now(), begin); });
  world.executor.schedule(first);
  world.executor.schedule(second);
  world.executor.turn();
  world.executor.turn();
  EXPECT_EQ(world.executor.now(), begin + kSecond);
}

TEST(Timer, FiresByTimeThenByOrderArmed) {
  TestWorld world;
  TimeNs at = world.env.time + 10;
  Log log;
  Timer late(world.executor, [&] { log.push_back("late"); });
  Timer first(world.executor, [&] { log.push_back("first"); });
  Timer second(world.executor, [&] { log.push_back("second"); });
  Timer early(world.executor, [&] { log.push_back("early"); });
  second.arm(at);
  first.arm(at);
  late.arm(at + 1);
  early.arm(at - 1);
  second.arm(at);  // armed again: now after `first`
  EXPECT_EQ(world.executor.next_timer(), at - 1);
  world.executor.turn();
  EXPECT_TRUE(log.empty());
  world.env.time = at;
  world.executor.turn();
  EXPECT_EQ(log, (Log{"early", "first", "second"}));
  EXPECT_FALSE(first.armed());
  EXPECT_TRUE(late.armed());
}

TEST(Timer, ReArmingMovesIt) {
  TestWorld world;
  int fired = 0;
  Timer timer(world.executor, [&] { ++fired; });
  timer.arm(world.env.time + 10);
  timer.arm(world.env.time + 20);
  world.run_for(10);
  EXPECT_EQ(fired, 0);
  world.run_for(10);
  EXPECT_EQ(fired, 1);
  world.run_for(100);
  EXPECT_EQ(fired, 1);
}

TEST(Timer, NeverDisarms) {
  TestWorld world;
  Timer timer(world.executor, [] { FAIL(); });
  timer.arm(world.env.time + 1);
  timer.arm(kNever);
  EXPECT_FALSE(timer.armed());
  EXPECT_EQ(world.executor.next_timer(), kNever);
}

TEST(Timer, ArmedForNowInItsCallbackItWaitsForTheNextTurn) {
  TestWorld world;
  int fired = 0;
  Timer timer(world.executor, [&] {
    if (++fired < 1000) timer.arm(world.executor.now() - 5);
  });
  timer.arm(world.env.time);
  world.executor.turn();
  EXPECT_EQ(fired, 1);
  EXPECT_LE(world.executor.next_timer(), world.env.time);  // whoever drives sees that it is due
  world.executor.turn();
  EXPECT_EQ(fired, 2);
}

TEST(Timer, OneArmedInATurnDoesNotHoldUpThoseThatAreDue) {
  TestWorld world;
  Log log;
  Timer late(world.executor, [&] { log.push_back("armed in the turn"); });
  Timer first(world.executor, [&] {
    log.push_back("first");
    late.arm(world.env.time - 5);
  });
  Timer second(world.executor, [&] { log.push_back("second"); });
  first.arm(world.env.time + 1);
  second.arm(world.env.time + 2);
  world.env.time += 10;
  world.executor.turn();
  EXPECT_EQ(log, (Log{"first", "second"}));
  world.executor.turn();
  EXPECT_EQ(log.back(), "armed in the turn");
}

TEST(Timer, ACallbackMayDisarmAndDestroyOthers) {
  TestWorld world;
  TimeNs at = world.env.time + 1;
  Timer disarmed(world.executor, [] { FAIL(); });
  auto destroyed = std::make_unique<Timer>(world.executor, [] { FAIL(); });
  Timer killer(world.executor, [&] {
    disarmed.disarm();
    destroyed.reset();
  });
  killer.arm(at);
  disarmed.arm(at);
  destroyed->arm(at);
  EXPECT_TRUE(world.run());
}

TEST(Timer, ACallbackMayDestroyItsTimer) {
  TestWorld world;
  auto mark = std::make_shared<int>(7);
  std::weak_ptr<int> captured = mark;
  std::unique_ptr<Timer> timer;
  bool still_there = false;
  timer = std::make_unique<Timer>(world.executor, [&, mark = std::move(mark)] {
    timer.reset();
    still_there = !captured.expired();
  });
  timer->arm(world.env.time);
  world.executor.turn();
  EXPECT_TRUE(still_there) << "its captures went while it ran";
  EXPECT_TRUE(captured.expired());
}

// Random arms, moves, disarms and time steps, against an ordered map.
TEST(Timer, ManyAgreeWithAModel) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::minstd_rand random(seed);
    TestWorld world;
    std::vector<int> fired;
    std::vector<int> expected;
    std::vector<std::unique_ptr<Timer>> timers;
    std::map<std::pair<TimeNs, uint64_t>, int> model;
    std::map<int, std::pair<TimeNs, uint64_t>> armed;
    uint64_t sequence = 0;
    auto forget = [&](int i) {
      if (auto it = armed.find(i); it != armed.end()) {
        model.erase(it->second);
        armed.erase(it);
      }
    };
    for (int i = 0; i < 100; ++i) {
      timers.push_back(std::make_unique<Timer>(world.executor, [&fired, i] { fired.push_back(i); }));
    }
    for (int step = 0; step < 5000; ++step) {
      int i = static_cast<int>(random() % timers.size());
      switch (random() % 8) {
        case 0:
          timers[i]->disarm();
          forget(i);
          break;
        case 1:
          timers[i] = std::make_unique<Timer>(world.executor, [&fired, i] { fired.push_back(i); });
          forget(i);
          break;
        case 2: {
          world.env.time += random() % 20;
          world.executor.turn();
          while (!model.empty() && model.begin()->first.first <= world.env.time) {
            int due = model.begin()->second;
            expected.push_back(due);
            forget(due);
          }
          ASSERT_EQ(fired, expected) << "seed " << seed << " step " << step;
          break;
        }
        default: {
          TimeNs at = world.env.time + static_cast<TimeNs>(random() % 50);
          timers[i]->arm(at);
          forget(i);
          armed[i] = {at, ++sequence};
          model[armed[i]] = i;
        }
      }
      ASSERT_EQ(world.executor.next_timer(), model.empty() ? kNever : model.begin()->first.first);
      ASSERT_EQ(timers[i]->armed(), armed.contains(i));
    }
    EXPECT_GT(fired.size(), 100u);
  }
}

}  // namespace
}  // namespace aspen::rt

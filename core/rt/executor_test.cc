#include "core/rt/executor.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "core/base/limits.h"
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

struct Lanes : testing::Test {
  TestWorld world;
  Executor& executor = world.executor;
  Log log;
  std::vector<std::unique_ptr<Deferred>> work;

  Deferred& make(std::function<void()> function) {
    work.push_back(std::make_unique<Deferred>(std::move(function)));
    return *work.back();
  }
  Deferred& named(std::string name) {
    return make([this, name = std::move(name)] { log.push_back(name); });
  }
  // The longest run of `name` in the log.
  size_t longest(const std::string& name) const {
    size_t best = 0;
    size_t streak = 0;
    for (const std::string& entry : log) {
      streak = entry == name ? streak + 1 : 0;
      best = std::max(best, streak);
    }
    return best;
  }
};

TEST_F(Lanes, CancelThenTimedThenReady) {
  executor.schedule(named("ready"));
  executor.schedule_timed(named("late"), 30);
  executor.schedule_timed(named("early"), 10);
  executor.schedule_timed(named("late too"), 30);
  executor.schedule_timed(named("never"), kNever);
  executor.schedule_cancel(named("cancel"));
  executor.schedule_cancel(named("cancel too"));
  EXPECT_FALSE(executor.turn());
  EXPECT_EQ(log, (Log{"cancel", "cancel too", "early", "late", "late too", "never", "ready"}));
}

TEST_F(Lanes, CancelWorkJoinsTheTurnThatGoesOn) {
  Deferred& cancel = named("cancel");
  Deferred& timed = named("timed");
  executor.schedule(make([&] {
    log.push_back("ready");
    executor.schedule_cancel(cancel);
    executor.schedule_timed(timed, 0);
  }));
  executor.schedule(named("ready too"));
  EXPECT_TRUE(executor.turn());
  EXPECT_EQ(log, (Log{"ready", "cancel", "ready too"}));
  EXPECT_FALSE(executor.turn());
  EXPECT_EQ(log.back(), "timed");
}

TEST_F(Lanes, CancelMovesWhatStandsInAnotherLane) {
  Deferred& ready = named("was ready");
  Deferred& timed = named("was timed");
  executor.schedule(named("ready"));
  executor.schedule(ready);
  executor.schedule_timed(named("timed"), 1);
  executor.schedule_timed(timed, 2);
  executor.schedule_cancel(timed);
  executor.schedule_cancel(ready);
  executor.schedule(ready);  // stands in a lane already, as the next two
  executor.schedule_timed(ready, 0);
  executor.schedule_cancel(ready);
  EXPECT_FALSE(executor.turn());
  EXPECT_EQ(log, (Log{"was timed", "was ready", "timed", "ready"}));
}

TEST_F(Lanes, CancelLeavesATasksEndAndAHookWhereTheyAre) {
  Deferred& end = named("end");
  Deferred& hook = named("hook");
  executor.schedule(make([&] {
    executor.schedule_next(end);
    executor.at_turn_end(hook);
    executor.schedule_cancel(named("cancel"));
    executor.schedule_cancel(hook);
    executor.schedule_cancel(end);
  }));
  EXPECT_FALSE(executor.turn());
  EXPECT_EQ(log, (Log{"end", "cancel", "hook"}));
}

TEST_F(Lanes, DestroyedWorkLeavesItsLane) {
  auto timed = std::make_unique<Deferred>([] { FAIL(); });
  auto waiting = std::make_unique<Deferred>([] { FAIL(); });
  auto cancel = std::make_unique<Deferred>([] { FAIL(); });
  executor.schedule_timed(*timed, 5);
  executor.schedule_timed(*waiting, 6);
  executor.schedule_timed(named("timed"), 7);
  waiting.reset();
  executor.schedule_cancel(make([&] {
    timed.reset();
    cancel.reset();
  }));
  executor.schedule_cancel(*cancel);
  EXPECT_FALSE(executor.turn());
  EXPECT_EQ(log, Log{"timed"});
}

// Cancel work that never ends: other work gets a turn after every kCancelStreakMax steps, and turns end.
TEST_F(Lanes, CancelWorkDoesNotStarveOthers) {
  constexpr size_t kOthers = 10;
  Deferred* flood = nullptr;
  size_t left = 1000;
  flood = &make([&] {
    log.push_back("cancel");
    if (--left != 0) executor.schedule_cancel(*flood);
  });
  executor.schedule_cancel(*flood);
  for (size_t i = 0; i < kOthers; ++i) {
    executor.schedule(named("ready"));
    executor.schedule_timed(named("timed"), 0);
  }
  EXPECT_TRUE(executor.turn());
  EXPECT_EQ(std::ranges::count(log, "ready"), kOthers);
  EXPECT_EQ(std::ranges::count(log, "timed"), kOthers);
  EXPECT_EQ(longest("cancel"), limits::kCancelStreakMax);
  EXPECT_LE(log.size(), limits::kCancelStreakMax * (2 * kOthers + 1) + 2 * kOthers);
}

// The bound holds across the end of a turn, and cancel work alone is not held up.
TEST_F(Lanes, ACancelStreakIsCountedAcrossTurns) {
  Deferred& ready = named("ready");
  Deferred* flood = nullptr;
  size_t left = 3 * limits::kCancelStreakMax;
  flood = &make([&] {
    if (log.empty()) executor.schedule(ready);
    log.push_back("cancel");
    if (--left != 0) executor.schedule_cancel(*flood);
  });
  executor.schedule_cancel(*flood);
  EXPECT_TRUE(world.turn_all());
  EXPECT_EQ(left, 0u);
  EXPECT_EQ(log[limits::kCancelStreakMax], "ready");
}

// Timed work that always asks for more, and sooner: it waits for its next turn, where all that was ready
// runs.
TEST_F(Lanes, TimedWorkDoesNotStarveReady) {
  Deferred* flood = nullptr;
  flood = &make([&] {
    log.push_back("timed");
    if (log.size() < 1000) executor.schedule_timed(*flood, 0);
  });
  executor.schedule_timed(*flood, 0);
  executor.schedule_timed(named("later"), kNever);
  executor.schedule(named("ready"));
  EXPECT_TRUE(executor.turn());
  EXPECT_EQ(log, (Log{"timed", "later", "ready"}));
}

TEST_F(Lanes, AChooserDecidesWithinALane) {
  std::vector<size_t> counts;
  executor.set_chooser([&](size_t count) {
    counts.push_back(count);
    return count - 1;
  });
  for (int i = 0; i < 3; ++i) executor.schedule(named("ready " + std::to_string(i)));
  for (int i = 0; i < 2; ++i) executor.schedule_timed(named("timed " + std::to_string(i)), i);
  for (int i = 0; i < 2; ++i) executor.schedule_cancel(named("cancel " + std::to_string(i)));
  for (int i = 0; i < 2; ++i) executor.at_turn_end(named("hook " + std::to_string(i)));
  EXPECT_FALSE(executor.turn());
  EXPECT_EQ(log, (Log{"cancel 1", "cancel 0", "timed 1", "timed 0", "ready 2", "ready 1", "ready 0", "hook 1",
                      "hook 0"}));
  EXPECT_EQ(counts, (std::vector<size_t>{2, 2, 3, 2, 2}));
  executor.set_chooser(nullptr);
  log.clear();
  for (int i = 0; i < 2; ++i) executor.schedule(named("ready " + std::to_string(i)));
  EXPECT_FALSE(executor.turn());
  EXPECT_EQ(log, (Log{"ready 0", "ready 1"}));
}

// Every order of four items, and no order twice: what an exhaustive search of the lab does.
TEST_F(Lanes, AChooserReachesEveryOrder) {
  std::set<Log> orders;
  for (size_t choice = 0; choice < 24; ++choice) {
    size_t left = choice;
    executor.set_chooser([&](size_t count) {
      size_t chosen = left % count;
      left /= count;
      return chosen;
    });
    for (const char* name : {"a", "b", "c", "d"}) executor.schedule(named(name));
    EXPECT_FALSE(executor.turn());
    orders.insert(std::exchange(log, {}));
  }
  EXPECT_EQ(orders.size(), 24u);
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
      ASSERT_LE(world.executor.next_timer(), model.empty() ? kNever : model.begin()->first.first);
      ASSERT_EQ(world.executor.next_timer() == kNever, model.empty());
      ASSERT_EQ(timers[i]->armed(), armed.contains(i));
    }
    EXPECT_GT(fired.size(), 100u);
  }
}

}  // namespace
}  // namespace aspen::rt

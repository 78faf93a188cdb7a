#include "core/lab/explore.h"

#include <gtest/gtest.h>

namespace aspen::lab {
namespace {

// Two jugs of 3 and 5 litres: fill, empty, pour. Four litres are a violation.
struct Jugs {
  struct State {
    int small = 0;
    int large = 0;
  };
  int forbidden = 4;

  State initial() { return {}; }
  Fingerprint fingerprint(const State& s) const {
    return lab::fingerprint(Bytes{char(s.small), char(s.large)});
  }
  State apply(const State& s, uint32_t choice) const {
    int to_large = std::min(s.small, 5 - s.large);
    int to_small = std::min(s.large, 3 - s.small);
    switch (choice) {
      case 0:
        return {3, s.large};
      case 1:
        return {s.small, 5};
      case 2:
        return {0, s.large};
      case 3:
        return {s.small, 0};
      case 4:
        return {s.small - to_large, s.large + to_large};
      default:
        return {s.small + to_small, s.large - to_small};
    }
  }
  void expand(const State& s, std::vector<Successor<State>>& out) const {
    for (uint32_t choice = 0; choice < 6; ++choice) out.push_back({choice, apply(s, choice), ""});
  }
  std::string check(const State& s) const { return s.large == forbidden ? "four litres" : ""; }
  std::string describe(const State& s, uint32_t) const { return describe(s); }
  std::string describe(const State& s) const { return std::to_string(s.small) + std::to_string(s.large); }
};

TEST(Explore, VisitsEveryStateOnce) {
  Jugs jugs{.forbidden = -1};
  ExploreReport report = explore_states("jugs", jugs);
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.states, 16u);  // one jug is always full or empty
  EXPECT_EQ(report.transitions, 16u * 6);
  EXPECT_EQ(report.summary().substr(0, 60), "explore jugs: 16 states, 96 transitions, depth 7, 0.0 s, 0 v");
}

TEST(Explore, FindsTheShortestPath) {
  Jugs jugs;
  ExploreReport report = explore_states("jugs", jugs);
  EXPECT_EQ(report.violation, "four litres");
  EXPECT_EQ(report.choices.size(), 6u);
  Jugs::State state = jugs.initial();
  for (uint32_t choice : report.choices) state = jugs.apply(state, choice);
  EXPECT_EQ(state.large, 4);
  EXPECT_EQ(report.steps.back(), "34");
}

// Two tasks read, then write what they read plus one: an update is lost in most orders.
std::string race(Choices& choices, bool atomic) {
  int value = 0;
  int read[2] = {};
  int step[2] = {};
  while (step[0] + step[1] < 4) {
    int who = step[0] == 2 ? 1 : step[1] == 2 ? 0 : static_cast<int>(choices.choose(2, "who"));
    do {
      if (step[who]++ == 0) {
        read[who] = value;
      } else {
        value = read[who] + 1;
      }
    } while (atomic && step[who] == 1);
    choices.note(std::to_string(value));
  }
  return value == 2 ? "" : "an update is lost";
}

TEST(Explore, EveryRunIsTriedOnce) {
  ExploreReport report = explore_runs("race", [](Choices& choices) { return race(choices, true); });
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.runs, 2u);
  int orders = 0;
  report = explore_runs("race", [&](Choices& choices) {
    race(choices, false);
    ++orders;
    return std::string();
  });
  EXPECT_EQ(orders, 6);  // 4! / (2! 2!)
  EXPECT_EQ(report.runs, 6u);
  EXPECT_EQ(report.states, 11u);  // of the tree: 6 leaves, 5 points at which there was a choice
  EXPECT_EQ(report.depth, 3u);
}

TEST(Explore, ARunIsShrunkAndReplayed) {
  Scenario scenario = [](Choices& choices) { return race(choices, false); };
  ExploreReport report = explore_runs("race", scenario);
  EXPECT_EQ(report.violation, "an update is lost");
  EXPECT_EQ(report.choices, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(replay_run(scenario, report.choices), "an update is lost");
  EXPECT_EQ(replay_run(scenario, {}), "");
  EXPECT_FALSE(report.steps.empty());
}

TEST(Explore, ALimitOfRunsIsReported) {
  ExploreReport report =
      explore_runs("race", [](Choices& choices) { return race(choices, true); }, {.states_max = 1});
  EXPECT_FALSE(report.ok());
}

TEST(Explore, FingerprintsAddUp) {
  Fingerprint a{.high = 1, .low = ~uint64_t{0}};
  a += {.high = 2, .low = 1};
  EXPECT_EQ(a, (Fingerprint{.high = 4, .low = 0}));
  FingerprintSet set;
  for (uint64_t i = 1; i <= 100'000; ++i) ASSERT_TRUE(set.insert({.high = i, .low = i * 4096}));
  for (uint64_t i = 1; i <= 100'000; i += 1000) EXPECT_FALSE(set.insert({.high = i, .low = i * 4096}));
  EXPECT_EQ(set.size(), 100'000u);
}

}  // namespace
}  // namespace aspen::lab

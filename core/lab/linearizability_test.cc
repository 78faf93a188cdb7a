#include "core/lab/linearizability.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace aspen::lab {
namespace {

// A register: it is written, read, or compared and set.
struct Action {
  enum class Kind { write, read, swap } kind = Kind::read;
  int value = 0;     // written, or read
  int expected = 0;  // of swap
  bool swapped = true;
  Interval interval = {};
};

Model<int> register_of(const std::vector<Action>& actions) {
  return {0, [&actions](const int& state, size_t id) -> std::optional<int> {
            const Action& a = actions[id];
            bool doubtful = a.interval.returned == kStillOpen;
            switch (a.kind) {
              case Action::Kind::write:
                return a.value;
              case Action::Kind::read:
                return state == a.value || doubtful ? std::optional(state) : std::nullopt;
              case Action::Kind::swap:
                if (!doubtful && a.swapped != (state == a.expected)) return std::nullopt;
                return state == a.expected ? a.value : state;
            }
            return std::nullopt;
          }};
}

Verdict check(const std::vector<Action>& actions, uint64_t steps_max = kSearchStepsMax) {
  std::vector<Interval> intervals;
  for (const Action& a : actions) intervals.push_back(a.interval);
  return check_linearizable(register_of(actions), intervals, steps_max);
}

// Every subset of what is in doubt, every order.
bool reference(const std::vector<Action>& actions) {
  Model<int> model = register_of(actions);
  std::vector<size_t> order(actions.size());
  std::iota(order.begin(), order.end(), 0);
  auto explains = [&](size_t length) {
    int state = model.initial;
    for (size_t i = 0; i < actions.size(); ++i) {
      const Interval& a = actions[order[i]].interval;
      if (i >= length && a.returned != kStillOpen) return false;
      for (size_t j = i + 1; j < length; ++j) {
        if (actions[order[j]].interval.returned < a.invoked) return false;
      }
      if (i >= length) continue;
      auto next = model.step(state, order[i]);
      if (!next) return false;
      state = *next;
    }
    return true;
  };
  do {
    for (size_t length = 0; length <= actions.size(); ++length) {
      if (explains(length)) return true;
    }
  } while (std::ranges::next_permutation(order).found);
  return false;
}

using enum Action::Kind;

TEST(Linearizability, AcceptsWhatAnOrderExplains) {
  EXPECT_TRUE(check({}).linearizable());
  EXPECT_TRUE(check({{write, 1, 0, true, {0, 1}}, {read, 1, 0, true, {2, 3}}}).linearizable());
  // Two reads beside a write see it in one order only.
  EXPECT_TRUE(check({{write, 1, 0, true, {0, 5}}, {read, 0, 0, true, {1, 2}}, {read, 1, 0, true, {3, 4}}})
                  .linearizable());
  Verdict found =
      check({{write, 1, 0, true, {0, 9}}, {write, 2, 0, true, {1, 8}}, {read, 1, 0, true, {2, 7}}});
  EXPECT_TRUE(found.linearizable());
  EXPECT_EQ(found.placed.size(), 3u);
}

TEST(Linearizability, RefusesAStaleRead) {
  Verdict found = check({{write, 1, 0, true, {0, 1}}, {read, 0, 0, true, {2, 3}}});
  EXPECT_EQ(found.kind, Verdict::Kind::violation);
  EXPECT_EQ(found.placed, std::vector<size_t>{0});
  EXPECT_EQ(found.unplaced, std::vector<size_t>{1});
}

TEST(Linearizability, RefusesReadsThatDisagreeOnTheOrderOfWrites) {
  EXPECT_FALSE(check({{write, 1, 0, true, {0, 9}},
                      {write, 2, 0, true, {1, 8}},
                      {read, 1, 0, true, {10, 11}},
                      {read, 2, 0, true, {12, 13}}})
                   .linearizable());
}

TEST(Linearizability, RefusesALostUpdate) {
  EXPECT_FALSE(check({{swap, 1, 0, true, {0, 3}}, {swap, 2, 0, true, {1, 2}}}).linearizable());
  EXPECT_TRUE(check({{swap, 1, 0, true, {0, 3}}, {swap, 2, 0, false, {1, 2}}}).linearizable());
}

TEST(Linearizability, AnOperationInDoubtMayHappenLateOrNeverButOnce) {
  Action lost{write, 1, 0, true, {0, kStillOpen}};
  EXPECT_TRUE(check({lost}).linearizable());
  EXPECT_TRUE(check({lost, {read, 0, 0, true, {1, 2}}, {read, 1, 0, true, {3, 4}}}).linearizable());
  EXPECT_TRUE(check({lost, {read, 0, 0, true, {1, 2}}}).linearizable());
  EXPECT_FALSE(
      check({lost, {read, 1, 0, true, {1, 2}}, {write, 2, 0, true, {3, 4}}, {read, 1, 0, true, {5, 6}}})
          .linearizable())
      << "it came twice";
  EXPECT_FALSE(check({{read, 1, 0, true, {0, 1}}, {write, 1, 0, true, {2, kStillOpen}}}).linearizable())
      << "it was read before it was called";
}

TEST(Linearizability, ExplainsWhatItRefuses) {
  Verdict found = check({{write, 1, 0, true, {0, 1}},
                         {write, 2, 0, true, {2, 3}},
                         {read, 1, 0, true, {4, 6}},
                         {read, 2, 0, true, {5, 7}},
                         {read, 2, 0, true, {8, 9}}});
  EXPECT_EQ(found.kind, Verdict::Kind::violation);
  EXPECT_EQ(found.unplaced.front(), 2u);
  EXPECT_EQ(std::ranges::count(found.unplaced, 4u), 0) << "what began later is not to blame";
  std::string text = explain(found, [](size_t id) { return "op" + std::to_string(id); });
  EXPECT_NE(text.find("not linearizable"), std::string::npos) << text;
  EXPECT_NE(text.find("#2 op2"), std::string::npos) << text;
}

TEST(Linearizability, SaysWhenItGivesUp) {
  std::vector<Action> actions;
  for (uint64_t i = 0; i < 12; ++i) actions.push_back({write, static_cast<int>(i), 0, true, {i, 100 + i}});
  actions.push_back({read, 99, 0, true, {50, 200}});
  Verdict found = check(actions, 1000);
  EXPECT_EQ(found.kind, Verdict::Kind::unknown);
  EXPECT_EQ(found.steps, 1001u);
  std::string text = explain(found, [](size_t) { return ""; });
  EXPECT_NE(text.find("kSearchStepsMax"), std::string::npos) << text;
}

// A simulated register with `clients` that call it, each action taking effect at a moment inside its
// interval; some are left in doubt, of which half took effect.
std::vector<Action> generate(std::mt19937_64& random, size_t count, size_t clients, uint64_t values = 4,
                             uint64_t doubt_one_in = 20) {
  auto below = [&](uint64_t n) { return static_cast<int>(random() % n); };
  std::vector<Action> actions;
  std::vector<size_t> running(clients, SIZE_MAX);
  std::vector<bool> effective(clients);
  int state = 0;
  uint64_t order = 0;
  auto apply = [&](Action& a) {
    if (a.kind == write) state = a.value;
    if (a.kind == read) a.value = state;
    if (a.kind == swap) {
      a.swapped = state == a.expected;
      if (a.swapped) state = a.value;
    }
  };
  while (actions.size() < count || std::ranges::any_of(running, [](size_t id) { return id != SIZE_MAX; })) {
    size_t client = random() % clients;
    size_t id = running[client];
    if (id == SIZE_MAX) {
      if (actions.size() >= count) continue;
      running[client] = actions.size();
      effective[client] = false;
      actions.push_back(
          {static_cast<Action::Kind>(below(3)), below(values), below(values), true, {order++, kStillOpen}});
    } else if (!effective[client]) {
      effective[client] = true;
      if (below(doubt_one_in) == 0 && actions[id].kind != read) {  // in doubt, and not applied
        running[client] = SIZE_MAX;
        continue;
      }
      apply(actions[id]);
    } else {
      if (below(doubt_one_in) != 0) actions[id].interval.returned = order++;
      running[client] = SIZE_MAX;
    }
  }
  return actions;
}

TEST(Linearizability, AcceptsEveryHistoryOfARegister) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    auto actions = generate(random, 60, 1 + seed % 6);
    ASSERT_TRUE(check(actions).linearizable()) << "seed " << seed;
  }
}

TEST(Linearizability, AgreesWithTryingEveryOrder) {
  int refused = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    std::mt19937_64 random(seed);
    auto actions = generate(random, 1 + seed % 6, 1 + random() % 4);
    for (int n = random() % 3; n > 0; --n) {
      Action& a = actions[random() % actions.size()];
      a.value = static_cast<int>(random() % 4);
      if (random() % 2 == 0) a.swapped = !a.swapped;
      if (random() % 8 == 0) a.interval.returned = kStillOpen;
    }
    bool expected = reference(actions);
    refused += !expected;
    ASSERT_EQ(check(actions).linearizable(), expected) << "seed " << seed;
  }
  EXPECT_GT(refused, 500);
}

// As of a store with many keys, each a register of its own.
TEST(Linearizability, ManyOperationsOnManyObjectsTakeFewSteps) {
  uint64_t steps = 0;
  for (uint64_t key = 0; key < 50; ++key) {
    std::mt19937_64 random(key);
    Verdict found = check(generate(random, 200, 4, 1000, 100));
    EXPECT_TRUE(found.linearizable()) << "key " << key;
    steps += found.steps;
  }
  EXPECT_LT(steps, 200'000u);
}

}  // namespace
}  // namespace aspen::lab

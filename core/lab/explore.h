// Exhaustive exploration: every state a small configuration of the real code can reach, or every run.
//
// Random testing finds what is likely; what a protocol promises must also hold in the unlikely. Where state
// can be copied and told apart, explore_states() searches breadth first over all states, visiting each once.
// Where it cannot (coroutines), explore_runs() runs a scenario again and again from its start, each time with
// another list of decisions, until every list has been tried.
//
//   ExploreReport report = explore_runs("two tasks", {}, [](Choices& choices) -> std::string {
//     World world;
//     while (size_t n = world.runnable()) world.run(choices.choose(n));
//     return world.consistent() ? "" : "inconsistent";            // what is wrong, if anything
//   });
//   EXPECT_EQ(report.violation, "") << report.text();
//
// What was found comes with the decisions that led to it (the fewest, for states; shrunk, for runs) in words
// and as numbers that replay it. States are told apart by 128 bits of BLAKE2b: that two of a billion states
// share a fingerprint has odds of 1 in 10^20.
//
// Thread safety: none. Time is measured for the report only.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"

namespace aspen::lab {

struct Fingerprint {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const Fingerprint&) const = default;
  // Modulo 2^128: the fingerprint of a set is the sum of its members', in any order.
  Fingerprint& operator+=(const Fingerprint& other) {
    low += other.low;
    high += other.high + (low < other.low ? 1 : 0);
    return *this;
  }
};
Fingerprint fingerprint(BytesView state);

// Remembers fingerprints: 16 bytes each, in a table that doubles.
class FingerprintSet {
 public:
  FingerprintSet();
  // True when it is new.
  bool insert(const Fingerprint& fingerprint);
  size_t size() const { return size_; }

 private:
  Fingerprint* find(const Fingerprint& fingerprint);
  std::vector<Fingerprint> slots_;  // all zero: free
  size_t size_ = 0;
};

// An exploration that meets a limit says so and is not complete.
struct ExploreLimits {
  uint64_t states_max = 20'000'000;  // or, of explore_runs, runs
  uint32_t depth_max = 10'000;
};

struct ExploreReport {
  std::string name;
  uint64_t states = 0;  // of explore_runs: points at which there was something to decide
  uint64_t transitions = 0;
  uint64_t runs = 0;  // of explore_runs
  uint32_t depth = 0;
  DurationNs elapsed_ns = 0;
  bool complete = false;
  std::string violation;           // empty: none
  std::vector<uint32_t> choices;   // that lead to it
  std::vector<std::string> steps;  // the same in words

  bool ok() const { return complete && violation.empty(); }
  // `explore raft: 10 states, 12 transitions, depth 5, 0.1 s, 0 violations`
  std::string summary() const;
  // The summary, and how the violation comes about.
  std::string text() const;
};

TimeNs explore_clock();

// One thing that can happen in a state, and what it leads to.
template <typename State>
struct Successor {
  uint32_t choice;
  State state;
  std::string violation;  // of the step itself
};

// Searches breadth first. A Model has
//   State initial();
//   Fingerprint fingerprint(const State&);               the same for states that need not be told apart
//   void expand(const State&, std::vector<Successor<State>>&);  appends all that can happen
//   State apply(const State&, uint32_t choice);
//   std::string check(const State&);                     what is wrong with it, or nothing
//   std::string describe(const State&, uint32_t choice);
//   std::string describe(const State&);                  what is printed at the end of a path
template <typename Model>
class StateSearch {
 public:
  using State = typename Model::State;

  StateSearch(Model& model, std::string name, ExploreLimits limits) : model_(model), limits_(limits) {
    report_.name = std::move(name);
  }

  ExploreReport run() {
    TimeNs began = explore_clock();
    std::vector<Reached> layer;
    layer.push_back({add(0, 0), model_.initial()});
    visited_.insert(model_.fingerprint(layer.front().state));
    report_.complete = true;
    report_.violation = model_.check(layer.front().state);
    if (!report_.violation.empty()) report_.steps = {model_.describe(layer.front().state)};
    while (!layer.empty() && report_.violation.empty() && report_.complete) {
      if (report_.depth == limits_.depth_max) {
        report_.complete = false;
        break;
      }
      layer = expand(layer);
      if (!layer.empty()) ++report_.depth;
    }
    report_.states = origins_.size();
    report_.elapsed_ns = explore_clock() - began;
    return std::move(report_);
  }

 private:
  struct Origin {
    uint32_t parent;
    uint32_t choice;
  };
  struct Reached {
    uint32_t id;
    State state;
  };

  uint32_t add(uint32_t parent, uint32_t choice) {
    origins_.push_back({parent, choice});
    return static_cast<uint32_t>(origins_.size() - 1);
  }

  std::vector<Reached> expand(std::vector<Reached>& layer) {
    std::vector<Reached> next;
    std::vector<Successor<State>> successors;
    for (Reached& reached : layer) {
      State state = std::move(reached.state);  // a layer may be large
      successors.clear();
      model_.expand(state, successors);
      report_.transitions += successors.size();
      for (Successor<State>& successor : successors) {
        std::string& violation = successor.violation;
        if (violation.empty() && !visited_.insert(model_.fingerprint(successor.state))) continue;
        if (violation.empty()) violation = model_.check(successor.state);
        if (!violation.empty()) {
          found(reached.id, successor.choice, violation);
          return {};
        }
        next.push_back({add(reached.id, successor.choice), std::move(successor.state)});
      }
      report_.complete = origins_.size() < limits_.states_max;
      if (!report_.complete) return {};
    }
    return next;
  }

  void found(uint32_t at, uint32_t last, const std::string& violation) {
    report_.violation = violation;
    report_.choices = {last};
    for (; at != 0; at = origins_[at].parent) report_.choices.push_back(origins_[at].choice);
    std::ranges::reverse(report_.choices);
    State state = model_.initial();
    for (uint32_t choice : report_.choices) {
      report_.steps.push_back(model_.describe(state, choice));
      state = model_.apply(state, choice);
    }
    report_.steps.push_back(model_.describe(state));
  }

  Model& model_;
  ExploreLimits limits_;
  ExploreReport report_;
  FingerprintSet visited_;
  std::vector<Origin> origins_;
};

template <typename Model>
ExploreReport explore_states(std::string name, Model& model, ExploreLimits limits = {}) {
  return StateSearch<Model>(model, std::move(name), limits).run();
}

// The decisions of one run, in the order in which they come up.
class Choices {
 public:
  // Below `count`; 0 is what happens when nobody interferes. `what` and the answer appear in the path.
  // Requires: count > 0.
  size_t choose(size_t count, const char* what = "");
  // For the path: what came of a decision.
  void note(std::string text);

  struct Decision {
    uint32_t chosen;
    uint32_t count;
  };
  const std::vector<Decision>& made() const { return made_; }

 private:
  friend class RunSearch;
  std::vector<uint32_t> script_;  // then zeros
  std::vector<Decision> made_;
  std::vector<std::string> notes_;
  bool describe_ = false;
};

// Runs from its start to its end, deciding by `choices` alone; returns what is wrong, or nothing.
using Scenario = std::function<std::string(Choices& choices)>;

ExploreReport explore_runs(std::string name, const Scenario& scenario, ExploreLimits limits = {});
// One run with the choices of a report.
std::string replay_run(const Scenario& scenario, const std::vector<uint32_t>& choices);

}  // namespace aspen::lab

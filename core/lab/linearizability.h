// Is a history of concurrent operations linearizable: can each be given one moment between its invocation and
// its return, so that a sequential object would have answered the same?
//
// The search is Wing and Gong's ("Testing and verifying concurrent objects", 1993) with Lowe's cache of
// configurations ("Testing for linearizability", 2017), as Porcupine does it: depth first over the operations
// that may come next, never entering the same (set of operations placed, state) twice. Sets are told apart by
// a 128-bit hash that is updated in O(1) (Zobrist), states exactly.
//
//   Model<int> counter{0, [&](const int& state, size_t id) -> std::optional<int> {
//                        return adds[id].answer == state + 1 ? std::optional(state + 1) : std::nullopt; }};
//   Verdict verdict = check_linearizable(counter, intervals);
//
// An operation that never returned may take effect at any time after its invocation, or never; so may one
// whose error left a doubt. Operations on different objects do not constrain each other (Herlihy and Wing's
// locality): check them apart, it is far cheaper.
//
// A violation comes with its witness: the prefix of the history that cannot be explained, which is the
// shortest one that the search had to refuse; the longest order found in it; and what could not be placed.
//
// Limits: kSearchStepsMax, then the verdict is `unknown`.
// Thread safety: none.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/lab/history.h"

namespace aspen::lab {

// Steps of one search. Each may remember one configuration, about 64 bytes.
inline constexpr uint64_t kSearchStepsMax = 4'000'000;

struct Interval {
  uint64_t invoked = 0;
  uint64_t returned = kStillOpen;  // after invoked; no two events have the same number
};

struct Verdict {
  enum class Kind : uint8_t { linearizable, violation, unknown } kind = Kind::linearizable;
  // Operations in an order that explains them: all that returned, or the most that could be placed.
  std::vector<size_t> placed;
  // Of a violation: the operation whose return no order reaches, and the others that were running then.
  std::vector<size_t> unplaced;
  uint64_t steps = 0;

  bool linearizable() const { return kind == Kind::linearizable; }
};

using StateId = uint32_t;
// The state after `operation` in `state`, or nullopt when it would have answered differently there.
using Step = std::function<std::optional<StateId>(StateId state, size_t operation)>;

// Requires: equal states have equal ids.
Verdict check_linearizable(StateId initial, const Step& step, std::span<const Interval> operations,
                           uint64_t steps_max = kSearchStepsMax);

template <typename State, typename Hash = std::hash<State>>
struct Model {
  State initial;
  std::function<std::optional<State>(const State& state, size_t operation)> step;
};

template <typename State, typename Hash>
Verdict check_linearizable(const Model<State, Hash>& model, std::span<const Interval> operations,
                           uint64_t steps_max = kSearchStepsMax) {
  std::unordered_map<State, StateId, Hash> ids{{model.initial, 0}};
  std::vector<const State*> states{&ids.begin()->first};
  Step step = [&](StateId state, size_t operation) -> std::optional<StateId> {
    std::optional<State> next = model.step(*states[state], operation);
    if (!next) return std::nullopt;
    auto [it, fresh] = ids.emplace(*std::move(next), static_cast<StateId>(states.size()));
    if (fresh) states.push_back(&it->first);
    return it->second;
  };
  return check_linearizable(0, step, operations, steps_max);
}

// The witness as text: what was placed last, and what could not be placed, each as `describe` has it.
std::string explain(const Verdict& verdict, const std::function<std::string(size_t)>& describe);

}  // namespace aspen::lab

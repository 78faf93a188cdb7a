#include "core/lab/linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "core/base/assert.h"

namespace aspen::lab {
namespace {

constexpr size_t kNone = SIZE_MAX;
constexpr size_t kPlacedShown = 12;
constexpr size_t kUnplacedShown = 40;

// splitmix64: a fixed random number for each place of a set.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

struct Configuration {
  uint64_t set_low = 0;
  uint64_t set_high = 0;
  StateId state = 0;
  bool operator==(const Configuration&) const = default;
};

struct ConfigurationHash {
  size_t operator()(const Configuration& c) const { return c.set_low ^ mix(c.state); }
};

// A doubly linked list over a fixed array of places, from which places are unlinked and put back in reverse
// order (Knuth's dancing links). Place 0 is the head.
class Links {
 public:
  explicit Links(size_t places) : next_(places + 1), previous_(places + 1) {
    for (size_t i = 0; i <= places; ++i) {
      next_[i] = i == places ? 0 : i + 1;
      previous_[i] = i == 0 ? places : i - 1;
    }
  }
  size_t next(size_t place) const { return next_[place]; }  // 0 after the last
  bool empty() const { return next_[0] == 0; }
  void unlink(size_t place) {
    next_[previous_[place]] = next_[place];
    previous_[next_[place]] = previous_[place];
  }
  void relink(size_t place) { next_[previous_[place]] = previous_[next_[place]] = place; }

 private:
  std::vector<size_t> next_;
  std::vector<size_t> previous_;
};

class Search {
 public:
  Search(StateId initial, const Step& step, std::span<const Interval> operations)
      : step_(step), operations_(operations), state_(initial), events_(0), doubtful_(0) {
    std::vector<std::pair<uint64_t, size_t>> order;  // of invocations and returns of what returned
    std::vector<std::pair<uint64_t, size_t>> doubts;
    for (size_t id = 0; id < operations.size(); ++id) {
      const Interval& interval = operations[id];
      ASPEN_ASSERT(interval.invoked < interval.returned);
      if (interval.returned == kStillOpen) {
        doubts.emplace_back(interval.invoked, id);
      } else {
        order.emplace_back(interval.invoked, id);
        order.emplace_back(interval.returned, id);
      }
    }
    std::ranges::sort(order);
    std::ranges::sort(doubts);
    events_ = Links(order.size());
    doubtful_ = Links(doubts.size());
    event_.resize(order.size() + 1);
    call_place_.resize(operations.size());
    return_place_.resize(operations.size());
    for (size_t i = 0; i < order.size(); ++i) {
      auto [number, id] = order[i];
      bool is_return = number == operations[id].returned;
      event_[i + 1] = {id, is_return};
      (is_return ? return_place_ : call_place_)[id] = i + 1;
    }
    doubt_.resize(doubts.size() + 1);
    for (size_t i = 0; i < doubts.size(); ++i) {
      doubt_[i + 1] = doubts[i].second;
      call_place_[doubts[i].second] = i + 1;
    }
  }

  Verdict run(uint64_t steps_max) {
    Verdict verdict;
    size_t after = kNone;  // the candidate tried last at this depth
    while (!events_.empty()) {
      size_t id = next_candidate(after);
      if (id == kNone) {
        remember_longest();
        if (stack_.empty()) return refused(Verdict::Kind::violation);
        after = take_back();
        continue;
      }
      if (steps_++ == steps_max) return refused(Verdict::Kind::unknown);
      after = place(id) ? kNone : id;
    }
    for (const Placed& placed : stack_) verdict.placed.push_back(placed.id);
    verdict.steps = steps_;
    return verdict;
  }

 private:
  struct Event {
    size_t id = 0;
    bool is_return = false;
  };
  struct Placed {
    size_t id;
    StateId state_before;
  };

  bool is_doubtful(size_t id) const { return operations_[id].returned == kStillOpen; }

  // What was invoked before the first return that has not been reached. Operations in doubt come last: most
  // of them did not happen or are not seen, and tried first each would double the search.
  size_t next_candidate(size_t after) const {
    size_t doubt = 0;
    if (after == kNone || !is_doubtful(after)) {
      size_t place = events_.next(after == kNone ? 0 : call_place_[after]);
      if (!event_[place].is_return) return event_[place].id;
    } else {
      doubt = call_place_[after];
    }
    doubt = doubtful_.next(doubt);
    if (doubt == 0 || operations_[doubt_[doubt]].invoked > first_return()) return kNone;
    return doubt_[doubt];
  }

  size_t first_returning() const {
    size_t place = events_.next(0);
    while (!event_[place].is_return) place = events_.next(place);
    return event_[place].id;
  }
  uint64_t first_return() const { return operations_[first_returning()].returned; }

  void toggle(size_t id) {
    set_low_ ^= mix(2 * id);
    set_high_ ^= mix(2 * id + 1);
  }

  bool place(size_t id) {
    std::optional<StateId> next = step_(state_, id);
    if (!next) return false;
    if ((is_doubtful(id) && *next == state_) || doubt_was_useless(id, *next)) return false;
    toggle(id);
    if (!seen_.insert({set_low_, set_high_, *next}).second) {
      toggle(id);
      return false;
    }
    stack_.push_back({id, state_});
    state_ = *next;
    if (is_doubtful(id)) {
      doubtful_.unlink(call_place_[id]);
    } else {
      events_.unlink(call_place_[id]);
      events_.unlink(return_place_[id]);
    }
    return true;
  }

  // Whether what is in doubt and was placed last makes no difference to `id`: without it the state would be
  // the same, or it can as well come after. Then the other way, which leaves it for later, finds all that
  // this one would, and doubts are placed only where something is seen of them.
  bool doubt_was_useless(size_t id, StateId next) const {
    for (size_t i = stack_.size(); i > 0 && is_doubtful(stack_[i - 1].id); --i) {
      std::optional<StateId> without = step_(stack_[i - 1].state_before, id);
      if (without == next) return true;
      // (Of two doubts that commute, each would have to wait for the other.)
      if (!is_doubtful(id) && i == stack_.size() && without && step_(*without, stack_[i - 1].id) == next)
        return true;
    }
    return false;
  }

  size_t take_back() {
    auto [id, before] = stack_.back();
    stack_.pop_back();
    state_ = before;
    toggle(id);
    if (is_doubtful(id)) {
      doubtful_.relink(call_place_[id]);
    } else {
      events_.relink(return_place_[id]);
      events_.relink(call_place_[id]);
    }
    return id;
  }

  // The furthest return that was not reached, and the most that was placed before it.
  void remember_longest() {
    size_t stuck = first_returning();
    bool further = stuck_ == kNone || operations_[stuck].returned > operations_[stuck_].returned;
    if (!further && (stuck != stuck_ || stack_.size() <= longest_.size())) return;
    stuck_ = stuck;
    longest_ = stack_;
  }

  Verdict refused(Verdict::Kind kind) {
    Verdict verdict{.kind = kind};
    verdict.steps = steps_;
    if (stuck_ == kNone) remember_longest();
    std::vector<bool> placed(operations_.size());
    for (const Placed& p : longest_) {
      placed[p.id] = true;
      verdict.placed.push_back(p.id);
    }
    verdict.unplaced.push_back(stuck_);
    for (size_t id = 0; id < operations_.size(); ++id) {
      if (id != stuck_ && !placed[id] && operations_[id].invoked < operations_[stuck_].returned) {
        verdict.unplaced.push_back(id);
      }
    }
    return verdict;
  }

  const Step& step_;
  std::span<const Interval> operations_;
  StateId state_;
  Links events_;
  Links doubtful_;
  std::vector<Event> event_;          // by place in events_
  std::vector<size_t> doubt_;         // by place in doubtful_
  std::vector<size_t> call_place_;    // by operation, in events_ or doubtful_
  std::vector<size_t> return_place_;  // by operation, in events_
  uint64_t set_low_ = 0;              // the hash of what is placed
  uint64_t set_high_ = 0;
  std::vector<Placed> stack_;
  std::unordered_set<Configuration, ConfigurationHash> seen_;
  uint64_t steps_ = 0;
  size_t stuck_ = kNone;
  std::vector<Placed> longest_;
};

}  // namespace

Verdict check_linearizable(StateId initial, const Step& step, std::span<const Interval> operations,
                           uint64_t steps_max) {
  return Search(initial, step, operations).run(steps_max);
}

std::string explain(const Verdict& verdict, const std::function<std::string(size_t)>& describe) {
  if (verdict.linearizable()) return fmt::format("linearizable ({} steps)\n", verdict.steps);
  std::string out = verdict.kind == Verdict::Kind::unknown
                        ? fmt::format(
                              "unknown: the search ended at its limit of {} steps (kSearchStepsMax); "
                              "the furthest it came:\n",
                              verdict.steps)
                        : "not linearizable\n";
  size_t from = verdict.placed.size() - std::min(verdict.placed.size(), kPlacedShown);
  out += fmt::format("{} operations can be ordered; the last of them:\n", verdict.placed.size());
  for (size_t i = from; i < verdict.placed.size(); ++i) {
    out += fmt::format("  {}. #{} {}\n", i + 1, verdict.placed[i], describe(verdict.placed[i]));
  }
  for (size_t i = 0; i < std::min(verdict.unplaced.size(), kUnplacedShown); ++i) {
    const char* lead = i == 0 ? "this one returned, but can follow in no order:\n"
                              : (i == 1 ? "with what else had begun by then:\n" : "");
    out += fmt::format("{}  #{} {}\n", lead, verdict.unplaced[i], describe(verdict.unplaced[i]));
  }
  if (verdict.unplaced.size() > kUnplacedShown) {
    out += fmt::format("  and {} more\n", verdict.unplaced.size() - kUnplacedShown);
  }
  return out;
}

}  // namespace aspen::lab

// Supervision against a model: random strategies and policies, random crashes, failed starts and slow ends.
// The model knows which children must be alive, counts restarts by itself, and checks every step that is
// taken.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "core/actor/supervision.h"

namespace aspen::actor {
namespace {

using S = Supervision;
using Key = S::Key;

class Model {
 public:
  explicit Model(uint32_t seed) : random_(seed) {
    options_.strategy = static_cast<Strategy>(random_() % 3);
    options_.restarts_max = static_cast<uint32_t>(random_() % 6);
    options_.period = static_cast<DurationNs>(1 + random_() % 4) * kSecond;
    options_.backoff = {.first = static_cast<DurationNs>(random_() % 2) * 100 * kMillisecond, .max = kSecond};
    std::vector<ChildPolicy> policies;
    for (size_t i = 0, count = 1 + random_() % 6; i < count; ++i) {
      policies.push_back({.id = fmt::format("c{}", i), .restart = static_cast<Restart>(random_() % 3)});
      children_.push_back({.restart = policies.back().restart});
    }
    supervision_.emplace(options_, policies, seed);
  }

  void run() {
    step(S::Tick{});
    for (int i = 0; i < 200 && !finished_ && !testing::Test::HasFailure(); ++i) act();
    settle();
    if (finished_) return;
    for (const Child& child : children_) EXPECT_EQ(child.up, child.wanted);
    finishing_ = true;
    step(S::Stop{ExitReason::shutdown()});
    settle();
    EXPECT_TRUE(finished_);
  }
  bool gave_up() const { return gave_up_; }

 private:
  struct Child {
    Restart restart;
    bool starting = false, up = false, stopping = false;
    bool wanted = true;  // to be up when all is quiet
    bool going = false;  // to be ended first
    bool was_up = false;
  };

  void act() {
    std::vector<Key> starting, up, stopping;
    for (Key key = 0; key < children_.size(); ++key) {
      if (children_[key].stopping)
        stopping.push_back(key);
      else if (children_[key].starting)
        starting.push_back(key);
      else if (children_[key].up)
        up.push_back(key);
    }
    uint64_t choice = random_() % 10;
    if (choice < 3 && !starting.empty()) return started(starting[0]);
    if (choice < 4 && !starting.empty()) return exited(starting[0], some_reason());
    if (choice < 6 && !stopping.empty()) return exited(stopping[0], some_reason());
    if (choice < 8 && !up.empty()) return exited(up[random_() % up.size()], some_reason());
    now_ += static_cast<DurationNs>(random_() % 500) * kMillisecond;
    step(S::Tick{});
  }
  // Everything goes well until nothing is left to do.
  void settle() {
    for (int i = 0; i < 1000 && !finished_ && !testing::Test::HasFailure(); ++i) {
      auto busy = std::ranges::find_if(children_, [](const Child& c) { return c.starting || c.stopping; });
      if (busy != children_.end()) {
        Key key = static_cast<Key>(busy - children_.begin());
        busy->stopping ? exited(key, ExitReason::shutdown()) : started(key);
      } else if (supervision_->next_due() != kNever) {
        now_ = supervision_->next_due();
        step(S::Tick{});
      } else {
        return;
      }
    }
  }
  ExitReason some_reason() {
    constexpr ExitKind kKinds[] = {ExitKind::normal, ExitKind::shutdown, ExitKind::error, ExitKind::killed};
    return {kKinds[random_() % 4], Code::OK, {}};
  }

  void started(Key key) {
    Child& child = children_[key];
    child.starting = false;
    child.up = child.was_up = true;
    step(S::Started{key});
  }

  // What the rules say, in plain words.
  void exited(Key key, ExitReason reason) {
    Child& child = children_[key];
    bool expected = child.going || finishing_;
    bool failed_start = child.starting;
    child.starting = child.up = child.stopping = child.going = false;
    if (!expected) {
      bool again =
          child.restart == Restart::permanent || (child.restart == Restart::transient && reason.failure());
      if (failed_start) again = true;
      if (failed_start && !child.was_up) {
        give_up();
      } else if (!again) {
        child.wanted = false;
      } else {
        restarts_.push_back(now_);
        auto recent =
            std::ranges::count_if(restarts_, [&](TimeNs at) { return now_ - at < options_.period; });
        recent > options_.restarts_max ? give_up() : restart_others(key);
      }
    }
    step(S::Exited{key, std::move(reason)});
  }
  void give_up() { finishing_ = gave_up_ = true; }
  void restart_others(Key key) {
    for (Key other = 0; other < children_.size(); ++other) {
      if (other == key || options_.strategy == Strategy::one_for_one) continue;
      if (options_.strategy == Strategy::rest_for_one && other < key) continue;
      Child& sibling = children_[other];
      bool alive = sibling.starting || sibling.up;
      if (sibling.restart == Restart::temporary) {
        if (alive) sibling.wanted = false;
      } else {
        sibling.wanted = true;
      }
      sibling.going = alive;
    }
  }

  void step(const S::Input& input) {
    for (const S::Effect& effect : supervision_->step(input, now_)) {
      if (auto* start = std::get_if<S::Start>(&effect)) check_start(start->key);
      if (auto* ask = std::get_if<S::Ask>(&effect)) check_ask(ask->key);
      if (auto* finished = std::get_if<S::Finished>(&effect)) {
        finished_ = true;
        EXPECT_TRUE(finishing_) << finished->reason.to_string();
        for (const Child& child : children_) EXPECT_FALSE(child.up || child.starting);
      }
    }
    if (finishing_ && !finished_) {
      bool alive = std::ranges::any_of(children_, [](const Child& c) { return c.up || c.starting; });
      EXPECT_TRUE(alive) << "it must have finished";
    }
  }
  void check_start(Key key) {
    EXPECT_FALSE(finishing_);
    for (Key other = 0; other < children_.size(); ++other) {
      const Child& sibling = children_[other];
      EXPECT_FALSE(sibling.starting) << "one at a time";
      if (options_.strategy == Strategy::one_for_one) continue;
      EXPECT_FALSE(sibling.going) << "first all that must go are gone";
      if (other < key && sibling.wanted) EXPECT_TRUE(sibling.up) << "the older first";
    }
    Child& child = children_[key];
    EXPECT_TRUE(child.wanted && !child.up) << key;
    child.starting = true;
  }
  void check_ask(Key key) {
    for (Key other = 0; other < children_.size(); ++other) {
      const Child& sibling = children_[other];
      EXPECT_FALSE(sibling.stopping) << "one at a time";
      bool must_go = (sibling.up || sibling.starting) && (finishing_ || sibling.going);
      if (other > key) EXPECT_FALSE(must_go) << "the younger first";
    }
    Child& child = children_[key];
    EXPECT_TRUE(child.up || child.starting);
    EXPECT_TRUE(finishing_ || child.going) << key << " must stay";
    child.stopping = true;
  }

  std::mt19937 random_;
  SupervisionOptions options_;
  std::vector<Child> children_;
  std::optional<S> supervision_;
  std::vector<TimeNs> restarts_;
  TimeNs now_ = 1000 * kSecond;
  bool finishing_ = false;
  bool finished_ = false;
  bool gave_up_ = false;
};

TEST(SupervisionModel, AgreesForManySeeds) {
  int gave_up = 0;
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed);
    model.run();
    gave_up += model.gave_up();
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_GT(gave_up, 300);
  EXPECT_LT(gave_up, 2900) << "some survive";
}

}  // namespace
}  // namespace aspen::actor

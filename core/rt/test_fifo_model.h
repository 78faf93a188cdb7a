// A plain model of everything that hands out units first come, first served (a mutex has one, a semaphore
// some, a writer takes all of a lock's), and a game of seeded random acquires, releases and cancels played on
// the model and the real thing at once. After every move they must agree on who holds what; so no unit is
// lost or given twice, nobody overtakes, and nobody sleeps through being served.
//
//   play_fifo(seed, {.units = 3}, [&](Cx& cx, size_t units) -> Task<Result<Held>> { ... });
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "core/rt/test_world.h"

namespace aspen::rt {

class FifoModel {
 public:
  explicit FifoModel(size_t units) : free_(units) {}

  void arrive(int id, size_t units) {
    waiting_.push_back({id, units});
    serve();
  }
  void release(int id) {
    free_ += holders_.at(id);
    holders_.erase(id);
    serve();
  }
  // One that is served keeps what it has.
  void cancel(int id) {
    std::erase_if(waiting_, [id](const Request& request) { return request.id == id; });
    serve();
  }
  bool holds(int id) const { return holders_.contains(id); }
  const std::map<int, size_t>& holders() const { return holders_; }
  size_t waiting() const { return waiting_.size(); }

 private:
  struct Request {
    int id;
    size_t units;
  };
  void serve() {
    while (!waiting_.empty() && waiting_.front().units <= free_) {
      free_ -= waiting_.front().units;
      holders_[waiting_.front().id] = waiting_.front().units;
      waiting_.pop_front();
    }
  }
  size_t free_;
  std::deque<Request> waiting_;
  std::map<int, size_t> holders_;
};

// What an acquire got, to be released by dropping it.
using Held = std::shared_ptr<void>;
template <typename T>
Result<Held> held(Result<T> got) {
  if (!got) return forward_error(std::move(got));
  return Held(std::make_shared<T>(std::move(*got)));
}

struct FifoGame {
  size_t units = 1;
  size_t request_max = 1;   // a request is for 1 to this many,
  bool all_or_one = false;  // or for 1 or all, as a lock's readers and writers
  int moves = 300;
};

template <typename Acquire>
class FifoPlayer {
 public:
  FifoPlayer(TestWorld& world, Region& root, uint32_t seed, FifoGame game, Acquire acquire)
      : world_(world),
        root_(root),
        game_(game),
        acquire_(std::move(acquire)),
        model_(game.units),
        random_(seed) {}

  void play() {
    for (int move = 0; move < game_.moves; ++move) {
      for (uint32_t i = random_() % 3 + 1; i > 0; --i) make_move();
      if (random_() % 2 == 0) world_.executor.turn();
      if (random_() % 4 == 0) settle();
      if (testing::Test::HasFailure()) break;
    }
    while (settle(), !got_.empty()) release(got_.begin()->first);
    EXPECT_EQ(model_.waiting(), 0u);
    EXPECT_TRUE(open_.empty()) << open_.size() << " never returned";
  }

 private:
  void make_move() {
    uint32_t kind = random_() % 8;
    if (kind < 4) return start();
    if (kind < 7 && !got_.empty()) return release(pick(got_));
    if (!open_.empty()) cancel(pick(open_));
  }
  template <typename Map>
  int pick(const Map& map) {
    return std::next(map.begin(), random_() % map.size())->first;
  }
  void start() {
    int id = ++last_id_;
    size_t units = random_() % game_.request_max + 1;
    if (game_.all_or_one) units = random_() % 3 == 0 ? game_.units : 1;
    auto join = root_.spawn("acquire", [this, id, units](Cx& cx) -> Task<Result<>> {
      if (!cx.cancelled()) model_.arrive(id, units);
      auto got = co_await acquire_(cx, units);
      EXPECT_EQ(got.has_value(), model_.holds(id)) << "request " << id;
      open_.erase(id);
      if (got) got_[id] = std::move(*got);
      co_return Result<>();
    });
    open_.emplace(id, join);
  }
  void release(int id) {
    model_.release(id);
    got_.erase(id);
  }
  void cancel(int id) {
    model_.cancel(id);
    open_.at(id).cancel({CancelKind::user, "a move"});
  }
  // Runs what is ready: then everybody who was served knows.
  void settle() {
    EXPECT_TRUE(world_.turn_all());
    for (auto [id, units] : model_.holders()) EXPECT_TRUE(got_.contains(id)) << "request " << id << " sleeps";
    EXPECT_EQ(got_.size(), model_.holders().size());
    EXPECT_EQ(open_.size(), model_.waiting());
  }

  TestWorld& world_;
  Region& root_;
  FifoGame game_;
  Acquire acquire_;
  FifoModel model_;
  std::minstd_rand random_;
  int last_id_ = 0;
  std::map<int, Join<>> open_;  // started and not returned
  std::map<int, Held> got_;
};

template <typename Acquire>
void play_fifo(TestWorld& world, Region& root, uint32_t seed, FifoGame game, Acquire acquire) {
  FifoPlayer<Acquire>(world, root, seed, game, std::move(acquire)).play();
}

}  // namespace aspen::rt

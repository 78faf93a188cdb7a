// A client's work, cancelled at one of its suspension points.
//
// A cancel can meet a task at every await, and each is another case: before a request has left, while it is
// under way, when the reply is there and nobody has looked. Cancels at random times meet the long waits and
// hardly ever the short ones. Here a run counts where the work is suspended, and each other run cancels it at
// exactly one of these points:
//
//   uint64_t points = count_injection_points(seed);
//   for (uint64_t point = 1; point <= points; ++point) {
//     World world({.seed = seed});
//     Cluster cluster(world, {.members = 3});
//     CancelInjection injection(world, cluster, point);
//     injection.run();                       // world.violation() says what went wrong
//   }
//
// The work is one task that puts, reads, compares and sets, does a transaction and reads a range, one after
// the other, each in a region of its own, through the router of a client, a follower or the leader; in half
// of the worlds the leader crashes when the work begins. Its points are where it, or a task it has started,
// is suspended. The cancel (kind user) arrives before anything else happens on that machine. Then: the work
// must end soon, by a value or as cancelled; the history must be linearizable, with what was cut off in
// doubt; the same work must succeed on every machine; all must settle and close.
//
// Thread safety: none.
#pragma once

#include <optional>

#include "core/lab/cluster.h"

namespace aspen::lab {

class CancelInjection {
 public:
  // From the world's seed.
  enum class Place : uint8_t { client, follower, leader };

  // `point` counts from 1; 0: nobody is cancelled. Both outlive it.
  CancelInjection(World& world, Cluster& cluster, uint64_t point);

  // Requires: the cluster is new. Forms it, and closes it in the end unless something was violated.
  void run();
  // Of the work, so far.
  uint64_t points() const { return points_; }
  Place place() const { return place_; }
  // The point was reached.
  bool injected() const { return injected_; }

 private:
  bool form();
  void suspended(const rt::TaskBase& task);
  bool is_work(const rt::TaskBase& task) const;
  void start();
  void check_end();
  rt::Task<Result<>> work(rt::Cx& cx, node::Engine& engine);
  rt::Task<Result<>> perform(rt::Cx& cx, node::Engine& engine, Operation::Call call);
  template <typename Reply>
  Result<> record(size_t operation, Result<Reply> result);
  void work_again();

  World& world_;
  Cluster& cluster_;
  uint64_t point_;
  Place place_;
  bool loses_leader_;
  Machine* machine_ = nullptr;
  rt::Join<> join_;
  uint64_t task_ = 0;  // the work's id; 0 before it runs
  uint64_t points_ = 0;
  bool injected_ = false;
  std::optional<Result<>> result_;
  std::optional<rt::Deferred> cancel_;
};

// Of the same work in the world of this seed. Errors: what was violated without any cancel.
Result<uint64_t> count_injection_points(uint64_t seed, size_t members);

}  // namespace aspen::lab

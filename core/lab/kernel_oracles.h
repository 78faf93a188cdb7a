// What the kernel promises (region.h, cancel_node.h, obligation.h), checked from outside while an engine
// runs.
//
// One watches one executor, from before its first region to the node's orderly end or its crash:
//
//   KernelOracles oracles(host.executor(), [&](std::string_view oracle, std::string text) {
//     world.violate(oracle, std::move(text));
//   });
//   ... after each turn: oracles.after_turn();
//   oracles.ended();       // in order: nothing may be left; or
//   oracles.stop();        // the power is cut, and nobody asks any more
//
// Oracles, by name:
//   task-leak          no task lives on in a region that finalizes or is closed, nor at the node's end
//   obligation-leak    an obligation ends once, before its region is closed and by the word it demands
//   quiescence         closed is closed: all tasks ended and all finalizers run, the ledger empty, by the
//                      region's own books too, and nothing happens in it from then on
//   loser-drain        who cancels losers of a race does not end before them, nor does their region
//   region-tree        a region opens below one that is open and goes through its states forwards; one that
//                      finalizes or is closed has no region below it that is not closed
//   deadline-monotone  what is below ends no later, from its start on, and no deadline moves. What a region
//                      runs when it finalizes is exempt: that has time of its own
//   cancel-protocol    request, delivery, end, in this order and nothing after the end; requests only get
//                      stronger; at the end of a turn whatever is below a standing request has one as strong
//   futurelock         no task that holds an open obligation waits, unresumed for kFuturelockAfter, for
//                      something that no timer or deadline of its own will end. A lease may be held so
//
// A region that ran over its cleanup budget (Observer::stuck) is no violation: a slow disk may do that.
//
// The first violation is reported, then it watches no more: what follows one is mostly its consequence.
// Cost: a table entry for each live task and region and open obligation; in turns with a cancel, a scan.
// Thread safety: none; the executor's thread.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "core/lab/id_table.h"
#include "core/rt/observer.h"
#include "core/rt/region.h"

namespace aspen::lab {

// Of time that passed in turns: a host that was paused has not waited.
inline constexpr DurationNs kFuturelockAfter = 60 * kSecond;

class KernelOracles final : public rt::Observer {
 public:
  using Report = std::function<void(std::string_view oracle, std::string text)>;

  // Requires: the executor outlives this and has no region yet.
  KernelOracles(rt::Executor& executor, Report report);
  ~KernelOracles() override;

  // What has to be true between turns.
  void after_turn();
  // Everything is closed; what is left now is a leak. Regions that were never used may still stand.
  void ended();
  void stop();
  // For who acts at suspension points: called at each, but must not change what is watched in the call.
  std::function<void(const rt::TaskBase&)> on_suspended;

  void task_spawned(const rt::TaskBase& task) override;
  void task_suspended(const rt::TaskBase& task) override {
    if (on_suspended) on_suspended(task);
  }
  void task_ended(const rt::TaskBase& task) override;
  void cancel_requested(const rt::CancelNode& node, const rt::CancelReason& reason) override;
  void cancel_delivered(const rt::TaskBase& task) override;
  void region_opened(const rt::Region& region) override;
  void region_changed(const rt::Region& region, rt::RegionState from) override;
  void obligation_made(const rt::Obligation& obligation) override;
  void obligation_ended(const rt::Obligation& obligation) override;
  void promise_broken(const rt::Obligation& obligation, const std::string& text) override;

 private:
  // A request that stands at a task or region.
  struct Asked {
    rt::CancelReason reason;
    bool forced = false;
    bool heard = false;        // delivered since; of tasks
    uint64_t heard_up_to = 0;  // regions the task opened with ids up to here have been told
  };
  struct TaskFacts {
    const rt::TaskBase* task;
    TimeNs deadline;
  };
  struct RegionFacts {
    const rt::Region* region;
    TimeNs deadline;
    rt::RegionState state = rt::RegionState::open;
    size_t tasks = 0;        // that have not ended
    size_t children = 0;     // that are not closed, those its tasks opened included
    size_t obligations = 0;  // open
    bool finalizers_due = false;
  };
  struct Promise {
    const char* name;
    std::source_location origin;
    uint64_t region;
    uint64_t holder;  // a task that may not sit on it; 0: none
  };
  struct Holder {
    size_t promises = 0;
    uint64_t resumes = 0;  // of the task, when last looked at
    DurationNs idle = 0;   // for so long
  };
  struct Loser {
    uint64_t task;
    uint64_t asked_by;  // a task
  };

  void violate(std::string_view oracle, std::string text);
  void lose(const rt::CancelNode& node, const rt::CancelReason& reason);
  void check_strengthens(const rt::CancelNode& node, const rt::CancelReason& reason);
  void check_deadline(const rt::CancelNode& node, TimeNs before);
  // Of a region that finalizes or is closed.
  void check_alone(const RegionFacts& facts);
  void check_closed(const RegionFacts& facts);
  void check_reach();
  void check_reached(const rt::CancelNode& node, const rt::CancelReason* above, const rt::CancelNode& from);
  void look_at_holders();
  static std::string origin_of(const Promise& promise);

  rt::Executor& executor_;
  Report report_;
  bool watching_ = true;
  bool cancels_ = false;  // in this turn something was asked, or began below a request
  uint64_t last_id_ = 0;  // of what began
  TimeNs looked_at_;      // at the holders
  IdTable<TaskFacts> tasks_;
  IdTable<RegionFacts> regions_;  // that are not closed
  IdTable<Promise> promises_;     // that are open
  std::map<uint64_t, Asked> asked_;
  std::map<uint64_t, Holder> holders_;
  std::vector<Loser> losers_;  // that have not ended
};

}  // namespace aspen::lab

// The kernel under explore_runs(): an executor whose run queue, clock and interruptions are decided by
// Choices.
//
// The kernel's oracles (kernel_oracles.h) look on. Decided are: which of several ready items runs next;
// whether time passes before work that is ready; and, for each interruption (a cancel, a close), whether and
// before which item it happens. Lanes keep their rank: what the executor promises to run first is not tried
// last.
//
// Thread safety: none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/lab/explore.h"
#include "core/lab/kernel_oracles.h"
#include "core/rt/executor.h"

namespace aspen::lab {

class ExploreWorld {
 public:
  explicit ExploreWorld(Choices& choices);

  rt::Executor& executor() { return executor_; }
  Choices& choices() { return choices_; }
  // Something that happens once, at any point of run(), or not at all.
  void may_happen(const char* what, std::function<void()> act);
  // Until nothing is left to do, with the clock moved as far as there are timers. What went wrong is kept.
  void run();
  // The first thing that went wrong counts.
  void fault(std::string what);
  const std::string& found() const { return found_; }

 private:
  class Clock final : public rt::Env {
   public:
    TimeNs now() override { return time; }
    WallNs wall_now() override { return time; }
    void random(void* out, size_t size) override;
    TimeNs time = kSecond;
  };
  struct Interruption {
    const char* what;
    std::function<void()> act;
    bool begun = false;
    std::unique_ptr<rt::Deferred> work = {};
  };
  bool interrupt();

  Choices& choices_;
  Clock clock_;
  rt::Executor executor_;
  KernelOracles oracles_;
  std::vector<std::unique_ptr<Interruption>> interruptions_;
  std::string found_;
};

}  // namespace aspen::lab

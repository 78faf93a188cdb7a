#include "core/lab/explore_world.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace aspen::lab {
namespace {

constexpr int kTurnsMax = 1000;

}  // namespace

void ExploreWorld::Clock::random(void* out, size_t size) {
  std::memset(out, 1, size);
}

ExploreWorld::ExploreWorld(Choices& choices)
    : choices_(choices),
      executor_(clock_),
      oracles_(executor_, [this](std::string_view oracle, const std::string& text) {
        fault(fmt::format("{}: {}", oracle, text));
      }) {
  executor_.set_chooser([this](size_t count) { return choices_.choose(count, "runs next"); });
  executor_.on_panic = [this](const std::string& text) { fault("panic: " + text); };
}

void ExploreWorld::may_happen(const char* what, std::function<void()> act) {
  interruptions_.push_back(std::make_unique<Interruption>(Interruption{what, std::move(act)}));
  Interruption& added = *interruptions_.back();
  added.work = std::make_unique<rt::Deferred>([this, &added] {
    choices_.note(added.what);
    added.act();
  });
}

// Of those that have not happened, each may stand in the queue of the coming turn.
bool ExploreWorld::interrupt() {
  bool any = false;
  for (auto& interruption : interruptions_) {
    if (interruption->begun || choices_.choose(2, interruption->what) == 0) continue;
    interruption->begun = true;
    executor_.schedule(*interruption->work);
    any = true;
  }
  return any;
}

void ExploreWorld::run() {
  bool ready = true;
  for (int turns = 0; turns < kTurnsMax; ++turns) {
    ready |= interrupt();
    TimeNs next = executor_.next_timer();
    if (!ready && next == kNever) return;
    if (next != kNever && (!ready || choices_.choose(2, "time passes") == 1)) {
      clock_.time = std::max(clock_.time, next);
    }
    ready = executor_.turn();
    oracles_.after_turn();
  }
  fault("it does not come to an end");
}

void ExploreWorld::fault(std::string what) {
  if (found_.empty()) found_ = std::move(what);
}

}  // namespace aspen::lab

#include "core/lab/explore_region.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <optional>

#include "core/lab/explore_world.h"
#include "core/rt/event.h"
#include "core/rt/region.h"

namespace aspen::lab {
namespace {

using rt::Cx;
using rt::Outcome;
using rt::Region;
using rt::Severity;
using rt::Task;

enum class Kind : uint8_t { finishes, fails, sleeps, waits, spawns, nests, promises };
constexpr std::array kKinds = {"finishes", "fails", "sleeps", "waits", "spawns", "nests", "promises"};

struct Scene {
  explicit Scene(Choices& choices) : world(choices), region(world.executor()) {}

  void step() {
    if (closed) world.fault("a task runs in a closed region");
    if (finalized > 0) world.fault("a task runs after a finalizer");
  }

  void start(Kind kind) {
    ++started;
    auto join =
        region.spawn(kKinds[static_cast<size_t>(kind)], [this, kind](Cx& cx) { return body(cx, kind); });
    join.then([this, kind](Outcome<> outcome) { ended(kind, outcome); });
  }

  Task<Result<>> body(Cx& cx, Kind kind) {
    step();
    auto result = co_await act(cx, kind);
    step();
    co_return result;
  }

  Task<Result<>> act(Cx& cx, Kind kind) {
    switch (kind) {
      case Kind::finishes:
        event.set();
        co_return Result<>();
      case Kind::fails:
        co_return fail(Code::NOT_FOUND, "as it is meant to");
      case Kind::sleeps:
        co_return co_await cx.sleep(1);
      case Kind::waits:
        co_return co_await event.wait(cx);
      case Kind::spawns:
        start(Kind::finishes);
        co_return Result<>();
      case Kind::nests: {
        Region inner(cx);
        inner.spawn("inner", [this](Cx& cx) -> Task<Result<>> {
          step();
          auto slept = co_await cx.sleep(1);
          step();
          co_return slept;
        });
        co_await inner.close();
        co_return Result<>();
      }
      case Kind::promises: {
        rt::Obligation obligation(region, "explored");
        co_return co_await cx.sleep(1);
      }
    }
    co_return Result<>();
  }

  void ended(Kind kind, const Outcome<>& outcome) {
    ++told;
    if (closed) world.fault("an end is told after the close");
    Severity severity = outcome.severity();
    bool may_be_cancelled =
        cancelled && kind != Kind::finishes && kind != Kind::fails && kind != Kind::spawns;
    Severity expected = kind == Kind::fails ? Severity::err : Severity::ok;
    if (severity == expected || (severity == Severity::cancelled && may_be_cancelled)) return;
    world.fault(fmt::format("the task that {} ended with severity {}", kKinds[static_cast<size_t>(kind)],
                            static_cast<int>(severity)));
  }

  void cancel() {
    cancelled = true;
    region.cancel({rt::CancelKind::user, "explored"});
  }

  void close() {
    closing = true;
    region.close([this] {
      closed = true;
      if (told != started) world.fault(fmt::format("closed over {} tasks", started - told));
      if (region.task_count() + region.child_count() + region.obligation_count() != 0) {
        world.fault("closed over " + region.pending());
      }
      if (finalized != 2) world.fault("closed before the finalizers ran");
    });
  }

  ExploreWorld world;
  rt::Event event;
  int started = 0;
  int told = 0;
  int finalized = 0;
  bool closing = false;
  bool cancelled = false;
  bool closed = false;
  Region region;
};

}  // namespace

std::string explore_region(Choices& choices, size_t tasks) {
  Scene scene(choices);
  size_t kind = 0;  // what the tasks do is a multiset: their order is explored anyway
  for (size_t i = 0; i < tasks; ++i) {
    kind += choices.choose(kKinds.size() - kind, "kind");
    choices.note(fmt::format("a task that {}", kKinds[kind]));
    scene.start(static_cast<Kind>(kind));
  }
  for (int number : {1, 0}) {
    scene.region.add_finalizer([&scene, number](Cx& cx) -> Task<void> {
      (void)co_await cx.sleep(1);
      if (scene.finalized++ != number) scene.world.fault("finalizers ran in another order");
    });
  }
  // A close at any point; a cancel at any point, with the close before or after everything else.
  size_t plan = choices.choose(3, "plan");
  if (plan == 0) scene.world.may_happen("close", [&scene] { scene.close(); });
  if (plan == 1) scene.close();
  if (plan > 0) {
    scene.world.may_happen("cancel", [&scene] {
      if (!scene.closed) scene.cancel();
    });
  }
  scene.world.run();
  // What was left out happens last: the close must come to its end now.
  if (!scene.closing) scene.close();
  if (!scene.closed) scene.cancel();
  scene.world.run();
  if (!scene.closed) scene.world.fault("the region does not close: " + scene.region.pending());
  return scene.world.found();
}

}  // namespace aspen::lab

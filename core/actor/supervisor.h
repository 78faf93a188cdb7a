// An actor that starts other actors, watches over them, and starts them again when they end. The decisions
// are Supervision's (see there for strategies, order, restarts and failures); this runs them.
//
//   ActorId root = *system.spawn("root", supervisor({
//       .options = {.strategy = Strategy::rest_for_one},
//       .children = {
//           {.policy = {.id = "store", .reports_ready = true}, .body = store},
//           {.policy = {.id = "cache"}, .body = cache},
//           nested("workers", {.children = {{.policy = {.id = "one"}, .body = worker}}}),
//       }}));
//   Supervisor workers(system, root);
//   ASPEN_CO_TRY(ActorId two, co_await workers.start_child(cx, {.policy = {.id = "two"}, .body = worker}));
//
// A supervisor ends
//   when it is asked to (an exit): it asks its children, the youngest first, and ends with the reason it got;
//   when it is killed or cancelled: it kills its children, the youngest first, waits for them, and ends;
//   when a child cannot be started at first or is restarted too often: it ends the others and fails, with a
//     reason that names the child, so that the supervisor above can decide.
// It ends after its children; only a killed one whose cleanup budget (core/rt/cancel_node.h) is over before
// they have drained kills what is left and ends. It traps exits; children are linked to it, and cannot undo
// that.
//
// Thread safety: none; one executor's thread.
#pragma once

#include <functional>

#include "core/actor/self.h"
#include "core/actor/supervision.h"

namespace aspen::actor {

struct ChildSpec {
  ChildPolicy policy;
  std::function<rt::Task<Result<>>(Self&)> body;  // called for each start
  SpawnOptions spawn;
};

struct SupervisorSpec {
  SupervisionOptions options;
  std::vector<ChildSpec> children;  // in the order they are started
};

// The body of a supervisor. What is wrong with `spec` is the error it ends with.
std::function<rt::Task<Result<>>(Self&)> supervisor(SupervisorSpec spec);

// A supervisor as a child: it is ready when all its children are, and has all the time it needs to end them.
ChildSpec nested(std::string id, SupervisorSpec spec);

struct ChildInfo {
  ChildStatus status;
  ActorId actor;  // nobody while it is down
};

// Requests to a running supervisor, in any task. Errors of all: as System::call, SHUTDOWN when it is ending.
class Supervisor {
 public:
  Supervisor(System& system, ActorId id) : system_(system), id_(id) {}

  // Adds a child after all others and waits until it has started. Errors: ALREADY_EXISTS, LIMIT_EXCEEDED
  // (limits::kSupervisorChildrenMax), UNAVAILABLE when it failed to start; then it is not kept.
  rt::Task<Result<ActorId>> start_child(rt::Cx& cx, ChildSpec spec, DurationNs timeout = kNever);
  // Ends it as its policy says and waits for it. It stays listed, unless it is temporary. Errors: NOT_FOUND.
  rt::Task<Result<>> terminate_child(rt::Cx& cx, std::string id, DurationNs timeout = kNever);
  // Starts one that is down. Errors: NOT_FOUND, ALREADY_EXISTS when it runs, UNAVAILABLE when it failed to
  // start.
  rt::Task<Result<ActorId>> restart_child(rt::Cx& cx, std::string id, DurationNs timeout = kNever);
  // Forgets one that is down. Errors: NOT_FOUND, IN_USE when it runs.
  rt::Task<Result<>> delete_child(rt::Cx& cx, std::string id, DurationNs timeout = kNever);
  // In the order of their starts.
  rt::Task<Result<std::vector<ChildInfo>>> list(rt::Cx& cx, DurationNs timeout = limits::kActorCallTimeout);

 private:
  System& system_;
  ActorId id_;
};

}  // namespace aspen::actor

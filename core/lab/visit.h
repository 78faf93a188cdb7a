// Somebody comes to a machine, uses its engine for a while, and goes: a task with a deadline, which the
// machine's crash ends like all others.
//
//   visit(world, cluster, random, "reader", [](rt::Cx& cx, Visit visit) -> rt::Task<Result<>> {
//     auto reply = co_await visit.router().get(cx, {.key = "k"});
//     if (visit.dead()) co_return Result<>();    // a ghost's news reaches nobody
//     ...
//   });
//
// Thread safety: none.
#pragma once

#include <functional>

#include "core/lab/cluster.h"

namespace aspen::lab {

struct Visit {
  World* world;
  Machine* machine;
  Host* host;
  node::Engine* engine;
  Random random;
  uint64_t acknowledged;  // the highest revision that somebody had been told before it began

  node::Router& router() const { return engine->router(); }
  // To ask after every wait: then nothing may be touched but the visit.
  bool dead() const { return host->dead(); }
};

using VisitBody = std::function<rt::Task<Result<>>(rt::Cx&, Visit)>;

// To any machine, members and clients; it does not take place when that one does not serve. Some have next to
// no time.
void visit(World& world, Cluster& cluster, Random& random, const char* name, VisitBody body);

// The error tells of the machines, disks and links, or of how little time there was, and not of what was
// asked.
bool is_circumstance(const Error& error);

}  // namespace aspen::lab

// Who hears of whose end: the links and monitors of a system, as plain data.
//
// A link joins two actors, once, both ways, and is gone when either ends. A monitor is one way, and there can
// be many between the same two: each has a reference of its own and ends with its one notice.
//
//   relations.link(a, b);
//   relations.monitor(watcher, a, reference);
//   Relations::Ended ended = relations.end(a);     // b by its link, watcher by its monitor: tell each once
//
// Invariants: links are symmetric; every watch stands with its watcher and with its target; nothing names an
// actor that end() was called for.
// Thread safety: none.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "core/actor/types.h"
#include "core/base/error.h"

namespace aspen::actor {

class Relations {
 public:
  struct Watcher {
    ActorId actor;
    Reference reference;
    bool operator==(const Watcher&) const = default;
  };
  struct Ended {
    std::vector<ActorId> linked;    // in the order of their ids
    std::vector<Watcher> watchers;  // in the order of their references
  };

  // Both requires: the two are different. Linking twice is linking once.
  void link(ActorId a, ActorId b);
  bool unlink(ActorId a, ActorId b);
  bool linked(ActorId a, ActorId b) const;

  void monitor(ActorId watcher, ActorId target, Reference reference);
  // False when `watcher` has no such monitor (any more).
  bool demonitor(ActorId watcher, Reference reference);

  // Removes everything that names `actor`; who is to be told.
  Ended end(ActorId actor);

  // How many notices `actor` may still get.
  size_t expected(ActorId actor) const;
  size_t watchers(ActorId actor) const;

 private:
  struct Of {
    std::set<ActorId> links;
    std::map<Reference, ActorId> watches;   // its monitors, and their targets
    std::map<Reference, ActorId> watchers;  // monitors on it, and whose they are
  };
  const Of* find(ActorId actor) const;
  void forget_if_empty(ActorId actor);

  std::unordered_map<uint64_t, Of> of_;  // by id; never iterated
};

}  // namespace aspen::actor

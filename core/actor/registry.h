// Names of actors, so that others need not be handed their ids: `registry.find("router")`.
//
// A name is a lease held by a live actor. It cannot be taken while it is held, and is given back when its
// holder ends (System does that, before anybody is told of the end), so that a name never leads to one that
// is gone.
//
// Limits: names of 1 to limits::kActorNameBytesMax bytes, limits::kActorNamesPerActorMax of an actor,
// limits::kActorNamesMax in all.
// Invariants: a name has one holder; the names of every holder are those that lead to it.
// Thread safety: none.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/actor/types.h"
#include "core/base/error.h"

namespace aspen::actor {

class Registry {
 public:
  // Errors: INVALID_ARGUMENT for a name that is empty or too long, LIMIT_EXCEEDED. Requires: nobody holds it.
  Result<> take(std::string_view name, ActorId holder);
  // Nobody when the name is free.
  ActorId find(std::string_view name) const;
  bool release(std::string_view name);
  // In the order of their bytes.
  std::vector<std::string> names_of(ActorId holder) const;
  size_t size() const { return holders_.size(); }

 private:
  std::map<std::string, ActorId, std::less<>> holders_;
  std::unordered_map<uint64_t, std::set<std::string, std::less<>>> names_;  // by holder; never iterated
};

}  // namespace aspen::actor

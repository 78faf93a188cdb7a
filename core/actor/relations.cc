#include "core/actor/relations.h"

#include "core/base/assert.h"
#include "core/base/mutant.h"

namespace aspen::actor {

const Relations::Of* Relations::find(ActorId actor) const {
  auto it = of_.find(actor.value);
  return it == of_.end() ? nullptr : &it->second;
}

void Relations::forget_if_empty(ActorId actor) {
  auto it = of_.find(actor.value);
  if (it == of_.end()) return;
  const Of& of = it->second;
  if (of.links.empty() && of.watches.empty() && of.watchers.empty()) of_.erase(it);
}

void Relations::link(ActorId a, ActorId b) {
  ASPEN_ASSERT(a != b);
  of_[a.value].links.insert(b);
  of_[b.value].links.insert(a);
}

bool Relations::unlink(ActorId a, ActorId b) {
  if (!linked(a, b)) return false;
  of_[a.value].links.erase(b);
  of_[b.value].links.erase(a);
  forget_if_empty(a);
  forget_if_empty(b);
  return true;
}

bool Relations::linked(ActorId a, ActorId b) const {
  const Of* of = find(a);
  return of != nullptr && of->links.contains(b);
}

void Relations::monitor(ActorId watcher, ActorId target, Reference reference) {
  ASPEN_ASSERT(watcher != target);
  of_[watcher.value].watches.emplace(reference, target);
  of_[target.value].watchers.emplace(reference, watcher);
}

bool Relations::demonitor(ActorId watcher, Reference reference) {
  auto it = of_.find(watcher.value);
  if (it == of_.end()) return false;
  auto watch = it->second.watches.find(reference);
  if (watch == it->second.watches.end()) return false;
  ActorId target = watch->second;
  it->second.watches.erase(watch);
  of_[target.value].watchers.erase(reference);
  forget_if_empty(watcher);
  forget_if_empty(target);
  return true;
}

Relations::Ended Relations::end(ActorId actor) {
  Ended ended;
  auto node = of_.extract(actor.value);
  if (node.empty()) return ended;
  Of& of = node.mapped();
  for (ActorId other : of.links) {
    ended.linked.push_back(other);
    of_[other.value].links.erase(actor);
    forget_if_empty(other);
  }
  for (auto [reference, watcher] : of.watchers) {
    ended.watchers.push_back({watcher, reference});
    if (ASPEN_MUTANT("actor-down-twice")) ended.watchers.push_back({watcher, reference});
    of_[watcher.value].watches.erase(reference);
    forget_if_empty(watcher);
  }
  for (auto [reference, target] : of.watches) {
    of_[target.value].watchers.erase(reference);
    forget_if_empty(target);
  }
  return ended;
}

size_t Relations::expected(ActorId actor) const {
  const Of* of = find(actor);
  return of == nullptr ? 0 : of->links.size() + of->watches.size();
}

size_t Relations::watchers(ActorId actor) const {
  const Of* of = find(actor);
  return of == nullptr ? 0 : of->watchers.size();
}

}  // namespace aspen::actor

#include "core/actor/registry.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

namespace aspen::actor {

Result<> Registry::take(std::string_view name, ActorId holder) {
  if (name.empty() || name.size() > limits::kActorNameBytesMax) {
    return fail(Code::INVALID_ARGUMENT, "an actor's name of {} bytes; 1 to {}", name.size(),
                limits::kActorNameBytesMax);
  }
  if (holders_.size() >= limits::kActorNamesMax) {
    return fail(Code::LIMIT_EXCEEDED, "{} actor names are taken; at most {}", holders_.size(),
                limits::kActorNamesMax);
  }
  auto held = names_.find(holder.value);
  if (held != names_.end() && held->second.size() >= limits::kActorNamesPerActorMax) {
    return fail(Code::LIMIT_EXCEEDED, "actor {} has {} names; at most {}", holder.value, held->second.size(),
                limits::kActorNamesPerActorMax);
  }
  bool taken = holders_.emplace(name, holder).second;
  ASPEN_ASSERT(taken);
  names_[holder.value].emplace(name);
  return {};
}

ActorId Registry::find(std::string_view name) const {
  auto it = holders_.find(name);
  return it == holders_.end() ? ActorId() : it->second;
}

bool Registry::release(std::string_view name) {
  auto it = holders_.find(name);
  if (it == holders_.end()) return false;
  auto held = names_.find(it->second.value);
  held->second.erase(held->second.find(name));
  if (held->second.empty()) names_.erase(held);
  holders_.erase(it);
  return true;
}

std::vector<std::string> Registry::names_of(ActorId holder) const {
  auto held = names_.find(holder.value);
  if (held == names_.end()) return {};
  return {held->second.begin(), held->second.end()};
}

}  // namespace aspen::actor

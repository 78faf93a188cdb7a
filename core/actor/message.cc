#include "core/actor/message.h"

#include <algorithm>

namespace aspen::actor {

bool Match::operator()(const Message& message) const {
  if ((kinds & kinds_of(message.kind)) == 0) return false;
  if (!tags.empty() && (!message.is_user() || std::ranges::find(tags, message.tag) == tags.end()))
    return false;
  if (from && message.from != from) return false;
  return !reference || message.reference == reference;
}

}  // namespace aspen::actor

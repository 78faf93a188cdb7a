// What an actor finds in its mailbox, and how it chooses among it.
//
//   Match::any()                              the oldest message
//   {.tags = {kPing, kPong}}                  the oldest cast or call with one of these tags
//   {.kinds = kExits}                         the oldest exit
//   {.kinds = kDowns, .reference = monitor}   the end of that monitor's target
//
// What a Match passes over stays where it is: later receives find it in the order it came.
#pragma once

#include <vector>

#include "core/actor/call.h"
#include "core/actor/exit_reason.h"
#include "core/actor/types.h"

namespace aspen::actor {

struct Message {
  enum class Kind : uint8_t {
    cast,   // a payload
    call,   // a payload whose sender waits for `reply`
    exit,   // to an actor that traps exits: a link's other end ended, or somebody called exit()
    down,   // a monitor's target ended
    ready,  // a child says that it has started
  };
  Kind kind = Kind::cast;
  ActorId from;         // nobody when the sender is no actor
  Reference reference;  // the monitor of a down, the call of a call
  ExitReason reason;    // of an exit or a down
  uint64_t tag = 0;     // these three of a cast or a call
  Bytes body;
  Attachment attachment;
  Reply reply;

  bool is_user() const { return kind == Kind::cast || kind == Kind::call; }
};

using Kinds = uint8_t;
constexpr Kinds kinds_of(Message::Kind kind) {
  return static_cast<Kinds>(1u << static_cast<unsigned>(kind));
}
inline constexpr Kinds kCasts = kinds_of(Message::Kind::cast);
inline constexpr Kinds kCalls = kinds_of(Message::Kind::call);
inline constexpr Kinds kExits = kinds_of(Message::Kind::exit);
inline constexpr Kinds kDowns = kinds_of(Message::Kind::down);
inline constexpr Kinds kReadies = kinds_of(Message::Kind::ready);
inline constexpr Kinds kAllKinds = kCasts | kCalls | kExits | kDowns | kReadies;

struct Match {
  std::vector<uint64_t> tags;  // when there are any, only casts and calls with one of them
  Kinds kinds = kAllKinds;
  ActorId from;         // when set, only what comes from it
  Reference reference;  // when set, only what carries it

  static Match any() { return {}; }
  bool operator()(const Message& message) const;
};

}  // namespace aspen::actor

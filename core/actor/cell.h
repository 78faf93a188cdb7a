// An actor as its System holds it.
//
// States: running (the body runs) -> ending (the body is over; what it spawned is cancelled and drained, then
// its names are given back) -> ended (nothing of it is left; callers, links and monitors are told, and it is
// gone). An exit that is taken, by exit(), kill() or a link, cancels a running body and decides the reason,
// however the body then returns.
//
// Thread safety: none; one executor's thread.
#pragma once

#include "core/actor/mailbox.h"
#include "core/rt/event.h"
#include "core/rt/region.h"

namespace aspen::actor {

// Shared with who waits for it.
struct End {
  ExitReason reason;
  rt::Event event;
};

struct Cell {
  Cell(rt::Region& parent, ActorId id, std::string_view label, MailboxOptions mailbox)
      : id(id),
        label(label),
        mailbox(std::make_shared<Mailbox>(fmt::format("actor {} ({})", id.value, label), mailbox)),
        region(parent),
        end(std::make_shared<End>()) {}

  const ActorId id;
  const std::string label;
  const std::shared_ptr<Mailbox> mailbox;
  rt::Region region;
  rt::Join<> task;
  ActorId supervisor;  // nobody, or who started it as a child
  bool told_ready = false;
  bool traps_exits = false;
  bool ending = false;
  std::optional<ExitReason> taken;   // the exit that was taken
  std::optional<ExitReason> chosen;  // what the body said it ends with
  ExitReason reason;                 // once ending
  std::map<std::string, rt::Obligation, std::less<>> names;
  bool has_names_finalizer = false;
  std::shared_ptr<End> end;
};

}  // namespace aspen::actor

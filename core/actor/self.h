// The actor as its own body sees it. It lives as long as the body; only the body's own task uses it, not the
// tasks it spawns (those use System).
//
// Thread safety: none; one executor's thread.
#pragma once

#include "core/actor/system.h"

namespace aspen::actor {

class Self {
 public:
  Self(System& system, Cell& cell, rt::Cx& cx) : system_(system), cell_(cell), cx_(cx) {}
  Self(const Self&) = delete;
  Self& operator=(const Self&) = delete;

  ActorId id() const { return cell_.id; }
  System& system() { return system_; }
  // Tasks that are spawned in its region end with the actor.
  rt::Cx& cx() { return cx_; }

  // co_await -> Result<Message>: the oldest message that matches. Errors: the exit or cancel the actor was
  // given; nothing is taken then.
  Mailbox::ReceiveAlways receive(Match match = {}) { return cell_.mailbox->receive(cx_, std::move(match)); }
  // co_await -> Result<std::optional<Message>>: empty when none came in time. 0 asks without waiting.
  Mailbox::Receive receive_until(Match match, TimeNs until) {
    return cell_.mailbox->receive(cx_, std::move(match), until);
  }
  Mailbox::Receive receive_for(Match match, DurationNs duration) {
    return receive_until(std::move(match), cx_.after(duration));
  }

  // See System. send() refuses when the mailbox is full, send_waiting() waits for a place.
  Result<> send(ActorId to, Payload payload) { return system_.send(to, std::move(payload), id()); }
  rt::Task<Result<>> send_waiting(ActorId to, Payload payload, TimeNs until = kNever);
  rt::Task<Result<Payload>> call(ActorId to, Payload payload, DurationNs timeout = limits::kActorCallTimeout);

  Result<ActorId> spawn(std::string_view label, Body body, SpawnOptions options = {});
  // Linked before it runs.
  Result<ActorId> spawn_link(std::string_view label, Body body, SpawnOptions options = {});
  // Linked, with a link that neither side can undo, and with this actor answering for its end. For
  // supervisors.
  Result<ActorId> spawn_child(std::string_view label, Body body, SpawnOptions options = {});

  // From now on the abnormal end of either ends the other too, unless it traps exits. One that is gone counts
  // as one that ends now, with `noproc`. Errors: INVALID_ARGUMENT for itself, LIMIT_EXCEEDED when this or the
  // other has too many (limits::kActorSignalsMax).
  Result<> link(ActorId other) { return system_.link(cell_, other); }
  // Nothing comes through the link any more; an exit that came before stays in the mailbox. Errors:
  // PERMISSION_DENIED for the link of a child and its supervisor.
  Result<> unlink(ActorId other) { return system_.unlink(cell_, other); }
  // Exits of others become messages. Only kill() does not.
  void trap_exits(bool trap) { cell_.traps_exits = trap; }

  // One `down` with this reference when `target` ends, at once with `noproc` when it is gone. Errors:
  // INVALID_ARGUMENT for itself, LIMIT_EXCEEDED.
  Result<Reference> monitor(ActorId target) { return system_.monitor(cell_, target); }
  // The same for whoever holds the name now.
  Result<Reference> monitor(std::string_view name) { return monitor(system_.whereis(name)); }
  enum class Flush : uint8_t { no, yes };
  // Its `down` will not come; with Flush::yes one that came is dropped. True when it had not come.
  bool demonitor(Reference reference, Flush flush = Flush::no) {
    return system_.demonitor(cell_, reference, flush == Flush::yes);
  }

  // `co_return self.exit(reason)`: the body ends with another reason than its result would give.
  Result<> exit(ExitReason reason) {
    cell_.chosen = std::move(reason);
    return {};
  }
  // Tells the supervisor, if there is one, that it has started. Once.
  void ready();

 private:
  System& system_;
  Cell& cell_;
  rt::Cx& cx_;
};

}  // namespace aspen::actor

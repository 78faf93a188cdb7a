// A set of actors that can name, hear and watch each other. See actor.h for an example.
//
// Every actor has a region of its own below the system's, so it ends as regions do: its body returns, what it
// spawned is cancelled and drained, its names are given back. Only then is its end told, to each callee's
// caller, to each link, to each monitor, once. Nothing of an actor runs after anybody heard of its end.
//
// Exits travel as cancel requests through the run queue, one actor after the other: no chain or cycle of
// links can recurse. kill() cannot be trapped, but is a cancel too: the body drains. Its masks end
// with the cleanup budget of the cancel (core/rt/cancel_node.h); a body that ignores its cancel never ends.
//
// Failure cases: a full mailbox refuses (send) or is waited for (reserve); an actor that is gone is NOT_FOUND
// to a sender, `noproc` to a link or a monitor; one that ends owes no answer: its callers get UNAVAILABLE. A
// cancel of the region around the system reaches all actors at once, in no order; close() ends them in order.
//
// Invariants: an id is in the table from its spawn until its end was told; links and monitors join actors of
// the table only; a name leads to an actor of the table.
// Lifetime: the system is closed before it goes, and goes after whoever calls it.
// Thread safety: none; one executor's thread.
#pragma once

#include "core/actor/cell.h"
#include "core/actor/registry.h"
#include "core/actor/relations.h"

namespace aspen::actor {

class Self;

// What an actor runs. It is over when this returns: `normal` without an error, else `error`.
using Body = std::move_only_function<rt::Task<Result<>>(Self&)>;

struct SpawnOptions {
  MailboxOptions mailbox;
  // It starts with its exits trapped: no exit can come before it says so itself.
  bool trap_exits = false;
};

class System {
 public:
  explicit System(rt::Region& parent)
      : region_(parent, {.name = "actors", .children_max = limits::kActorsMax}),
        kill_timer_(parent.executor(), [this] { kill_all(); }) {}
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  // Runs `body` from the next turn. `label` is for people. Errors: LIMIT_EXCEEDED (limits::kActorsMax),
  // SHUTDOWN.
  Result<ActorId> spawn(std::string_view label, Body body, SpawnOptions options = {});

  // Errors: NOT_FOUND, LIMIT_EXCEEDED, OVERLOADED when the mailbox is full.
  Result<> send(ActorId to, Payload payload, ActorId from = {});
  // Waits for a place; see Mailbox::reserve.
  rt::Task<Result<Mailbox::Permit>> reserve(rt::Cx& cx, ActorId to, size_t bytes, TimeNs until = kNever);
  // Sends a request and waits for its answer. Errors: as send, but it waits for a place; DEADLINE_EXCEEDED,
  // UNAVAILABLE when the actor ended or dropped the request, what the actor failed it with.
  rt::Task<Result<Payload>> call(rt::Cx& cx, ActorId to, Payload payload,
                                 DurationNs timeout = limits::kActorCallTimeout, ActorId from = {});

  // One that traps exits gets a message. Another ends with `reason`, or ignores `normal`. `killed` is kill().
  // Errors: NOT_FOUND, OVERLOADED when it has many exits that it did not receive.
  Result<> exit(ActorId to, ExitReason reason, ActorId from = {});
  // Ends it, whether it traps exits or not. Nothing happens when it is gone.
  void kill(ActorId actor);

  // Errors: ALREADY_EXISTS says who holds it; NOT_FOUND for an actor that is gone or ending; OVERLOADED when
  // the ledger of its region is full; see Registry.
  Result<> register_name(std::string_view name, ActorId actor);
  // Errors: NOT_FOUND.
  Result<> unregister_name(std::string_view name);
  // Nobody when it is free.
  ActorId whereis(std::string_view name) const { return registry_.find(name); }
  // The same, as an error that names it: NOT_FOUND.
  Result<ActorId> lookup(std::string_view name) const;
  std::vector<std::string> names_of(ActorId actor) const { return registry_.names_of(actor); }

  // True until its end is told.
  bool alive(ActorId actor) const { return cells_.contains(actor.value); }
  size_t size() const { return cells_.size(); }
  // Waits for its end. Errors: NOT_FOUND when it is gone, the cancel reason.
  rt::Task<Result<ExitReason>> wait(rt::Cx& cx, ActorId actor);
  // The same for who waits later: the event is set at its end. Errors: NOT_FOUND.
  Result<std::shared_ptr<End>> end_of(ActorId actor);

  // Spawns nothing more. Asks every actor that no supervisor answers for to shut down, so that supervisors
  // end their children in order; what is left after `grace` is killed.
  void close(std::move_only_function<void()> closed, DurationNs grace = limits::kActorsCloseGrace);
  // The same: co_await.
  rt::Region::Close close(DurationNs grace = limits::kActorsCloseGrace);

 private:
  friend class Self;
  Cell* find(ActorId actor);
  Result<Cell*> get(ActorId actor);
  Result<ActorId> start(std::string_view label, Body body, SpawnOptions options, ActorId link,
                        bool supervised);
  void body_ended(Cell& cell, rt::Outcome<> outcome);
  void ended(ActorId actor);

  Result<> link(Cell& self, ActorId other);
  Result<> unlink(Cell& self, ActorId other);
  Result<Reference> monitor(Cell& self, ActorId target);
  bool demonitor(Cell& self, Reference reference, bool flush);
  Result<> check_room(const Cell& cell) const;
  void take_link_exit(Cell& to, ActorId from, const ExitReason& reason);
  void take(Cell& cell, const ExitReason& reason, rt::CancelKind kind);
  void release_names(Cell& cell);
  void give_back(std::string_view name, rt::Obligation& lease);
  void begin_close(DurationNs grace);
  std::vector<ActorId> in_order() const;
  void kill_all();
  Reference next_reference() { return {++last_reference_}; }

  rt::Region region_;
  bool closing_ = false;
  uint64_t last_id_ = 0;
  uint64_t last_reference_ = 0;
  std::unordered_map<uint64_t, std::unique_ptr<Cell>> cells_;  // by id; in_order() to iterate
  Relations relations_;
  Registry registry_;
  rt::Timer kill_timer_;
};

}  // namespace aspen::actor

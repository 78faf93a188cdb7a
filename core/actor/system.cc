#include "core/actor/system.h"

#include <algorithm>

#include "core/actor/self.h"
#include "core/base/mutant.h"

namespace aspen::actor {
namespace {

// How a body that was not told to exit ended.
ExitReason reason_of(rt::Outcome<> outcome) {
  if (outcome.ok()) return ExitReason::normal();
  rt::Severity severity = outcome.severity();
  Error error = std::move(outcome).result().error();
  if (severity == rt::Severity::panicked) return ExitReason::panic(std::move(error.message));
  if (severity == rt::Severity::cancelled && error.code == Code::SHUTDOWN) return ExitReason::shutdown();
  return ExitReason::error(std::move(error));
}

}  // namespace

Cell* System::find(ActorId actor) {
  auto it = cells_.find(actor.value);
  return it == cells_.end() ? nullptr : it->second.get();
}

Result<Cell*> System::get(ActorId actor) {
  Cell* cell = find(actor);
  if (cell == nullptr) return fail(Code::NOT_FOUND, "there is no actor {} (any more)", actor.value);
  return cell;
}

// ---- life

Result<ActorId> System::spawn(std::string_view label, Body body, SpawnOptions options) {
  return start(label, std::move(body), options, {}, false);
}

Result<ActorId> System::start(std::string_view label, Body body, SpawnOptions options, ActorId link,
                              bool supervised) {
  if (closing_) return fail(Code::SHUTDOWN, "{} is not started: the actor system is closing", label);
  if (cells_.size() >= limits::kActorsMax) {
    return fail(Code::LIMIT_EXCEEDED, "there are {} actors; at most {}", cells_.size(), limits::kActorsMax);
  }
  if (link) ASPEN_CHECK(check_room(*find(link)));
  ActorId id{++last_id_};
  auto owned = std::make_unique<Cell>(region_, id, label, options.mailbox);
  Cell& cell = *owned;
  cells_.emplace(id.value, std::move(owned));
  cell.traps_exits = options.trap_exits;
  if (supervised) cell.supervisor = link;
  if (link) relations_.link(link, id);
  cell.task = cell.region.spawn(
      cell.label.c_str(), [this, &cell, body = std::move(body)](rt::Cx& cx) mutable -> rt::Task<Result<>> {
        Self self(*this, cell, cx);
        co_return co_await body(self);
      });
  cell.task.then([this, &cell](rt::Outcome<> outcome) { body_ended(cell, std::move(outcome)); });
  return id;
}

void System::body_ended(Cell& cell, rt::Outcome<> outcome) {
  cell.ending = true;
  bool panicked = outcome.severity() == rt::Severity::panicked;
  if (cell.taken) {
    cell.reason = *cell.taken;
  } else if (cell.chosen && !panicked) {
    cell.reason = *cell.chosen;
  } else {
    cell.reason = reason_of(std::move(outcome));
  }
  cell.mailbox->refuse();
  cell.region.cancel({rt::CancelKind::shutdown, fmt::format("actor {} has ended", cell.id.value)});
  cell.region.close([this, id = cell.id] { ended(id); });
}

void System::ended(ActorId id) {
  auto node = cells_.extract(id.value);
  Cell& cell = *node.mapped();  // its region, which calls this, goes with it
  cell.mailbox->end(cell.reason);
  Relations::Ended tell = relations_.end(id);
  for (ActorId other : tell.linked) take_link_exit(*find(other), id, cell.reason);
  for (const auto& [watcher, reference] : tell.watchers) {
    find(watcher)->mailbox->post_signal(
        {.kind = Message::Kind::down, .from = id, .reference = reference, .reason = cell.reason});
  }
  cell.end->reason = cell.reason;
  cell.end->event.set();
  if (cells_.empty()) kill_timer_.disarm();
}

Result<std::shared_ptr<End>> System::end_of(ActorId actor) {
  ASPEN_TRY(Cell * cell, get(actor));
  return cell->end;
}

rt::Task<Result<ExitReason>> System::wait(rt::Cx& cx, ActorId actor) {
  ASPEN_CO_TRY(auto end, end_of(actor));
  ASPEN_CO_CHECK(co_await end->event.wait(cx));
  co_return end->reason;
}

void System::begin_close(DurationNs grace) {
  if (std::exchange(closing_, true)) return;
  auto ids = in_order();
  if (!ASPEN_MUTANT("actor-close-oldest-first")) std::ranges::reverse(ids);
  for (ActorId id : ids) {
    // One that traps and receives nothing is killed after the grace.
    if (!find(find(id)->supervisor)) (void)exit(id, ExitReason::shutdown());
  }
  TimeNs now = region_.executor().now();
  if (!cells_.empty()) kill_timer_.arm(grace > kNever - now ? kNever : now + grace);
}

void System::close(std::move_only_function<void()> closed, DurationNs grace) {
  begin_close(grace);
  region_.close(std::move(closed));
}

rt::Region::Close System::close(DurationNs grace) {
  begin_close(grace);
  return region_.close();
}

void System::kill_all() {
  for (ActorId id : in_order()) kill(id);
}

std::vector<ActorId> System::in_order() const {
  std::vector<ActorId> ids;
  ids.reserve(cells_.size());
  for (const auto& [id, cell] : cells_) ids.push_back({id});
  std::ranges::sort(ids);
  return ids;
}

// ---- messages

Result<> System::send(ActorId to, Payload payload, ActorId from) {
  ASPEN_TRY(Cell * cell, get(to));
  return cell->mailbox->post({.from = from,
                              .tag = payload.tag,
                              .body = std::move(payload.body),
                              .attachment = std::move(payload.attachment)});
}

rt::Task<Result<Mailbox::Permit>> System::reserve(rt::Cx& cx, ActorId to, size_t bytes, TimeNs until) {
  ASPEN_CO_TRY(Cell * cell, get(to));
  co_return co_await cell->mailbox->reserve(cx, bytes, {}, until);
}

rt::Task<Result<Payload>> System::call(rt::Cx& cx, ActorId to, Payload payload, DurationNs timeout,
                                       ActorId from) {
  ASPEN_CO_TRY(Cell * cell, get(to));
  co_return co_await Mailbox::call(cx, cell->mailbox, std::move(payload), from, next_reference(),
                                   cx.after(timeout));
}

// ---- exits, links, monitors

Result<> System::exit(ActorId to, ExitReason reason, ActorId from) {
  ASPEN_TRY(Cell * cell, get(to));
  if (reason.kind == ExitKind::killed) {
    kill(to);
  } else if (cell->traps_exits) {
    return cell->mailbox->post_exit({.kind = Message::Kind::exit, .from = from, .reason = std::move(reason)});
  } else if (reason.cascades()) {
    take(*cell, reason, reason.kind == ExitKind::shutdown ? rt::CancelKind::shutdown : rt::CancelKind::user);
  }
  return {};
}

void System::kill(ActorId actor) {
  if (Cell* cell = find(actor)) take(*cell, ExitReason::killed(), rt::CancelKind::user);
}

// The first exit decides the reason, but that it had to be killed is worth knowing.
void System::take(Cell& cell, const ExitReason& reason, rt::CancelKind kind) {
  if (cell.ending) return;
  if (!cell.taken || reason.kind == ExitKind::killed) cell.taken = reason;
  cell.mailbox->refuse();
  cell.task.cancel({kind, fmt::format("actor {} was told to exit: {}", cell.id.value, reason.to_string())});
}

void System::take_link_exit(Cell& to, ActorId from, const ExitReason& reason) {
  if (ASPEN_MUTANT("actor-links-do-nothing")) return;
  if (to.traps_exits && !ASPEN_MUTANT("actor-links-ignore-traps")) {
    to.mailbox->post_signal({.kind = Message::Kind::exit, .from = from, .reason = reason});
  } else if (reason.cascades() || ASPEN_MUTANT("actor-normal-exit-cascades")) {
    take(to, reason,
         ASPEN_MUTANT("actor-link-exit-unnamed") ? rt::CancelKind::user : rt::CancelKind::linked_exit);
  }
}

Result<> System::check_room(const Cell& cell) const {
  size_t used = relations_.expected(cell.id) + cell.mailbox->signals();
  if (used < limits::kActorSignalsMax) return {};
  return fail(Code::LIMIT_EXCEEDED,
              "actor {} ({}) has {} links, monitors and signals it did not receive; at most {}",
              cell.id.value, cell.label, used, limits::kActorSignalsMax);
}

Result<> System::link(Cell& self, ActorId other) {
  if (other == self.id) return fail(Code::INVALID_ARGUMENT, "actor {} links itself", other.value);
  if (relations_.linked(self.id, other)) return {};
  ASPEN_CHECK(check_room(self));
  Cell* cell = find(other);
  if (cell == nullptr) {
    take_link_exit(self, other, ExitReason::noproc());
    return {};
  }
  ASPEN_CHECK(check_room(*cell));
  relations_.link(self.id, other);
  return {};
}

Result<> System::unlink(Cell& self, ActorId other) {
  Cell* cell = find(other);
  if (cell == nullptr) return {};
  if (self.supervisor == other || cell->supervisor == self.id) {
    return fail(Code::PERMISSION_DENIED, "actor {} and {} are a child and its supervisor: their link stays",
                self.id.value, other.value);
  }
  relations_.unlink(self.id, other);
  return {};
}

Result<Reference> System::monitor(Cell& self, ActorId target) {
  if (target == self.id) return fail(Code::INVALID_ARGUMENT, "actor {} monitors itself", target.value);
  ASPEN_CHECK(check_room(self));
  if (relations_.watchers(target) >= limits::kActorWatchersMax) {
    return fail(Code::LIMIT_EXCEEDED, "actor {} has {} monitors; at most {}", target.value,
                relations_.watchers(target), limits::kActorWatchersMax);
  }
  Reference reference = next_reference();
  if (ASPEN_MUTANT("actor-monitor-reference-shared")) reference = {1};
  if (alive(target)) {
    relations_.monitor(self.id, target, reference);
  } else if (!ASPEN_MUTANT("actor-no-down-for-missing")) {
    self.mailbox->post_signal({.kind = Message::Kind::down,
                               .from = target,
                               .reference = reference,
                               .reason = ExitReason::noproc()});
  }
  return reference;
}

bool System::demonitor(Cell& self, Reference reference, bool flush) {
  bool active = relations_.demonitor(self.id, reference);
  if (!active && flush) self.mailbox->drop({.kinds = kDowns, .reference = reference});
  return active;
}

// ---- names

Result<> System::register_name(std::string_view name, ActorId actor) {
  ASPEN_TRY(Cell * cell, get(actor));
  if (cell->ending) return fail(Code::NOT_FOUND, "actor {} is ending", actor.value);
  if (Cell* holder = find(registry_.find(name))) {
    return fail(Code::ALREADY_EXISTS, "the name {} is held by actor {} ({})", name, holder->id.value,
                holder->label);
  }
  ASPEN_CHECK(registry_.take(name, actor));
  auto lease = rt::Obligation::make(cell->region, rt::ObligationKind::lease, "actor name");
  if (!lease) {
    if (!ASPEN_MUTANT("actor-name-without-lease")) registry_.release(name);
    return forward_error(std::move(lease));
  }
  // At the actor's end, when nothing of it runs any more.
  if (!std::exchange(cell->has_names_finalizer, true)) {
    cell->region.add_finalizer([this, cell](rt::Cx&) -> rt::Task<void> {
      release_names(*cell);
      co_return;
    });
  }
  cell->names.emplace(name, std::move(*lease));
  return {};
}

Result<> System::unregister_name(std::string_view name) {
  ASPEN_TRY(ActorId holder, lookup(name));
  Cell& cell = *find(holder);
  auto held = cell.names.find(name);
  give_back(held->first, held->second);
  cell.names.erase(held);
  return {};
}

Result<ActorId> System::lookup(std::string_view name) const {
  ActorId holder = whereis(name);
  if (!holder) return fail(Code::NOT_FOUND, "no actor has the name {}", name);
  return holder;
}

void System::release_names(Cell& cell) {
  for (auto& [name, lease] : cell.names) give_back(name, lease);
  cell.names.clear();
}

void System::give_back(std::string_view name, rt::Obligation& lease) {
  if (!ASPEN_MUTANT("actor-name-kept")) registry_.release(name);
  if (!ASPEN_MUTANT("actor-name-lease-dropped")) lease.commit();
}

}  // namespace aspen::actor

#include "core/actor/self.h"

namespace aspen::actor {

rt::Task<Result<>> Self::send_waiting(ActorId to, Payload payload, TimeNs until) {
  ASPEN_CO_TRY(Cell * cell, system_.get(to));
  ASPEN_CO_TRY(auto permit, co_await cell->mailbox->reserve(cx_, payload.body.size(), id(), until));
  std::move(permit).send(std::move(payload));
  co_return Result<>();
}

rt::Task<Result<Payload>> Self::call(ActorId to, Payload payload, DurationNs timeout) {
  if (to == id()) co_return fail(Code::INVALID_ARGUMENT, "actor {} calls itself", to.value);
  co_return co_await system_.call(cx_, to, std::move(payload), timeout, id());
}

Result<ActorId> Self::spawn(std::string_view label, Body body, SpawnOptions options) {
  return system_.spawn(label, std::move(body), options);
}

Result<ActorId> Self::spawn_link(std::string_view label, Body body, SpawnOptions options) {
  return system_.start(label, std::move(body), options, id(), false);
}

Result<ActorId> Self::spawn_child(std::string_view label, Body body, SpawnOptions options) {
  return system_.start(label, std::move(body), options, id(), true);
}

void Self::ready() {
  if (std::exchange(cell_.told_ready, true)) return;
  Cell* supervisor = system_.find(cell_.supervisor);
  if (supervisor != nullptr) supervisor->mailbox->post_signal({.kind = Message::Kind::ready, .from = id()});
}

}  // namespace aspen::actor

// Actors: tasks that own their state, hear each other through bounded mailboxes, and watch each other's ends.
//
//   constexpr uint64_t kAdd = 1, kTotal = 2;
//
//   Task<Result<>> counter(Self& self) {
//     int total = 0;
//     for (;;) {
//       ASPEN_CO_TRY(Message message, co_await self.receive({.tags = {kAdd, kTotal}}));
//       if (message.tag == kAdd) ++total;
//       if (message.reply.owed()) std::move(message.reply).send({.body = std::to_string(total)});
//     }
//   }
//
//   System system(region);
//   ASPEN_CO_TRY(ActorId id, system.spawn("counter", counter));
//   ASPEN_CO_CHECK(system.register_name("counter", id));
//   ASPEN_CO_CHECK(system.send(id, {.tag = kAdd}));                           // a cast: OVERLOADED when full
//   ASPEN_CO_TRY(Payload total, co_await system.call(cx, id, {.tag = kTotal}));   // or an error, in time
//   co_await system.close();
//
// A supervisor keeps it running. Killed or crashed, it is started again; others find it by its name:
//
//   system.spawn("root", supervisor({.children = {{.policy = {.id = "counter"}, .body = named_counter}}}));
//   system.kill(system.whereis("counter"));     // and a moment later whereis("counter") is a new one
//
// What the pieces are:
//   message.h      what is sent, and which of it is received (selective receive)
//   call.h         requests and the obligation to answer them
//   self.h         what a body may do: receive, send, call, link, monitor, spawn
//   system.h       the actors, and everything others may do with them; names
//   exit_reason.h  why an actor ended, and what that does to others
//   supervisor.h   actors that start others and start them again; supervision.h is what they decide
//
// The rules are those of Erlang/OTP, except where a bound or an error is better than its silence: mailboxes
// are bounded, senders are told that nobody is there, kill() drains, and a name is free when its holder's end
// is told.
#pragma once

#include "core/actor/self.h"
#include "core/actor/supervisor.h"
#include "core/actor/system.h"

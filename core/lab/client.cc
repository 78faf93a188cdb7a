#include "core/lab/client.h"

namespace aspen::lab {
namespace {

// Clients that were cut off from their machine are other ones from then on.
constexpr uint64_t kNextLife = 1000;

}  // namespace

Client::Client(World& world, Machine& machine, History& history, uint64_t id, std::unique_ptr<Script> script,
               ClientOptions options)
    : world_(world),
      machine_(machine),
      history_(history),
      id_(id),
      script_(std::move(script)),
      options_(options),
      random_(world.random("client", id)) {}

void Client::start() {
  running_ = true;
  schedule(pause());
}

DurationNs Client::pause() {
  return kMillisecond + random_.exponential(options_.pause_mean);
}

void Client::schedule(DurationNs after) {
  world_.events().after(after, [this] { next(); });
}

void Client::next() {
  if (in_flight_) {
    bool lost = machine_.incarnation() != incarnation_ || machine_.state() == Machine::State::off;
    if (!lost) return schedule(pause());
    in_flight_ = false;
    id_ += kNextLife;
  }
  if (stopping_ || operations_ >= options_.operations_max) {
    running_ = false;
    return;
  }
  if (machine_.engine() == nullptr || machine_.paused()) return schedule(pause());
  issue();
}

void Client::issue() {
  Operation::Call call = script_->next(random_);
  auto recorded = history_.invoke(id_, world_.now(), call);
  if (!recorded) {
    running_ = false;
    return;
  }
  operation_ = *recorded;
  incarnation_ = machine_.incarnation();
  in_flight_ = true;
  ++operations_;
  node::Engine& engine = *machine_.engine();
  if (auto* write = std::get_if<WriteCall>(&call)) {
    spawn<kv::WriteReply>(engine, [command = write->command()](node::Engine& engine, rt::Cx& cx) {
      return engine.router().write(cx, command);
    });
  } else if (auto* get = std::get_if<GetCall>(&call)) {
    spawn<kv::GetReply>(engine, [get = *get](node::Engine& engine, rt::Cx& cx) {
      return engine.router().get(cx, {get.key}, get.freshness);
    });
  } else {
    spawn<kv::RangeReply>(engine, [range = std::get<RangeCall>(call)](node::Engine& engine, rt::Cx& cx) {
      return engine.router().range(cx, range.request, range.freshness);
    });
  }
  // Looks again by the clock: a machine that crashes says nothing.
  schedule(pause());
}

template <typename Reply>
void Client::spawn(node::Engine& engine,
                   std::function<rt::Task<Result<Reply>>(node::Engine&, rt::Cx&)> body) {
  Host& host = *machine_.host();
  DurationNs timeout =
      random_.chance(options_.hurry) ? random_.exponential(5 * kMillisecond) : options_.timeout;
  host.deliver([&, this] {
    auto join = engine.operations().spawn(
        "client operation", [&engine, body = std::move(body)](rt::Cx& cx) { return body(engine, cx); },
        host.executor().now() + timeout);
    if (random_.chance(options_.cancel)) {
      // The join keeps what it cancels alive; the world may forget the event.
      world_.events().after(random_.exponential(20 * kMillisecond), [this, join, incarnation = incarnation_,
                                                                     operation = operation_]() mutable {
        bool there = in_flight_ && operation_ == operation && machine_.incarnation() == incarnation &&
                     machine_.host() != nullptr;
        if (!there) return;
        machine_.host()->deliver([join]() mutable {
          if (!join.done()) join.cancel({rt::CancelKind::user, "the lab cancels it"});
        });
      });
    }
    join.then([this, &host, incarnation = incarnation_](rt::Outcome<Reply> outcome) {
      // A ghost's news reaches nobody.
      if (!host.dead()) finished<Reply>(incarnation, std::move(outcome).result());
    });
  });
}

template <typename Reply>
void Client::finished(uint64_t incarnation, Result<Reply> result) {
  if (!in_flight_ || incarnation != incarnation_) return;
  in_flight_ = false;
  if (result) {
    if constexpr (std::is_same_v<Reply, kv::WriteReply>) options_.acknowledged(result->revision);
    history_.succeed(operation_, world_.now(), std::move(*result));
  } else {
    history_.fail(operation_, world_.now(), result.error());
    if (history_.at(operation_).ambiguous()) id_ += kNextLife;
  }
  world_.note(machine_.index(), "client", "{}", describe(history_.at(operation_)));
  script_->done(history_.at(operation_));
}

}  // namespace aspen::lab

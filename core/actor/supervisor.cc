#include "core/actor/supervisor.h"

namespace aspen::actor {
namespace {

// What a request carries; it is answered with an ActorId or a list of ChildInfo.
struct StartRequest {
  ChildSpec spec;
};
struct TerminateRequest {
  std::string id;
};
struct RestartRequest {
  std::string id;
};
struct DeleteRequest {
  std::string id;
};
struct ListRequest {};
using Request = std::variant<StartRequest, TerminateRequest, RestartRequest, DeleteRequest, ListRequest>;

// One run of a supervisor: turns messages into inputs of its Supervision, and does what that says.
class Run {
 public:
  Run(Self& self, SupervisorSpec spec)
      : self_(self), supervision_(spec.options, policies_of(spec), self.cx().env().random_u64()) {
    for (ChildSpec& child : spec.children) children_[next_key_++].spec = std::move(child);
  }

  // Until it has finished.
  rt::Task<ExitReason> run() {
    std::optional<rt::Cx::Mask> draining;
    step(Supervision::Tick{});
    while (!finished_) {
      auto message = co_await self_.receive_until(Match::any(), supervision_.next_due());
      if (!message && draining) {
        co_return out_of_time();
      } else if (!message) {
        draining.emplace(self_.cx());
        bool closing = message.error().code == Code::SHUTDOWN;
        step(Supervision::Stop{closing ? ExitReason::shutdown() : ExitReason::killed(), true});
      } else if (*message) {
        handle(std::move(**message));
      } else {
        step(Supervision::Tick{});
      }
    }
    co_return *finished_;
  }

  static std::vector<ChildPolicy> policies_of(const SupervisorSpec& spec) {
    std::vector<ChildPolicy> policies;
    for (const ChildSpec& child : spec.children) policies.push_back(child.policy);
    return policies;
  }

 private:
  struct Child {
    ChildSpec spec;
    ActorId actor;  // nobody while it is down
  };

  // The cleanup budget is over: what is left of the children drains without being waited for.
  ExitReason out_of_time() {
    for (const auto& [actor, key] : actors_) self_.system().kill(actor);
    return ExitReason::killed();
  }

  void handle(Message message) {
    auto child = actors_.find(message.from);
    switch (message.kind) {
      case Message::Kind::ready:
        if (child != actors_.end()) step(Supervision::Started{child->second});
        return;
      case Message::Kind::exit:
        if (child != actors_.end()) return child_ended(child->second, message.reason);
        if (message.reason.cascades()) step(Supervision::Stop{message.reason});
        return;
      case Message::Kind::call:
        return handle_request(std::move(message));
      default:
        return;  // nothing a supervisor waits for
    }
  }

  void child_ended(Supervision::Key key, const ExitReason& reason) {
    actors_.erase(std::exchange(children_.at(key).actor, {}));
    step(Supervision::Exited{key, reason});
  }

  void handle_request(Message message) {
    auto request = message.attachment.take<Request>();
    if (!request) {
      return std::move(message.reply)
          .fail(Error(Code::INVALID_ARGUMENT, "a supervisor answers requests of class Supervisor only"));
    }
    if (std::holds_alternative<ListRequest>(*request)) {
      return std::move(message.reply).send({.attachment = Attachment::of(list())});
    }
    Supervision::Token token = ++last_token_;
    replies_.emplace(token, std::move(message.reply));
    if (auto* start = std::get_if<StartRequest>(&*request)) {
      Supervision::Key key = next_key_++;
      ChildPolicy policy = start->spec.policy;
      children_[key].spec = std::move(start->spec);
      step(Supervision::Add{key, std::move(policy), token});
    } else if (auto* terminate = std::get_if<TerminateRequest>(&*request)) {
      step(Supervision::Terminate{terminate->id, token});
    } else if (auto* restart = std::get_if<RestartRequest>(&*request)) {
      step(Supervision::StartAgain{restart->id, token});
    } else {
      step(Supervision::Remove{std::get<DeleteRequest>(*request).id, token});
    }
  }

  // What is done may lead to more to decide, at once: it is decided in order, without recursion.
  void step(Supervision::Input first) {
    std::deque<Supervision::Input> inputs{std::move(first)};
    for (; !inputs.empty(); inputs.pop_front()) {
      for (auto& effect : supervision_.step(inputs.front(), self_.cx().now())) {
        if (auto next = std::visit([this](auto& effect) { return apply(effect); }, effect)) {
          inputs.push_back(std::move(*next));
        }
      }
    }
  }

  using Next = std::optional<Supervision::Input>;

  Next apply(const Supervision::Start& start) {
    Child& child = children_.at(start.key);
    auto actor = self_.spawn_child(child.spec.policy.id, child.spec.body, child.spec.spawn);
    if (!actor) return Supervision::Exited{start.key, ExitReason::error(actor.error())};
    child.actor = *actor;
    actors_.emplace(*actor, start.key);
    if (child.spec.policy.reports_ready) return {};
    return Supervision::Started{start.key};
  }
  Next apply(const Supervision::Ask& ask) {
    // One that receives nothing is killed when its time is up.
    (void)self_.system().exit(children_.at(ask.key).actor, ExitReason::shutdown(), self_.id());
    return {};
  }
  Next apply(const Supervision::Kill& kill) {
    self_.system().kill(children_.at(kill.key).actor);
    return {};
  }
  Next apply(const Supervision::Forget& forget) {
    children_.erase(forget.key);
    return {};
  }
  Next apply(Supervision::Answer& answer) {
    auto reply = replies_.extract(answer.token);
    if (!answer.result) {
      std::move(reply.mapped()).fail(std::move(answer.result).error());
    } else {
      auto child = children_.find(*answer.result);
      ActorId actor = child == children_.end() ? ActorId() : child->second.actor;
      std::move(reply.mapped()).send({.attachment = Attachment::of(actor)});
    }
    return {};
  }
  Next apply(const Supervision::Ready&) {
    self_.ready();
    return {};
  }
  Next apply(const Supervision::Finished& finished) {
    finished_ = finished.reason;
    return {};
  }

  std::vector<ChildInfo> list() const {
    std::vector<ChildInfo> list;
    for (ChildStatus& status : supervision_.list()) {
      ActorId actor = children_.at(status.key).actor;
      list.push_back({std::move(status), actor});
    }
    return list;
  }

  Self& self_;
  Supervision supervision_;
  std::map<Supervision::Key, Child> children_;
  std::map<ActorId, Supervision::Key> actors_;
  std::map<Supervision::Token, Reply> replies_;
  Supervision::Key next_key_ = 0;
  Supervision::Token last_token_ = 0;
  std::optional<ExitReason> finished_;
};

rt::Task<Result<>> supervise(Self& self, SupervisorSpec spec) {
  ASPEN_CO_CHECK(Supervision::check(spec.options));
  ASPEN_CO_CHECK(Supervision::check(Run::policies_of(spec)));
  self.trap_exits(true);
  Run run(self, std::move(spec));
  co_return self.exit(co_await run.run());
}

template <typename T>
rt::Task<Result<T>> request(rt::Cx& cx, System& system, ActorId supervisor, Request request,
                            DurationNs timeout) {
  Payload payload{.attachment = Attachment::of(std::move(request))};
  ASPEN_CO_TRY(Payload answer, co_await system.call(cx, supervisor, std::move(payload), timeout));
  auto value = answer.attachment.take<T>();
  if (!value) co_return fail(Code::INVALID_ARGUMENT, "actor {} is no supervisor", supervisor.value);
  co_return std::move(*value);
}

rt::Task<Result<>> without_value(rt::Task<Result<ActorId>> task) {
  ASPEN_CO_CHECK(co_await std::move(task));
  co_return Result<>();
}

}  // namespace

std::function<rt::Task<Result<>>(Self&)> supervisor(SupervisorSpec spec) {
  return [spec = std::move(spec)](Self& self) { return supervise(self, spec); };
}

ChildSpec nested(std::string id, SupervisorSpec spec) {
  return {.policy = {.id = std::move(id),
                     .shutdown_timeout = kNever,
                     .reports_ready = true,
                     .start_timeout = kNever},
          .body = supervisor(std::move(spec))};
}

rt::Task<Result<ActorId>> Supervisor::start_child(rt::Cx& cx, ChildSpec spec, DurationNs timeout) {
  return request<ActorId>(cx, system_, id_, StartRequest{std::move(spec)}, timeout);
}

rt::Task<Result<>> Supervisor::terminate_child(rt::Cx& cx, std::string id, DurationNs timeout) {
  return without_value(request<ActorId>(cx, system_, id_, TerminateRequest{std::move(id)}, timeout));
}

rt::Task<Result<ActorId>> Supervisor::restart_child(rt::Cx& cx, std::string id, DurationNs timeout) {
  return request<ActorId>(cx, system_, id_, RestartRequest{std::move(id)}, timeout);
}

rt::Task<Result<>> Supervisor::delete_child(rt::Cx& cx, std::string id, DurationNs timeout) {
  return without_value(request<ActorId>(cx, system_, id_, DeleteRequest{std::move(id)}, timeout));
}

rt::Task<Result<std::vector<ChildInfo>>> Supervisor::list(rt::Cx& cx, DurationNs timeout) {
  return request<std::vector<ChildInfo>>(cx, system_, id_, ListRequest{}, timeout);
}

}  // namespace aspen::actor

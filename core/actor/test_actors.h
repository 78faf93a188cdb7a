// What the actor tests share: a system in virtual time, a log of what happened, and bodies that do one thing.
#pragma once

#include "core/actor/self.h"
#include "core/rt/observer.h"
#include "core/rt/test_world.h"

namespace aspen::actor {

using Log = std::vector<std::string>;
using rt::Cx;
using rt::Task;

// Whatever the actors of a test do, no promise is broken.
struct Promises final : rt::Observer {
  void task_spawned(const rt::TaskBase& task) override { tasks_[task.id()] = task.name(); }
  void obligation_made(const rt::Obligation& made) override {
    last_name_ = made.name();
    last_task_ = made.made_by();
  }
  void promise_broken(const rt::Obligation&, const std::string& text) override { broken.push_back(text); }
  rt::Executor& of(rt::Executor& executor) {
    executor.observer = this;
    return executor;
  }
  // The one made last: "name of task".
  std::string last() const { return fmt::format("{} of {}", last_name_, tasks_.at(last_task_)); }
  Log broken;

 private:
  std::string_view last_name_;
  uint64_t last_task_ = 0;
  std::map<uint64_t, std::string> tasks_;
};

struct ActorTest : testing::Test {
  Promises promises;
  rt::TestWorld world;
  rt::Region root{promises.of(world.executor)};
  System system{root};
  Log log;

  void TearDown() override { close(); }
  void close() {
    bool closed = false;
    system.close([] {});
    root.close([&] { closed = true; });
    EXPECT_TRUE(world.run());
    EXPECT_TRUE(closed) << root.pending();
    EXPECT_EQ(system.size(), 0u);
    EXPECT_EQ(promises.broken, Log());
  }

  ActorId spawn(std::string_view label, Body body, SpawnOptions options = {}) {
    auto id = system.spawn(label, std::move(body), options);
    EXPECT_TRUE(id) << id.error().to_string();
    return id.value_or(ActorId());
  }
  // Logs `name: reason` when the actor ends.
  void watch(std::string name, ActorId id) {
    auto end = *system.end_of(id);
    root.spawn("watch", [this, name = std::move(name), end](Cx& cx) -> Task<Result<>> {
      Cx::Mask mask(cx);
      EXPECT_TRUE(co_await end->event.wait(cx));
      log.push_back(name + ": " + end->reason.to_string());
      co_return Result<>();
    });
  }
  // A task that is no actor. What it fails with is logged.
  template <typename F>
  auto task(F body) {
    return root.spawn("task", [this, body = std::move(body)](Cx& cx) mutable -> Task<Result<>> {
      auto result = co_await body(cx);
      if (!result) log.push_back(result.error().to_string());
      co_return result;
    });
  }
  void turn() { EXPECT_TRUE(world.turn_all()); }
};

inline Body idle() {
  return [](Self& self) -> Task<Result<>> {
    auto message = co_await self.receive({.kinds = 0});
    co_return message ? Result<>() : Result<>(std::unexpected(message.error()));
  };
}
inline Body ends_after(DurationNs duration, ExitReason reason) {
  return [duration, reason](Self& self) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await self.cx().sleep(duration));
    co_return self.exit(reason);
  };
}
inline ExitReason boom() {
  return ExitReason::error(Error(Code::IO, "boom"));
}
// What a message is, for logs: "cast 3 hello", "exit from 2: killed".
inline std::string text_of(const Message& message) {
  switch (message.kind) {
    case Message::Kind::cast:
      return fmt::format("cast {} {}", message.tag, message.body);
    case Message::Kind::call:
      return fmt::format("call {} {}", message.tag, message.body);
    case Message::Kind::exit:
      return fmt::format("exit from {}: {}", message.from.value, message.reason.to_string());
    case Message::Kind::down:
      return fmt::format("down of {}: {}", message.from.value, message.reason.to_string());
    case Message::Kind::ready:
      return fmt::format("ready from {}", message.from.value);
  }
  return "?";
}
// Traps exits and logs what it receives.
inline Body logs(Log& log) {
  return [&log](Self& self) -> Task<Result<>> {
    self.trap_exits(true);
    for (;;) {
      auto message = co_await self.receive();
      if (!message) co_return std::unexpected(message.error());
      log.push_back(text_of(*message));
    }
  };
}

}  // namespace aspen::actor

// Sequential users of the store, one operation after the other, each recorded in the history.
//
// What a client does next is its script's business; when it runs on a machine that crashes, nobody will ever
// say what became of its operation: it stays open in the history, and the client goes on as another one.
//
// Thread safety: none.
#pragma once

#include <functional>
#include <memory>

#include "core/lab/history.h"
#include "core/lab/machine.h"

namespace aspen::lab {

class Script {
 public:
  virtual ~Script() = default;
  virtual Operation::Call next(Random& random) = 0;
  // How it ended; not called for one that stayed open because the machine crashed.
  virtual void done(const Operation& operation) { (void)operation; }
};

struct ClientOptions {
  DurationNs pause_mean = 20 * kMillisecond;  // between operations
  DurationNs timeout = 5 * kSecond;
  double hurry = 0.05;  // so many operations get a deadline they will hardly meet
  double cancel = 0;    // so many are cancelled at some time
  uint64_t operations_max = UINT64_MAX;
  std::function<void(uint64_t revision)> acknowledged = {};  // a write took effect there
};

class Client {
 public:
  // All outlive the client.
  Client(World& world, Machine& machine, History& history, uint64_t id, std::unique_ptr<Script> script,
         ClientOptions options);

  void start();
  // No further operation begins.
  void stop() { stopping_ = true; }
  bool idle() const { return !running_; }
  uint64_t operations() const { return operations_; }

 private:
  DurationNs pause();
  void schedule(DurationNs after);
  void next();
  void issue();
  template <typename Reply>
  void spawn(node::Engine& engine, std::function<rt::Task<Result<Reply>>(node::Engine&, rt::Cx&)> body);
  template <typename Reply>
  void finished(uint64_t incarnation, Result<Reply> result);

  World& world_;
  Machine& machine_;
  History& history_;
  uint64_t id_;
  std::unique_ptr<Script> script_;
  ClientOptions options_;
  Random random_;
  uint64_t operations_ = 0;
  size_t operation_ = 0;      // in the history, while one is in flight
  uint64_t incarnation_ = 0;  // of the machine, on which it is in flight
  bool in_flight_ = false;
  bool running_ = false;
  bool stopping_ = false;
};

}  // namespace aspen::lab

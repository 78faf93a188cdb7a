// What the addon keeps for one JavaScript environment (the main thread or one worker): its completion queue,
// the operations in flight, and the nodes, transactions and branches that are open.
//
// An operation is a tag. JavaScript chooses it, so that it can cancel what it has started; the engine carries
// it to the completion; here it finds the promise to settle. Operations are freed nowhere but here and on
// this thread, so cancelling can not meet a freed one.
//
// A promise is resolved with plain values, or rejected with a plain object {number, message, applied,
// retryable}, of which JavaScript makes an AspenError where the caller's stack is still to be seen.
//
// Invariants: every promise is settled exactly once, unless the environment ends first. At its end no
// operation, transaction, node, thread or descriptor is left.
// Thread safety: the JavaScript thread only.
#pragma once

#include <aspen.h>
#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "queue.h"

class Instance;

// A node as JavaScript holds it: an External around a shared_ptr<Handle>.
struct Handle {
  Instance* instance = nullptr;  // null once that is shut down
  aspen_node_t* node = nullptr;  // null once closed
  bool closing = false;
  bool held = false;  // keeps the event loop alive
};
using HandlePtr = std::shared_ptr<Handle>;

// A transaction or branch as JavaScript holds it: an External around a shared_ptr<Draft>.
struct Draft {
  Instance* instance = nullptr;  // null once that is shut down
  aspen_txn_t* txn = nullptr;    // null once it is over
  int64_t bytes = 0;             // that the collector was told of
};
using DraftPtr = std::shared_ptr<Draft>;

// Makes the value a promise is resolved with, of a completed operation without error.
using Convert = Napi::Value (*)(Napi::Env, aspen_op_t*);

class Instance {
 public:
  explicit Instance(Napi::Env env);
  ~Instance() { shut_down(); }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  static Instance& of(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

  // Starts an operation with the given function of aspen.h and promises its result.
  using Submit = std::function<int32_t(aspen_cq_t*, uint64_t tag, aspen_op_t**)>;
  Napi::Value promise(uint64_t tag, Convert convert, const Submit& submit);
  // The same, on a node; rejects with SHUTDOWN when it is closed.
  using SubmitOn = std::function<int32_t(aspen_node_t*, aspen_cq_t*, uint64_t tag, aspen_op_t**)>;
  Napi::Value promise_on(const HandlePtr& handle, uint64_t tag, Convert convert, const SubmitOn& submit);
  // The same of one that goes on in the background: it does not keep the event loop alive.
  Napi::Value background(const HandlePtr& handle, uint64_t tag, Convert convert, const SubmitOn& submit);
  // Closes a node and frees it when that is done.
  Napi::Value close(const HandlePtr& handle, uint64_t tag);

  // Asks the operation to end, if it is still in flight.
  void cancel(uint64_t tag);
  // Whether an open node keeps the event loop alive.
  void hold(const HandlePtr& handle, bool on);
  // Makes the JavaScript value of a node just opened.
  Napi::Value adopt(aspen_node_t* node);
  // The same of a transaction or branch, and its end.
  Napi::Value adopt(aspen_txn_t* txn);
  void discard(const DraftPtr& draft);
  // Ends everything, waiting for nodes to close. Promises in flight stay unsettled.
  void shut_down();

 private:
  struct Pending {
    aspen_op_t* op = nullptr;
    Convert convert = nullptr;
    napi_deferred deferred = nullptr;  // null: nobody waits
    bool held = true;                  // it keeps the event loop alive
    HandlePtr closing;                 // the node to free afterwards
  };

  Napi::Value start(uint64_t tag, Pending pending, const Submit& submit);
  void take(const aspen_event_t& event);
  void settle(Pending& pending, int32_t status);
  void abandon(const HandlePtr& handle);

  Napi::Env env_;
  Queue queue_;
  std::unordered_map<uint64_t, Pending> pending_;
  std::unordered_set<HandlePtr> nodes_;
  std::unordered_set<DraftPtr> drafts_;
  uint64_t own_tag_;  // of operations JavaScript did not start
  bool down_ = false;
};

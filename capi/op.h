// Operations (aspen_op_*): the caller's end of one asynchronous call, and its result.
//
// Two owners hold one: the caller, until aspen_op_free, and the engine, until it completes. Completing is
// the engine's last touch: the result is written before `done` is set, and never after.
//
// Thread safety: the result is read only after `done`; everything else under the lock.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "capi/cq.h"
#include "core/base/error.h"
#include "core/kv/read.h"
#include "core/kv/reply.h"
#include "core/node/node.h"

namespace aspen::capi {

// A node as C sees it. Its destruction waits for the engine thread, so only a caller's thread may hold the
// last reference: operations keep weak ones, and an open's own is taken out before the operation goes.
//
// After a fork the child has a copy of the handle but not the engine's threads, and shares its descriptors
// with the parent: in the child the handle is inert, and is leaked rather than closed.
struct NodeHandle {
  NodeHandle();
  ~NodeHandle();
  bool forked() const;

  node::NodeFacts facts;
  std::unique_ptr<node::Node> node;

 private:
  pid_t process_;
};

// A watch of a node's, which it ends with.
struct WatchHandle {
  std::weak_ptr<NodeHandle> node;
  uint64_t id = 0;
  // From any thread but the engine's.
  void close() const;
};

// A change of one key, as a watch tells it.
struct WatchEvent {
  uint64_t revision;
  kv::Event event;
};

struct OpResult {
  std::optional<Error> error;
  std::string text;
  uint64_t revision = 0;
  bool succeeded = false;
  int64_t failed_condition = -1;
  std::vector<kv::KeyRecord> entries;
  std::vector<kv::OpResult> changes;
  std::vector<aspen_result_t> results;
  std::vector<kv::Draft::Conflict> conflicts;
  std::vector<kv::Quota> quotas;
  std::vector<Bytes> index_values;  // of an index scan: of each entry
  std::vector<aspen_lease_t> leases;
  bool more = false;
  Bytes continuation;
  std::vector<WatchEvent> events;
};

class OpState : public std::enable_shared_from_this<OpState> {
 public:
  OpState(aspen_cq_t* queue, uint64_t tag) : queue_(queue != nullptr ? queue->queue : nullptr), tag_(tag) {}

  // Once. The operation's handle is the one given to set_handle. The engine's reference must outlast the
  // call: the caller may let go of the operation before it returns.
  void complete(OpResult result);
  bool wait(int64_t timeout_ns);
  bool done() const;
  // Null while pending.
  const OpResult* result() const;

  void set_handle(aspen_op_t* handle) { handle_ = handle; }
  // How to cancel it; runs at most once, and at once when a cancel came first.
  void set_cancel(std::function<void()> cancel);
  void cancel();
  bool cancel_requested() const;
  // The node that an open makes. Requires: before the engine starts.
  void hold_node(std::shared_ptr<NodeHandle> node) { node_ = std::move(node); }
  // Null unless the open has succeeded, and the second time.
  std::shared_ptr<NodeHandle> take_node();
  // The branch that an operation makes. Its node is only known weakly: the engine may hold the last state.
  void hold_draft(std::shared_ptr<node::SharedDraft> draft, std::weak_ptr<NodeHandle> node);
  // Null unless it has succeeded, the second time, and when the node is gone.
  std::pair<std::shared_ptr<node::SharedDraft>, std::shared_ptr<NodeHandle>> take_draft();
  // The watch that an operation opens. False when the caller has let go of the operation: nobody will close
  // it then.
  bool hold_watch(WatchHandle watch);
  // None unless it was opened, and the second time.
  std::optional<WatchHandle> take_watch();
  // A thread of its own that completes it. The caller's handle waits for its end. Requires: before it starts.
  void hold_thread(std::thread thread);
  // The caller's handle goes. An open's node goes with it, which waits for its end; a watch is closed.
  void release();

 private:
  bool wait(std::unique_lock<std::mutex>& lock, int64_t timeout_ns);

  mutable std::mutex mutex_;
  std::condition_variable completed_;
  const std::shared_ptr<CompletionQueue> queue_;
  uint64_t tag_;
  aspen_op_t* handle_ = nullptr;
  bool done_ = false;
  size_t waiting_ = 0;  // threads in wait()
  bool cancel_requested_ = false;
  std::function<void()> cancel_;
  OpResult result_;
  std::shared_ptr<NodeHandle> node_;
  std::shared_ptr<node::SharedDraft> draft_;
  std::weak_ptr<NodeHandle> draft_node_;
  std::optional<WatchHandle> watch_;
  bool released_ = false;
  std::thread thread_;
  pid_t thread_process_ = 0;
};

}  // namespace aspen::capi

struct aspen_op {
  std::shared_ptr<aspen::capi::OpState> state;
};

namespace aspen::capi {

// Null while it is pending, and of NULL.
const OpResult* result_of(const aspen_op_t* op);

// Makes the pair of ends: *op for the caller, the state for the engine.
std::shared_ptr<OpState> make_op(aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);

}  // namespace aspen::capi

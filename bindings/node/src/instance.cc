#include "instance.h"

#include "result.h"

namespace {

// JavaScript's tags are safe integers; the addon's own begin above them.
constexpr uint64_t kOwnTags = uint64_t{1} << 60;

}  // namespace

Instance::Instance(Napi::Env env)
    : env_(env), queue_(env, [this](const aspen_event_t& event) { take(event); }), own_tag_(kOwnTags) {}

Napi::Value Instance::promise(uint64_t tag, Convert convert, const Submit& submit) {
  Pending pending;
  pending.convert = convert;
  return start(tag, std::move(pending), submit);
}

Napi::Value Instance::promise_on(const HandlePtr& handle, uint64_t tag, Convert convert,
                                 const SubmitOn& submit) {
  if (handle->node == nullptr || handle->closing) return rejected(env_, ASPEN_SHUTDOWN, "the node is closed");
  return promise(tag, convert, [&](aspen_cq_t* queue, uint64_t t, aspen_op_t** op) {
    return submit(handle->node, queue, t, op);
  });
}

Napi::Value Instance::background(const HandlePtr& handle, uint64_t tag, Convert convert,
                                 const SubmitOn& submit) {
  if (handle->node == nullptr || handle->closing) return rejected(env_, ASPEN_SHUTDOWN, "the node is closed");
  Pending pending;
  pending.convert = convert;
  pending.held = false;
  return start(tag, std::move(pending), [&](aspen_cq_t* queue, uint64_t t, aspen_op_t** op) {
    return submit(handle->node, queue, t, op);
  });
}

Napi::Value Instance::close(const HandlePtr& handle, uint64_t tag) {
  if (handle->node == nullptr || handle->closing) return rejected(env_, ASPEN_SHUTDOWN, "the node is closed");
  Pending pending;
  pending.convert = convert_nothing;
  pending.closing = handle;
  return start(tag, std::move(pending), [&](aspen_cq_t* queue, uint64_t t, aspen_op_t** op) {
    return aspen_node_close(handle->node, queue, t, op);
  });
}

Napi::Value Instance::start(uint64_t tag, Pending pending, const Submit& submit) {
  if (down_) return rejected(env_, ASPEN_SHUTDOWN, "the environment is ending");
  if (!queue_.running()) {
    if (!queue_.start())
      return rejected(env_, ASPEN_IO, "no completion queue: out of descriptors or threads");
    // Hooks run newest first: this one comes before the thread-safe function's own, as Queue requires.
    env_.AddCleanupHook([this] { shut_down(); });
  }
  napi_value promise = nullptr;
  if (napi_create_promise(env_, &pending.deferred, &promise) != napi_ok) return {};
  int32_t status = submit(queue_.get(), tag, &pending.op);
  if (status != ASPEN_OK) {
    napi_reject_deferred(env_, pending.deferred, failure(env_, status, aspen_error_text(status)));
    return {env_, promise};
  }
  // It may have completed already, but nobody looks before this thread returns to its event loop.
  if (pending.closing) pending.closing->closing = true;
  if (pending.held) queue_.hold();
  pending_.emplace(tag, std::move(pending));
  return {env_, promise};
}

void Instance::take(const aspen_event_t& event) {
  auto found = pending_.find(event.tag);
  if (found == pending_.end()) return;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  if (pending.deferred != nullptr && pending.held) queue_.release();
  if (pending.closing) {
    hold(pending.closing, false);
    aspen_node_free(pending.closing->node);  // closed, so this does not wait
    pending.closing->node = nullptr;
    pending.closing->instance = nullptr;
    nodes_.erase(pending.closing);
  }
  settle(pending, event.status);
  aspen_op_free(pending.op);
}

void Instance::settle(Pending& pending, int32_t status) {
  if (pending.deferred == nullptr) return;
  if (status == ASPEN_OK) {
    Napi::Value value = pending.convert(env_, pending.op);
    if (!env_.IsExceptionPending()) {
      napi_resolve_deferred(env_, pending.deferred, value);
      return;
    }
    // Out of memory, say: the promise tells.
    napi_value error = env_.GetAndClearPendingException().Value();
    napi_reject_deferred(env_, pending.deferred, error);
    return;
  }
  napi_reject_deferred(env_, pending.deferred, failure(env_, pending.op));
}

void Instance::cancel(uint64_t tag) {
  auto found = pending_.find(tag);
  // Closing is not cancelled: a node half closed is of no use to anybody.
  if (found != pending_.end() && !found->second.closing) aspen_op_cancel(found->second.op);
}

void Instance::hold(const HandlePtr& handle, bool on) {
  if (handle->held == on || (on && handle->node == nullptr)) return;
  handle->held = on;
  if (on) {
    queue_.hold();
  } else {
    queue_.release();
  }
}

Napi::Value Instance::adopt(aspen_node_t* node) {
  auto handle = std::make_shared<Handle>();
  handle->instance = this;
  handle->node = node;
  nodes_.insert(handle);
  return Napi::External<HandlePtr>::New(env_, new HandlePtr(handle), [](Napi::Env, HandlePtr* held) {
    // Collected while open: the last resort of a program that forgot close().
    if ((*held)->instance != nullptr) (*held)->instance->abandon(*held);
    delete held;
  });
}

Napi::Value Instance::adopt(aspen_txn_t* txn) {
  auto draft = std::make_shared<Draft>();
  draft->instance = this;
  draft->txn = txn;
  drafts_.insert(draft);
  return Napi::External<DraftPtr>::New(env_, new DraftPtr(draft), [](Napi::Env, DraftPtr* held) {
    if ((*held)->instance != nullptr) (*held)->instance->discard(*held);
    delete held;
  });
}

void Instance::discard(const DraftPtr& draft) {
  if (draft->txn == nullptr) return;
  Napi::MemoryManagement::AdjustExternalMemory(env_, -draft->bytes);
  aspen_txn_free(draft->txn);
  draft->txn = nullptr;
  draft->instance = nullptr;
  drafts_.erase(DraftPtr(draft));
}

// Closes without waiting: a collector must not.
void Instance::abandon(const HandlePtr& handle) {
  if (handle->node == nullptr || handle->closing) return;
  hold(handle, false);
  Pending pending;
  pending.closing = handle;
  uint64_t tag = own_tag_++;
  if (aspen_node_close(handle->node, queue_.get(), tag, &pending.op) != ASPEN_OK) return;
  handle->closing = true;
  pending_.emplace(tag, std::move(pending));
}

void Instance::shut_down() {
  if (down_) return;
  down_ = true;
  queue_.stop();
  for (auto& [tag, pending] : pending_) aspen_op_free(pending.op);
  pending_.clear();
  // Before the nodes, which stay open while they have transactions.
  for (const DraftPtr& draft : drafts_) {
    aspen_txn_free(draft->txn);
    draft->txn = nullptr;
    draft->instance = nullptr;
  }
  drafts_.clear();
  for (const HandlePtr& handle : nodes_) {
    aspen_node_free(handle->node);
    handle->node = nullptr;
    handle->instance = nullptr;
  }
  nodes_.clear();
}

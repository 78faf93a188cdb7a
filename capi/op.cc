#include "capi/op.h"

#include <unistd.h>

namespace aspen::capi {

NodeHandle::NodeHandle() : process_(getpid()) {}

NodeHandle::~NodeHandle() {
  if (forked()) (void)node.release();
}

bool NodeHandle::forked() const {
  return getpid() != process_;
}

void WatchHandle::close() const {
  if (auto handle = node.lock(); handle != nullptr && !handle->forked()) handle->node->close_watch(id);
}

std::shared_ptr<OpState> make_op(aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  auto state = std::make_shared<OpState>(queue, tag);
  *op = new aspen_op{state};
  state->set_handle(*op);
  return state;
}

void OpState::complete(OpResult result) {
  std::unique_lock lock(mutex_);
  result_ = std::move(result);
  done_ = true;
  cancel_ = nullptr;
  int32_t status = result_.error ? static_cast<int32_t>(result_.error->code) : ASPEN_OK;
  // Under the lock: a release() that comes now either finds the event in the queue or clears the handle
  // first.
  const bool wake_queue = queue_ != nullptr && queue_->push({tag_, handle_, status, 0, 0});
  const bool wake_waiting = waiting_ > 0;
  lock.unlock();
  if (wake_queue) queue_->wake();
  if (wake_waiting) completed_.notify_all();
}

bool OpState::wait(int64_t timeout_ns) {
  std::unique_lock lock(mutex_);
  return wait(lock, timeout_ns);
}

bool OpState::wait(std::unique_lock<std::mutex>& lock, int64_t timeout_ns) {
  return wait_until_done(completed_, lock, timeout_ns, waiting_, [this] { return done_; });
}

bool OpState::done() const {
  std::lock_guard lock(mutex_);
  return done_;
}

const OpResult* OpState::result() const {
  return done() ? &result_ : nullptr;
}

std::shared_ptr<NodeHandle> OpState::take_node() {
  std::lock_guard lock(mutex_);
  if (!done_ || result_.error) return nullptr;
  return std::exchange(node_, nullptr);
}

void OpState::set_cancel(std::function<void()> cancel) {
  std::unique_lock lock(mutex_);
  if (done_) return;
  if (!cancel_requested_) {
    cancel_ = std::move(cancel);
    return;
  }
  lock.unlock();
  cancel();
}

void OpState::cancel() {
  std::function<void()> cancel;
  {
    std::lock_guard lock(mutex_);
    if (done_ || cancel_requested_) return;
    cancel_requested_ = true;
    cancel = std::move(cancel_);
  }
  if (cancel) cancel();
}

bool OpState::cancel_requested() const {
  std::lock_guard lock(mutex_);
  return cancel_requested_;
}

void OpState::hold_draft(std::shared_ptr<node::SharedDraft> draft, std::weak_ptr<NodeHandle> node) {
  std::lock_guard lock(mutex_);
  draft_ = std::move(draft);
  draft_node_ = std::move(node);
}

std::pair<std::shared_ptr<node::SharedDraft>, std::shared_ptr<NodeHandle>> OpState::take_draft() {
  std::lock_guard lock(mutex_);
  if (!done_) return {};
  return {std::exchange(draft_, nullptr), draft_node_.lock()};
}

bool OpState::hold_watch(WatchHandle watch) {
  std::lock_guard lock(mutex_);
  if (released_) return false;
  watch_ = std::move(watch);
  return true;
}

std::optional<WatchHandle> OpState::take_watch() {
  std::lock_guard lock(mutex_);
  if (!done_) return std::nullopt;
  return std::exchange(watch_, std::nullopt);
}

void OpState::hold_thread(std::thread thread) {
  std::lock_guard lock(mutex_);
  thread_ = std::move(thread);
  thread_process_ = getpid();
}

void OpState::release() {
  cancel();
  std::shared_ptr<NodeHandle> node;  // these go after the lock
  std::optional<WatchHandle> watch;
  std::unique_lock lock(mutex_);
  released_ = true;
  watch = std::exchange(watch_, std::nullopt);
  if (thread_.joinable()) {
    std::thread thread = std::move(thread_);
    lock.unlock();
    // A child of a fork has the handle, but not the thread.
    thread_process_ == getpid() ? thread.join() : thread.detach();
    lock.lock();
  }
  if (node_ != nullptr && !node_->forked()) (void)wait(lock, -1);
  node = std::exchange(node_, nullptr);
  if (queue_ != nullptr && done_) queue_->forget(handle_);
  handle_ = nullptr;
  lock.unlock();
  if (watch) watch->close();
}

const OpResult* result_of(const aspen_op_t* op) {
  return op != nullptr ? static_cast<const OpState&>(*op->state).result() : nullptr;
}

}  // namespace aspen::capi

using aspen::capi::OpResult;
using aspen::capi::result_of;

int32_t aspen_op_wait(aspen_op_t* op, int64_t timeout_ns) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  return op->state->wait(timeout_ns) ? ASPEN_OK : ASPEN_DEADLINE_EXCEEDED;
}

uint8_t aspen_op_done(const aspen_op_t* op) {
  return op != nullptr && op->state->done() ? 1 : 0;
}

void aspen_op_cancel(aspen_op_t* op) {
  if (op != nullptr) op->state->cancel();
}

void aspen_op_free(aspen_op_t* op) {
  if (op == nullptr) return;
  op->state->release();
  delete op;
}

int32_t aspen_op_status(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  if (result == nullptr) return ASPEN_INTERNAL;
  return result->error ? static_cast<int32_t>(result->error->code) : ASPEN_OK;
}

const char* aspen_op_message(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr && result->error ? result->error->message.c_str() : "";
}

int32_t aspen_op_applied(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr && result->error && result->error->applied == aspen::Applied::MAYBE
             ? ASPEN_APPLIED_MAYBE
             : ASPEN_APPLIED_NO;
}

uint8_t aspen_op_retryable(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr && result->error && result->error->retryable() ? 1 : 0;
}

const char* aspen_op_text(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr ? result->text.c_str() : "";
}

uint64_t aspen_op_revision(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr ? result->revision : 0;
}

uint8_t aspen_op_succeeded(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr && result->succeeded ? 1 : 0;
}

int64_t aspen_op_failed_condition(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr ? result->failed_condition : -1;
}

size_t aspen_op_entry_count(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr ? result->entries.size() : 0;
}

int32_t aspen_op_entry(const aspen_op_t* op, size_t index, aspen_entry_t* entry) {
  const OpResult* result = result_of(op);
  if (entry == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (result == nullptr || index >= result->entries.size()) return ASPEN_NOT_FOUND;
  const auto& [key, record] = result->entries[index];
  *entry = {aspen::byte_data(key),
            key.size(),
            aspen::byte_data(record.value),
            record.value.size(),
            record.create_revision,
            record.mod_revision,
            record.version};
  return ASPEN_OK;
}

uint64_t aspen_op_entry_lease(const aspen_op_t* op, size_t index) {
  const OpResult* result = result_of(op);
  return result != nullptr && index < result->entries.size() ? result->entries[index].record.lease : 0;
}

size_t aspen_op_result_count(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr ? result->results.size() : 0;
}

int32_t aspen_op_result(const aspen_op_t* op, size_t index, aspen_result_t* out) {
  const OpResult* result = result_of(op);
  if (out == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (result == nullptr || index >= result->results.size()) return ASPEN_NOT_FOUND;
  *out = result->results[index];
  return ASPEN_OK;
}

size_t aspen_op_conflict_count(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr ? result->conflicts.size() : 0;
}

int32_t aspen_op_conflict(const aspen_op_t* op, size_t index, aspen_conflict_t* conflict) {
  const OpResult* result = result_of(op);
  if (conflict == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (result == nullptr || index >= result->conflicts.size()) return ASPEN_NOT_FOUND;
  const auto& [start, end] = result->conflicts[index];
  *conflict = {aspen::byte_data(start), start.size(), aspen::byte_data(end), end.size()};
  return ASPEN_OK;
}

size_t aspen_op_quota_count(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr ? result->quotas.size() : 0;
}

int32_t aspen_op_quota(const aspen_op_t* op, size_t index, aspen_quota_t* quota) {
  const OpResult* result = result_of(op);
  if (quota == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (result == nullptr || index >= result->quotas.size()) return ASPEN_NOT_FOUND;
  const aspen::kv::Quota& found = result->quotas[index];
  *quota = {aspen::byte_data(found.prefix),
            found.prefix.size(),
            found.bytes_max,
            found.keys_max,
            found.bytes,
            found.keys};
  return ASPEN_OK;
}

size_t aspen_op_change_count(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr ? result->changes.size() : 0;
}

int32_t aspen_op_change(const aspen_op_t* op, size_t index, uint8_t* existed, uint64_t* previous_revision) {
  const OpResult* result = result_of(op);
  if (result == nullptr || index >= result->changes.size()) return ASPEN_NOT_FOUND;
  if (existed != nullptr) *existed = result->changes[index].existed ? 1 : 0;
  if (previous_revision != nullptr) *previous_revision = result->changes[index].previous_revision;
  return ASPEN_OK;
}

uint8_t aspen_op_more(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr && result->more ? 1 : 0;
}

const uint8_t* aspen_op_continuation(const aspen_op_t* op, size_t* size) {
  const OpResult* result = result_of(op);
  if (size != nullptr) *size = result != nullptr ? result->continuation.size() : 0;
  return result != nullptr ? aspen::byte_data(result->continuation) : nullptr;
}

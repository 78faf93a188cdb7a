// Watches (aspen_watch_*).
#include "capi/kv_call.h"
#include "core/base/limits.h"

using aspen::Bytes;
using aspen::Code;
using aspen::fail;
using aspen::Result;
using aspen::capi::check_bound;
using aspen::capi::copy;
using aspen::capi::OpResult;
using aspen::capi::OpState;
using aspen::capi::readable;
using aspen::capi::result_of;
using aspen::capi::WatchHandle;
using aspen::node::OpenWatches;
using aspen::node::WatchBatch;
namespace kv = aspen::kv;
namespace limits = aspen::limits;

struct aspen_watch {
  WatchHandle handle;
};

namespace {

bool bounds_readable(const aspen_watch_options_t& options) {
  return readable(options.key, options.key_size) && readable(options.prefix, options.prefix_size) &&
         readable(options.start, options.start_size) && readable(options.end, options.end_size);
}

Result<kv::WatchRequest> make_request(const aspen_watch_options_t& options) {
  kv::WatchRequest request{.first_revision = options.revision,
                           .previous = options.previous != 0,
                           .skip_puts = options.no_puts != 0,
                           .skip_erases = options.no_deletes != 0,
                           .progress_every = options.progress_ns};
  if (options.key != nullptr) {
    ASPEN_CHECK(aspen::capi::check_key(options.key_size));
    request.start = copy(options.key, options.key_size);
    request.end = request.start + '\0';
  } else if (options.prefix != nullptr) {
    ASPEN_CHECK(check_bound(options.prefix_size));
    request.start = copy(options.prefix, options.prefix_size);
    request.end = aspen::prefix_end(request.start);
  } else {
    ASPEN_CHECK(check_bound(options.start_size));
    ASPEN_CHECK(check_bound(options.end_size));
    request.start = copy(options.start, options.start_size);
    request.end = copy(options.end, options.end_size);
  }
  if (options.progress_ns < 0 || options.timeout_ns < 0) {
    return fail(Code::INVALID_ARGUMENT, "times must not be negative");
  }
  if (options.buffer_bytes > limits::kWatchCreditMax) {
    return fail(Code::LIMIT_EXCEEDED, "a buffer of {} bytes for a watch; at most {}", options.buffer_bytes,
                limits::kWatchCreditMax);
  }
  ASPEN_CHECK(kv::validate(request));
  return request;
}

// Nothing was changed by it.
void complete(OpState& state, const aspen::Error& error) {
  OpResult result;
  result.error = aspen::Error(error.code, aspen::Applied::NO, error.message);
  state.complete(std::move(result));
}

void complete(OpState& state, WatchBatch batch) {
  OpResult result;
  result.revision = batch.revision;
  result.succeeded = !batch.compacted;
  result.error = std::move(batch.compacted);
  for (aspen::node::WatchItem& item : batch.items) {
    for (kv::Event& event : item.events) result.events.push_back({item.revision, std::move(event)});
  }
  state.complete(std::move(result));
}

aspen_entry_t entry_of(const Bytes& key, const std::optional<kv::Record>& record) {
  aspen_entry_t entry{};
  entry.key = aspen::byte_data(key);
  entry.key_size = key.size();
  if (!record) return entry;
  entry.value = aspen::byte_data(record->value);
  entry.value_size = record->value.size();
  entry.create_revision = record->create_revision;
  entry.mod_revision = record->mod_revision;
  entry.version = record->version;
  return entry;
}

}  // namespace

void aspen_watch_options_init(aspen_watch_options_t* options, size_t struct_size) {
  aspen::capi::init_options(options, struct_size);
}

int32_t aspen_watch_open(aspen_node_t* node, const aspen_watch_options_t* options, aspen_cq_t* queue,
                         uint64_t tag, aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  aspen_watch_options_t copied;
  if (node == nullptr || node->handle->forked() || !aspen::capi::read_options(options, &copied) ||
      !bounds_readable(copied)) {
    return ASPEN_INVALID_ARGUMENT;
  }
  auto state = aspen::capi::make_op(queue, tag, op);
  Result<kv::WatchRequest> request = make_request(copied);
  if (!request) return aspen::capi::refuse(*state, request.error());
  const size_t window = copied.buffer_bytes > 0 ? copied.buffer_bytes : limits::kWatchWindowBytes;
  // The node outlives what it calls back.
  auto opened = [state, raw = node->handle->node.get(),
                 handle = std::weak_ptr(node->handle)](Result<OpenWatches::Opened> opened) {
    if (!opened) return complete(*state, opened.error());
    if (!state->hold_watch({handle, opened->id})) raw->close_watch(opened->id);
    OpResult result;
    result.succeeded = true;
    result.revision = opened->after;
    state->complete(std::move(result));
  };
  auto id = node->handle->node->open_watch(
      *std::move(request), window, aspen::capi::timeout_or_default(copied.timeout_ns), std::move(opened));
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

aspen_watch_t* aspen_op_take_watch(aspen_op_t* op) {
  if (op == nullptr) return nullptr;
  auto handle = op->state->take_watch();
  return handle ? new aspen_watch{std::move(*handle)} : nullptr;
}

int32_t aspen_watch_next(aspen_watch_t* watch, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  if (watch == nullptr) return ASPEN_INVALID_ARGUMENT;
  auto node = watch->handle.node.lock();
  if (node != nullptr && node->forked()) return ASPEN_INVALID_ARGUMENT;
  auto state = aspen::capi::make_op(queue, tag, op);
  if (node == nullptr) {
    return aspen::capi::refuse(*state, aspen::Error(Code::SHUTDOWN, "the node of the watch is closed"));
  }
  auto id = node->node->next(watch->handle.id, [state](Result<WatchBatch> batch) {
    if (!batch) return complete(*state, batch.error());
    complete(*state, *std::move(batch));
  });
  aspen::capi::cancel_with(*state, node, id);
  return ASPEN_OK;
}

void aspen_watch_close(aspen_watch_t* watch) {
  if (watch != nullptr) watch->handle.close();
}

void aspen_watch_free(aspen_watch_t* watch) {
  aspen_watch_close(watch);
  delete watch;
}

size_t aspen_op_event_count(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr ? result->events.size() : 0;
}

int32_t aspen_op_watch_event(const aspen_op_t* op, size_t index, aspen_watch_event_t* event) {
  const OpResult* result = result_of(op);
  if (event == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (result == nullptr || index >= result->events.size()) return ASPEN_NOT_FOUND;
  const auto& [revision, change] = result->events[index];
  *event = {};
  event->kind = change.kind == kv::Event::Kind::put ? ASPEN_EVENT_PUT : ASPEN_EVENT_DELETE;
  event->revision = revision;
  event->lease = change.record ? change.record->lease : 0;
  event->entry = entry_of(change.key, change.record);
  event->has_previous = change.previous ? 1 : 0;
  if (change.previous) event->previous = entry_of(change.key, change.previous);
  return ASPEN_OK;
}

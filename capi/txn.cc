// Optimistic transactions and branches (aspen_txn_*).
#include "capi/kv_call.h"
#include "core/node/shared_draft.h"

using aspen::Code;
using aspen::Error;
using aspen::Result;
using aspen::capi::begin;
using aspen::capi::check_bound;
using aspen::capi::check_key;
using aspen::capi::check_sizes;
using aspen::capi::complete_with_error;
using aspen::capi::copy;
using aspen::capi::OpResult;
using aspen::capi::OpState;
using aspen::capi::readable;
using aspen::capi::timeout_or_default;
using aspen::node::SharedDraft;
namespace kv = aspen::kv;

struct aspen_txn {
  aspen_node node;
  std::shared_ptr<SharedDraft> draft;
  std::string message;
};

namespace {

aspen::BytesView view(const void* data, size_t size) {
  return {static_cast<const char*>(data), size};
}

int32_t changed(aspen_txn_t& txn, const Result<>& result) {
  if (result) return ASPEN_OK;
  txn.message = result.error().message;
  return static_cast<int32_t>(result.error().code);
}

std::shared_ptr<OpState> begin(aspen_txn_t* txn, const aspen_call_options_t* options,
                               aspen_call_options_t* copied, aspen_cq_t* queue, uint64_t tag,
                               aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  return txn != nullptr ? begin(&txn->node, options, copied, queue, tag, op) : nullptr;
}

}  // namespace

int32_t aspen_txn_new(aspen_node_t* node, aspen_txn_t** out) {
  if (out == nullptr) return ASPEN_INVALID_ARGUMENT;
  *out = nullptr;
  if (node == nullptr || node->handle->forked()) return ASPEN_INVALID_ARGUMENT;
  *out = new aspen_txn{{node->handle}, std::make_shared<SharedDraft>(), {}};
  return ASPEN_OK;
}

int32_t aspen_txn_branch(aspen_node_t* node, aspen_txn_t* parent, const void* prefix, size_t prefix_size,
                         const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                         aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!readable(prefix, prefix_size)) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  Result<> valid = aspen::capi::check_call(call);
  if (valid) valid = check_bound(prefix_size);
  if (!valid) return aspen::capi::refuse(*state, valid.error());
  auto draft = SharedDraft::branch(parent != nullptr ? parent->draft : nullptr, copy(prefix, prefix_size));
  if (!draft) return aspen::capi::refuse(*state, draft.error());
  auto id = node->handle->node->begin(
      *draft, timeout_or_default(call.timeout_ns),
      [state, draft = *draft, handle = std::weak_ptr(node->handle)](Result<uint64_t> revision) mutable {
        if (!revision) return complete_with_error(*state, revision.error());
        OpResult result;
        result.succeeded = true;
        result.revision = *revision;
        state->hold_draft(std::move(draft), std::move(handle));
        state->complete(std::move(result));
      });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

aspen_txn_t* aspen_op_take_txn(aspen_op_t* op) {
  if (op == nullptr) return nullptr;
  auto [draft, handle] = op->state->take_draft();
  if (draft == nullptr || handle == nullptr) return nullptr;
  return new aspen_txn{{std::move(handle)}, std::move(draft), {}};
}

void aspen_txn_free(aspen_txn_t* txn) {
  delete txn;
}

int32_t aspen_txn_reset(aspen_txn_t* txn) {
  return txn != nullptr ? changed(*txn, txn->draft->reset()) : ASPEN_INVALID_ARGUMENT;
}

int32_t aspen_txn_get(aspen_txn_t* txn, const void* key, size_t key_size, const aspen_call_options_t* options,
                      aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!readable(key, key_size)) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(txn, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  Result<> valid = aspen::capi::check_call(call);
  if (valid) valid = check_key(key_size);
  if (!valid) return aspen::capi::refuse(*state, valid.error());
  aspen::Bytes copied = copy(key, key_size);
  auto id = txn->node.handle->node->get(txn->draft, copied, timeout_or_default(call.timeout_ns),
                                        aspen::capi::complete_get(state, copied));
  aspen::capi::cancel_with(*state, txn->node.handle, id);
  return ASPEN_OK;
}

int32_t aspen_txn_range(aspen_txn_t* txn, const aspen_range_options_t* options, aspen_cq_t* queue,
                        uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  aspen_range_options_t copied;
  if (!aspen::capi::read_range_options(options, &copied)) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(txn, nullptr, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  call.timeout_ns = copied.timeout_ns;
  Result<> valid = aspen::capi::check_call(call);
  Result<kv::RangeRequest> range = aspen::capi::make_range(copied);
  if (!valid || !range) return aspen::capi::refuse(*state, valid ? range.error() : valid.error());
  auto id = txn->node.handle->node->range(txn->draft, *std::move(range), timeout_or_default(call.timeout_ns),
                                          aspen::capi::complete_range(state));
  aspen::capi::cancel_with(*state, txn->node.handle, id);
  return ASPEN_OK;
}

int32_t aspen_txn_put(aspen_txn_t* txn, const void* key, size_t key_size, const void* value,
                      size_t value_size, uint64_t lease) {
  if (txn == nullptr || !readable(key, key_size) || !readable(value, value_size))
    return ASPEN_INVALID_ARGUMENT;
  Result<> sizes = check_sizes(key_size, value_size);
  return changed(*txn, sizes ? txn->draft->put(view(key, key_size), view(value, value_size), lease) : sizes);
}

int32_t aspen_txn_delete(aspen_txn_t* txn, const void* key, size_t key_size) {
  if (txn == nullptr || !readable(key, key_size)) return ASPEN_INVALID_ARGUMENT;
  Result<> sizes = check_key(key_size);
  return changed(*txn, sizes ? txn->draft->erase(view(key, key_size)) : sizes);
}

int32_t aspen_txn_delete_range(aspen_txn_t* txn, const void* start, size_t start_size, const void* end,
                               size_t end_size) {
  if (txn == nullptr || !readable(start, start_size) || !readable(end, end_size))
    return ASPEN_INVALID_ARGUMENT;
  Result<> sizes = check_bound(start_size);
  if (sizes) sizes = check_bound(end_size);
  return changed(*txn, sizes ? txn->draft->erase_range(view(start, start_size), view(end, end_size)) : sizes);
}

const char* aspen_txn_message(const aspen_txn_t* txn) {
  return txn != nullptr ? txn->message.c_str() : "";
}

int32_t aspen_txn_commit(aspen_txn_t* txn, const aspen_call_options_t* options, aspen_cq_t* queue,
                         uint64_t tag, aspen_op_t** op) {
  aspen_call_options_t call;
  auto state = begin(txn, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (Result<> valid = aspen::capi::check_call(call); !valid) {
    return aspen::capi::refuse(*state, valid.error());
  }
  auto id = txn->node.handle->node->commit(txn->draft, timeout_or_default(call.timeout_ns),
                                           [state](Result<SharedDraft::Committed> committed) {
                                             if (!committed) {
                                               return complete_with_error(*state, committed.error());
                                             }
                                             OpResult result;
                                             result.succeeded = committed->succeeded;
                                             result.revision = committed->revision;
                                             result.conflicts = std::move(committed->conflicts);
                                             state->complete(std::move(result));
                                           });
  aspen::capi::cancel_with(*state, txn->node.handle, id);
  return ASPEN_OK;
}

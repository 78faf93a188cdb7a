// What an operator does to a store: compaction (aspen_kv_compact) and quotas (aspen_quota_*).
#include "capi/kv_call.h"

using aspen::Result;
using aspen::capi::begin;
using aspen::capi::OpResult;
namespace kv = aspen::kv;

int32_t aspen_kv_compact(aspen_node_t* node, uint64_t revision, const aspen_call_options_t* options,
                         aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  kv::Command command{.kind = kv::Command::Kind::compact, .revision = revision};
  return aspen::capi::submit_command(
      node, std::move(command), call, state,
      [](const kv::DoneReply& reply, OpResult& result) { result.revision = reply.result; });
}

int32_t aspen_quota_set(aspen_node_t* node, const void* prefix, size_t prefix_size, uint64_t bytes_max,
                        uint64_t keys_max, const aspen_call_options_t* options, aspen_cq_t* queue,
                        uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!aspen::capi::readable(prefix, prefix_size)) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (auto sizes = aspen::capi::check_bound(prefix_size); !sizes) {
    return aspen::capi::refuse(*state, sizes.error());
  }
  kv::Command command{.kind = kv::Command::Kind::quota_set,
                      .prefix = aspen::capi::copy(prefix, prefix_size),
                      .bytes_max = bytes_max,
                      .keys_max = keys_max};
  return aspen::capi::submit_command(node, std::move(command), call, state);
}

int32_t aspen_quota_list(aspen_node_t* node, const aspen_call_options_t* options, aspen_cq_t* queue,
                         uint64_t tag, aspen_op_t** op) {
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (Result<> valid = aspen::capi::check_call(call); !valid) {
    return aspen::capi::refuse(*state, valid.error());
  }
  auto id = node->handle->node->quotas(aspen::capi::timeout_or_default(call.timeout_ns),
                                       [state](Result<aspen::node::QuotaList> list) {
                                         if (!list)
                                           return aspen::capi::complete_with_error(*state, list.error());
                                         OpResult result;
                                         result.succeeded = true;
                                         result.revision = list->revision;
                                         result.quotas = std::move(list->quotas);
                                         state->complete(std::move(result));
                                       });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

// The key-value store (aspen_kv_*); transactions are in batch.cc.
#include <algorithm>

#include "capi/kv_call.h"

using aspen::Bytes;
using aspen::Result;
using aspen::capi::begin;
using aspen::capi::check_call;
using aspen::capi::check_key;
using aspen::capi::check_sizes;
using aspen::capi::complete_with_error;
using aspen::capi::copy;
using aspen::capi::expected_bytes;
using aspen::capi::known_comparison;
using aspen::capi::make_compare;
using aspen::capi::make_erase;
using aspen::capi::make_put;
using aspen::capi::make_range;
using aspen::capi::readable;
using aspen::capi::refuse;
using aspen::capi::submit_write;
namespace kv = aspen::kv;

void aspen_call_options_init(aspen_call_options_t* options, size_t struct_size) {
  aspen::capi::init_options(options, struct_size);
}

void aspen_range_options_init(aspen_range_options_t* options, size_t struct_size) {
  aspen::capi::init_options(options, struct_size);
}

int32_t aspen_kv_get(aspen_node_t* node, const void* key, size_t key_size,
                     const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!readable(key, key_size)) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  Result<> valid = check_call(call);
  if (valid) valid = check_key(key_size);
  if (!valid) {
    complete_with_error(*state, valid.error());
    return ASPEN_OK;
  }
  Bytes copied = copy(key, key_size);
  auto id = node->handle->node->get({copied, call.revision}, aspen::capi::freshness(call),
                                    aspen::capi::timeout_or_default(call.timeout_ns),
                                    aspen::capi::complete_get(state, copied));
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

int32_t aspen_kv_put(aspen_node_t* node, const void* key, size_t key_size, const void* value,
                     size_t value_size, const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                     aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!readable(key, key_size) || !readable(value, value_size)) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (auto sizes = check_sizes(key_size, value_size); !sizes) return refuse(*state, sizes.error());
  kv::Command command;
  command.transaction.then.push_back(make_put(key, key_size, value, value_size));
  command.transaction.then[0].lease = call.lease;
  command.transaction.then[0].previous = call.previous != 0;
  return submit_write(node, std::move(command), call, state);
}

int32_t aspen_kv_delete(aspen_node_t* node, const void* key, size_t key_size,
                        const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                        aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!readable(key, key_size)) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (auto sizes = check_key(key_size); !sizes) return refuse(*state, sizes.error());
  kv::Command command;
  command.transaction.then.push_back(make_erase(key, key_size));
  command.transaction.then[0].previous = call.previous != 0;
  return submit_write(node, std::move(command), call, state);
}

int32_t aspen_kv_cas(aspen_node_t* node, const void* key, size_t key_size, int32_t comparison,
                     const void* expected, size_t expected_size, uint64_t revision, const void* value,
                     size_t value_size, const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                     aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!readable(key, key_size) || !readable(value, value_size) || !known_comparison(comparison) ||
      (comparison == ASPEN_IF_VALUE && !readable(expected, expected_size))) {
    return ASPEN_INVALID_ARGUMENT;
  }
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (auto sizes = check_sizes(key_size, std::max(value_size, expected_bytes(comparison, expected_size)));
      !sizes) {
    return refuse(*state, sizes.error());
  }
  kv::Command command;
  command.transaction.compares.push_back(
      make_compare(key, key_size, comparison, expected, expected_size, revision));
  command.transaction.then.push_back(make_put(key, key_size, value, value_size));
  command.transaction.then[0].lease = call.lease;
  return submit_write(node, std::move(command), call, state);
}

int32_t aspen_kv_range(aspen_node_t* node, const aspen_range_options_t* options, aspen_cq_t* queue,
                       uint64_t tag, aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  aspen_range_options_t copied;
  if (node == nullptr || node->handle->forked() || !aspen::capi::read_range_options(options, &copied)) {
    return ASPEN_INVALID_ARGUMENT;
  }
  auto state = aspen::capi::make_op(queue, tag, op);
  aspen_call_options_t call{};
  call.consistency = copied.consistency;
  call.timeout_ns = copied.timeout_ns;
  call.staleness_ns = copied.staleness_ns;
  Result<> valid = check_call(call);
  Result<kv::RangeRequest> range = make_range(copied);
  if (!valid || !range) {
    complete_with_error(*state, valid ? range.error() : valid.error());
    return ASPEN_OK;
  }
  auto id = node->handle->node->range(std::move(*range), aspen::capi::freshness(call),
                                      aspen::capi::timeout_or_default(copied.timeout_ns),
                                      aspen::capi::complete_range(state));
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

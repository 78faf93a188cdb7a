// Leases (aspen_lease_*).
#include "capi/kv_call.h"
#include "core/kv/key_ranges.h"

namespace aspen::capi {
namespace {

aspen_lease_t spell(const node::LeaseState& lease) {
  return {lease.id, lease.ttl, lease.remaining, lease.keys};
}

// What completes an operation: `fill` says what the answer means.
template <typename Reply, typename Fill>
node::Node::Done<Reply> complete(const std::shared_ptr<OpState>& state, Fill fill) {
  return [state, fill](Result<Reply> reply) {
    if (!reply) return complete_with_error(*state, reply.error());
    OpResult result;
    result.succeeded = true;
    fill(*reply, result);
    state->complete(std::move(result));
  };
}

// Asks the node for something about leases. `ask` makes the operation of the node.
template <typename Ask>
int32_t call(aspen_node_t* node, const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
             aspen_op_t** op, Ask ask) {
  aspen_call_options_t copied;
  auto state = begin(node, options, &copied, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (Result<> valid = check_call(copied); !valid) return refuse(*state, valid.error());
  return ask(state, timeout_or_default(copied.timeout_ns));
}

}  // namespace
}  // namespace aspen::capi

using aspen::DurationNs;
using aspen::capi::begin;
using aspen::capi::call;
using aspen::capi::cancel_with;
using aspen::capi::complete;
using aspen::capi::complete_with_error;
using aspen::capi::OpResult;
using aspen::capi::refuse;
using aspen::capi::result_of;
using aspen::capi::spell;
using aspen::capi::submit_command;
namespace kv = aspen::kv;
using State = std::shared_ptr<aspen::capi::OpState>;

int32_t aspen_lease_grant(aspen_node_t* node, int64_t ttl_ns, const aspen_call_options_t* options,
                          aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  aspen_call_options_t copied;
  auto state = begin(node, options, &copied, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  return submit_command(node, {.kind = kv::Command::Kind::lease_grant, .ttl = ttl_ns}, copied, state,
                        [ttl_ns](const kv::DoneReply& reply, OpResult& result) {
                          result.leases = {{reply.result, ttl_ns, ttl_ns, 0}};
                        });
}

int32_t aspen_lease_revoke(aspen_node_t* node, uint64_t lease, const aspen_call_options_t* options,
                           aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  aspen_call_options_t copied;
  auto state = begin(node, options, &copied, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  return submit_command(node, {.kind = kv::Command::Kind::lease_revoke, .leases = {lease}}, copied, state,
                        [lease](const kv::DoneReply& reply, OpResult& result) {
                          result.leases = {{lease, 0, 0, reply.result}};
                        });
}

int32_t aspen_lease_keep_alive(aspen_node_t* node, uint64_t lease, const aspen_call_options_t* options,
                               aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  return call(node, options, queue, tag, op, [&](const State& state, DurationNs timeout) -> int32_t {
    auto done = complete<DurationNs>(
        state, [lease](DurationNs ttl, OpResult& result) { result.leases = {{lease, ttl, ttl, 0}}; });
    cancel_with(*state, node->handle, node->handle->node->keep_alive(lease, timeout, std::move(done)));
    return ASPEN_OK;
  });
}

int32_t aspen_lease_info(aspen_node_t* node, uint64_t lease, const void* continuation,
                         size_t continuation_size, const aspen_call_options_t* options, aspen_cq_t* queue,
                         uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!aspen::capi::readable(continuation, continuation_size)) return ASPEN_INVALID_ARGUMENT;
  return call(node, options, queue, tag, op, [&](const State& state, DurationNs timeout) -> int32_t {
    if (auto bound = aspen::capi::check_bound(continuation_size); !bound) {
      return refuse(*state, bound.error());
    }
    auto done = complete<aspen::node::LeaseInfo>(state, [](aspen::node::LeaseInfo& info, OpResult& result) {
      result.leases = {spell(info.lease)};
      result.more = info.more;
      if (info.more) result.continuation = kv::key_end(info.keys.back());
      for (aspen::Bytes& key : info.keys) result.entries.push_back({std::move(key), {}});
    });
    aspen::node::LeaseRequest request{lease, aspen::capi::copy(continuation, continuation_size)};
    cancel_with(*state, node->handle,
                node->handle->node->lease(std::move(request), timeout, std::move(done)));
    return ASPEN_OK;
  });
}

int32_t aspen_lease_list(aspen_node_t* node, uint64_t after, const aspen_call_options_t* options,
                         aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  return call(node, options, queue, tag, op, [&](const State& state, DurationNs timeout) -> int32_t {
    auto done =
        complete<aspen::node::LeaseList>(state, [](const aspen::node::LeaseList& list, OpResult& result) {
          for (const aspen::node::LeaseState& lease : list.leases) result.leases.push_back(spell(lease));
          result.more = list.more;
        });
    cancel_with(*state, node->handle, node->handle->node->leases({after}, timeout, std::move(done)));
    return ASPEN_OK;
  });
}

int32_t aspen_lease_keep(aspen_node_t* node, uint64_t lease, aspen_cq_t* queue, uint64_t tag,
                         aspen_op_t** op) {
  return call(node, nullptr, queue, tag, op, [&](const State& state, DurationNs) -> int32_t {
    auto done = [state](aspen::Result<> how) {
      if (!how) return complete_with_error(*state, how.error());
      state->complete({});
    };
    cancel_with(*state, node->handle, node->handle->node->keep_lease(lease, std::move(done)));
    return ASPEN_OK;
  });
}

int32_t aspen_lease_drop_keep(aspen_node_t* node, uint64_t lease) {
  if (node == nullptr || node->handle->forked()) return ASPEN_INVALID_ARGUMENT;
  node->handle->node->drop_lease(lease);
  return ASPEN_OK;
}

uint64_t aspen_op_lease(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr && !result->leases.empty() ? result->leases[0].lease : 0;
}

size_t aspen_op_lease_count(const aspen_op_t* op) {
  const OpResult* result = result_of(op);
  return result != nullptr ? result->leases.size() : 0;
}

int32_t aspen_op_lease_at(const aspen_op_t* op, size_t index, aspen_lease_t* lease) {
  const OpResult* result = result_of(op);
  if (lease == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (result == nullptr || index >= result->leases.size()) return ASPEN_NOT_FOUND;
  *lease = result->leases[index];
  return ASPEN_OK;
}

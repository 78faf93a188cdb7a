// Who the members are, and who of them leads (aspen_member_remove, aspen_leader_transfer).
#include "capi/kv_call.h"

using aspen::NodeId;
using aspen::Result;
using aspen::capi::begin;
using aspen::capi::OpResult;

int32_t aspen_member_remove(aspen_node_t* node, const char* node_id, const aspen_call_options_t* options,
                            aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (Result<> valid = aspen::capi::check_call(call); !valid) {
    return aspen::capi::refuse(*state, valid.error());
  }
  Result<NodeId> member = NodeId::parse(node_id != nullptr ? node_id : "");
  if (!member) return aspen::capi::refuse(*state, member.error());
  auto id = node->handle->node->remove_member(
      aspen::node::kStoreGroup, *member, aspen::capi::timeout_or_default(call.timeout_ns),
      [state](Result<bool> removed) {
        if (!removed) return aspen::capi::complete_with_error(*state, removed.error());
        OpResult result;
        result.succeeded = *removed;
        state->complete(std::move(result));
      });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

int32_t aspen_leader_transfer(aspen_node_t* node, const char* node_id, const aspen_call_options_t* options,
                              aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (Result<> valid = aspen::capi::check_call(call); !valid) {
    return aspen::capi::refuse(*state, valid.error());
  }
  Result<NodeId> to = node_id != nullptr ? NodeId::parse(node_id) : NodeId();
  if (to && node_id != nullptr && *to == NodeId()) {
    to =
        aspen::fail(aspen::Code::INVALID_ARGUMENT, "{} is nobody's id; NULL is for any other voter", node_id);
  }
  if (!to) return aspen::capi::refuse(*state, to.error());
  auto id = node->handle->node->transfer_leadership(
      aspen::node::kStoreGroup, *to, aspen::capi::timeout_or_default(call.timeout_ns),
      [state](Result<NodeId> leader) {
        if (!leader) return aspen::capi::complete_with_error(*state, leader.error());
        OpResult result;
        result.succeeded = true;
        result.text = leader->to_string();
        state->complete(std::move(result));
      });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

// What the files of the C ABI share about nodes.
#pragma once

#include <memory>

#include "capi/op.h"

struct aspen_node {
  std::shared_ptr<aspen::capi::NodeHandle> handle;
};

namespace aspen::capi {

inline constexpr int64_t kCallTimeoutDefault = 10 * kSecond;

inline int64_t timeout_or_default(int64_t timeout_ns) {
  return timeout_ns > 0 ? timeout_ns : kCallTimeoutDefault;
}

// Lets aspen_op_cancel reach operation `id` of the node. After the node is gone there is nothing to cancel.
inline void cancel_with(OpState& state, const std::shared_ptr<NodeHandle>& node, node::Node::OperationId id) {
  state.set_cancel([weak = std::weak_ptr(node), id] {
    if (auto handle = weak.lock(); handle != nullptr && !handle->forked()) handle->node->cancel(id);
  });
}

}  // namespace aspen::capi

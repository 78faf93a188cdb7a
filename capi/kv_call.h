// What the calls of the key-value store have in common: checks of their arguments, and the way to the node.
#pragma once

#include "capi/node_handle.h"
#include "capi/options.h"
#include "core/kv/command.h"

namespace aspen::capi {

Bytes copy(const void* data, size_t size);
// A pointer that may be read: NULL only of size 0.
bool readable(const void* data, size_t size);

// Errors of these: INVALID_ARGUMENT, LIMIT_EXCEEDED, naming the thing and the limit. Sizes are checked before
// anything is copied: one that no limit allows must not cost memory.
Result<> check_call(const aspen_call_options_t& options);
// Of a call that check_call has nothing against.
node::Freshness freshness(const aspen_call_options_t& options);
Result<> check_key(size_t size);
Result<> check_value(size_t size);
Result<> check_sizes(size_t key_size, size_t value_size);
Result<> check_bound(size_t size);

bool known_comparison(int32_t comparison);
size_t expected_bytes(int32_t comparison, size_t expected_size);
kv::Compare make_compare(const void* key, size_t key_size, int32_t comparison, const void* expected,
                         size_t expected_size, uint64_t revision);
kv::Op make_put(const void* key, size_t key_size, const void* value, size_t value_size);
kv::Op make_erase(const void* key, size_t key_size);
Result<kv::RangeRequest> make_range(const aspen_range_options_t& options);

bool read_call_options(const aspen_call_options_t* options, aspen_call_options_t* copied);
bool read_range_options(const aspen_range_options_t* options, aspen_range_options_t* copied);

void complete_with_error(OpState& state, Error error);
// What every call does first: null when no operation can be made of its arguments.
std::shared_ptr<OpState> begin(aspen_node_t* node, const aspen_call_options_t* options,
                               aspen_call_options_t* copied, aspen_cq_t* queue, uint64_t tag,
                               aspen_op_t** op);
// What completes a read.
node::Node::Done<kv::GetReply> complete_get(std::shared_ptr<OpState> state, Bytes key);
node::Node::Done<kv::RangeReply> complete_range(std::shared_ptr<OpState> state);
// Completes a call that is not sent.
int32_t refuse(OpState& state, Error error);
// A command that is not a write; `fill` adds what its reply means beside the revision.
using FillDone = std::function<void(const kv::DoneReply&, OpResult&)>;
int32_t submit_command(aspen_node_t* node, kv::Command command, const aspen_call_options_t& options,
                       const std::shared_ptr<OpState>& state, FillDone fill = {});
int32_t submit_write(aspen_node_t* node, kv::Command command, const aspen_call_options_t& options,
                     const std::shared_ptr<OpState>& state);

}  // namespace aspen::capi

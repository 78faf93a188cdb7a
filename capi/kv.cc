// The key-value store (aspen_kv_*, aspen_batch_*).
#include <algorithm>
#include <optional>

#include "capi/node_handle.h"
#include "capi/options.h"
#include "core/base/limits.h"
#include "core/kv/command.h"

using aspen::Bytes;
using aspen::Code;
using aspen::Error;
using aspen::Result;
using aspen::capi::OpResult;
using aspen::capi::OpState;
namespace kv = aspen::kv;
namespace limits = aspen::limits;

struct aspen_batch {
  kv::Command command;
  size_t bytes = 0;
  std::optional<Error> refused;  // what was too large to be copied; applying the batch says so
};

namespace {

Bytes copy(const void* data, size_t size) {
  return Bytes(static_cast<const char*>(data), size);
}

bool readable(const void* data, size_t size) {
  return data != nullptr || size == 0;
}

Result<> check_call(const aspen_call_options_t& options) {
  if (options.consistency != ASPEN_READ_LINEARIZABLE && options.consistency != ASPEN_READ_STALE) {
    return aspen::fail(Code::INVALID_ARGUMENT, "consistency {} is unknown; 0 or 1", options.consistency);
  }
  if (options.timeout_ns < 0) return aspen::fail(Code::INVALID_ARGUMENT, "timeout_ns must not be negative");
  return {};
}

Result<> check_key(size_t size) {
  if (size == 0) return aspen::fail(Code::INVALID_ARGUMENT, "the key is empty; at least 1 byte");
  if (size > limits::kKeyBytesMax) {
    return aspen::fail(Code::LIMIT_EXCEEDED, "the key is {} bytes; at most {}", size, limits::kKeyBytesMax);
  }
  return {};
}

Result<> check_value(size_t size) {
  if (size > limits::kValueBytesMax) {
    return aspen::fail(Code::LIMIT_EXCEEDED, "the value is {} bytes; at most {}", size,
                       limits::kValueBytesMax);
  }
  return {};
}

// Before anything is copied: a size no limit allows must not cost memory.
Result<> check_sizes(size_t key_size, size_t value_size) {
  ASPEN_CHECK(check_key(key_size));
  return check_value(value_size);
}

void complete_with_error(OpState& state, Error error) {
  OpResult result;
  result.error = std::move(error);
  state.complete(std::move(result));
}

// What every call does first. The operation exists when this returns a state; it is complete already when
// `valid` is not.
std::shared_ptr<OpState> begin(aspen_node_t* node, const aspen_call_options_t* options,
                               aspen_call_options_t* copied, aspen_cq_t* queue, uint64_t tag,
                               aspen_op_t** op) {
  if (op == nullptr) return nullptr;
  *op = nullptr;
  if (node == nullptr || node->handle->forked() || !aspen::capi::read_options(options, copied))
    return nullptr;
  return aspen::capi::make_op(queue, tag, op);
}

int32_t refuse(OpState& state, Error error) {
  complete_with_error(state, Error(error.code, aspen::Applied::NO, std::move(error.message)));
  return ASPEN_OK;
}

int32_t submit_write(aspen_node_t* node, kv::Command command, const aspen_call_options_t& options,
                     const std::shared_ptr<OpState>& state) {
  Result<> valid = check_call(options);
  if (valid) valid = kv::validate(command);
  if (!valid) return refuse(*state, valid.error());
  auto id = node->handle->node->write(std::move(command), aspen::capi::timeout_or_default(options.timeout_ns),
                                      [state](Result<kv::WriteReply> reply) {
                                        if (!reply) return complete_with_error(*state, reply.error());
                                        OpResult result;
                                        result.revision = reply->revision;
                                        result.succeeded = reply->succeeded;
                                        result.changes = std::move(reply->results);
                                        if (!reply->succeeded)
                                          result.failed_condition = reply->failed_compare;
                                        if (reply->current)
                                          result.entries.push_back(*std::move(reply->current));
                                        state->complete(std::move(result));
                                      });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

bool known_comparison(int32_t comparison) {
  return comparison >= ASPEN_IF_ABSENT && comparison <= ASPEN_IF_REVISION;
}

size_t expected_bytes(int32_t comparison, size_t expected_size) {
  return comparison == ASPEN_IF_VALUE ? expected_size : 0;
}

// Whether the batch has room for one more; if not, applying it will say why.
bool admit(aspen_batch_t& batch, size_t key_size, size_t value_size) {
  if (batch.refused) return false;
  const kv::Transaction& transaction = batch.command.transaction;
  Result<> room = check_sizes(key_size, value_size);
  if (room && transaction.then.size() + transaction.compares.size() >= limits::kTransactionOpsMax) {
    room = aspen::fail(Code::LIMIT_EXCEEDED, "the batch has more than {} conditions and changes",
                       limits::kTransactionOpsMax);
  }
  if (room && batch.bytes + key_size + value_size > limits::kTransactionBytesMax) {
    room =
        aspen::fail(Code::LIMIT_EXCEEDED, "the batch has more than {} bytes", limits::kTransactionBytesMax);
  }
  if (!room) batch.refused = room.error();
  batch.bytes += key_size + value_size;
  return room.has_value();
}

kv::Compare make_compare(const void* key, size_t key_size, int32_t comparison, const void* expected,
                         size_t expected_size, uint64_t revision) {
  switch (comparison) {
    case ASPEN_IF_ABSENT:
      return kv::key_absent(copy(key, key_size));
    case ASPEN_IF_PRESENT:
      return kv::key_present(copy(key, key_size));
    case ASPEN_IF_VALUE:
      return kv::value_is(copy(key, key_size), copy(expected, expected_size));
    default:
      return kv::mod_revision_is(copy(key, key_size), revision);
  }
}

kv::Op make_put(const void* key, size_t key_size, const void* value, size_t value_size) {
  return {.kind = kv::Op::Kind::put, .key = copy(key, key_size), .value = copy(value, value_size)};
}

kv::Op make_erase(const void* key, size_t key_size) {
  return {.kind = kv::Op::Kind::erase, .key = copy(key, key_size)};
}

Result<kv::RangeRequest> make_range(const aspen_range_options_t& options) {
  kv::RangeRequest range;
  range.limit = static_cast<uint32_t>(std::min<uint64_t>(options.limit, limits::kRangeEntriesMax));
  range.reverse = options.reverse != 0;
  range.keys_only = options.keys_only != 0;
  for (size_t size : {options.prefix_size, options.start_size, options.end_size, options.continuation_size}) {
    // One byte more than a key: a continuation is the key after the last one.
    if (size > limits::kKeyBytesMax + 1) {
      return aspen::fail(Code::LIMIT_EXCEEDED, "a bound of the range is {} bytes; at most {}", size,
                         limits::kKeyBytesMax + 1);
    }
  }
  if (options.prefix != nullptr) {
    range.start = copy(options.prefix, options.prefix_size);
    range.end = aspen::prefix_end(range.start);
  } else {
    range.start = options.start != nullptr ? copy(options.start, options.start_size) : Bytes();
    range.end = options.end != nullptr ? copy(options.end, options.end_size) : Bytes();
  }
  if (options.continuation != nullptr) {
    (range.reverse ? range.end : range.start) = copy(options.continuation, options.continuation_size);
  }
  return range;
}

}  // namespace

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
  auto id = node->handle->node->get({copied}, call.consistency == ASPEN_READ_STALE,
                                    aspen::capi::timeout_or_default(call.timeout_ns),
                                    [state, key = copied](Result<kv::GetReply> reply) mutable {
                                      if (!reply) return complete_with_error(*state, reply.error());
                                      OpResult result;
                                      result.succeeded = true;
                                      result.revision = reply->revision;
                                      if (reply->record) {
                                        result.entries.push_back({std::move(key), std::move(*reply->record)});
                                      }
                                      state->complete(std::move(result));
                                    });
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
  return submit_write(node, std::move(command), call, state);
}

int32_t aspen_kv_range(aspen_node_t* node, const aspen_range_options_t* options, aspen_cq_t* queue,
                       uint64_t tag, aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  aspen_range_options_t copied;
  if (node == nullptr || node->handle->forked() || !aspen::capi::read_options(options, &copied)) {
    return ASPEN_INVALID_ARGUMENT;
  }
  auto state = aspen::capi::make_op(queue, tag, op);
  aspen_call_options_t call{sizeof call, copied.consistency, copied.timeout_ns};
  Result<> valid = check_call(call);
  Result<kv::RangeRequest> range = make_range(copied);
  if (!valid || !range) {
    complete_with_error(*state, valid ? range.error() : valid.error());
    return ASPEN_OK;
  }
  auto id = node->handle->node->range(std::move(*range), copied.consistency == ASPEN_READ_STALE,
                                      aspen::capi::timeout_or_default(copied.timeout_ns),
                                      [state](Result<kv::RangeReply> reply) {
                                        if (!reply) return complete_with_error(*state, reply.error());
                                        OpResult result;
                                        result.succeeded = true;
                                        result.revision = reply->revision;
                                        result.entries = std::move(reply->entries);
                                        result.more = reply->more;
                                        result.continuation = std::move(reply->continuation);
                                        state->complete(std::move(result));
                                      });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

int32_t aspen_batch_new(aspen_batch_t** out) {
  if (out == nullptr) return ASPEN_INVALID_ARGUMENT;
  *out = new aspen_batch{};
  return ASPEN_OK;
}

void aspen_batch_free(aspen_batch_t* batch) {
  delete batch;
}

int32_t aspen_batch_put(aspen_batch_t* batch, const void* key, size_t key_size, const void* value,
                        size_t value_size) {
  if (batch == nullptr || !readable(key, key_size) || !readable(value, value_size))
    return ASPEN_INVALID_ARGUMENT;
  if (!admit(*batch, key_size, value_size)) return ASPEN_OK;
  batch->command.transaction.then.push_back(make_put(key, key_size, value, value_size));
  return ASPEN_OK;
}

int32_t aspen_batch_delete(aspen_batch_t* batch, const void* key, size_t key_size) {
  if (batch == nullptr || !readable(key, key_size)) return ASPEN_INVALID_ARGUMENT;
  if (!admit(*batch, key_size, 0)) return ASPEN_OK;
  batch->command.transaction.then.push_back(make_erase(key, key_size));
  return ASPEN_OK;
}

int32_t aspen_batch_check(aspen_batch_t* batch, const void* key, size_t key_size, int32_t comparison,
                          const void* expected, size_t expected_size, uint64_t revision) {
  if (batch == nullptr || !readable(key, key_size) || !known_comparison(comparison) ||
      (comparison == ASPEN_IF_VALUE && !readable(expected, expected_size))) {
    return ASPEN_INVALID_ARGUMENT;
  }
  if (!admit(*batch, key_size, expected_bytes(comparison, expected_size))) return ASPEN_OK;
  batch->command.transaction.compares.push_back(
      make_compare(key, key_size, comparison, expected, expected_size, revision));
  return ASPEN_OK;
}

int32_t aspen_kv_apply(aspen_node_t* node, const aspen_batch_t* batch, const aspen_call_options_t* options,
                       aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (batch == nullptr) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (batch->refused) return refuse(*state, *batch->refused);
  return submit_write(node, batch->command, call, state);
}

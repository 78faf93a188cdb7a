#include "capi/kv_call.h"

#include <algorithm>

#include "core/base/limits.h"

namespace aspen::capi {
namespace {

// The keys of a transaction's operations, whose results do not name them.
struct OpKeys {
  Bytes key;
  std::vector<OpKeys> then;
  std::vector<OpKeys> otherwise;
};

std::vector<OpKeys> keys_of(const std::vector<kv::Op>& ops) {
  std::vector<OpKeys> keys;
  keys.reserve(ops.size());
  for (const kv::Op& op : ops) {
    OpKeys& added = keys.emplace_back();
    if (op.previous || op.kind == kv::Op::Kind::get) added.key = op.key;
    if (op.kind != kv::Op::Kind::transaction) continue;
    added.then = keys_of(op.nested[0].then);
    added.otherwise = keys_of(op.nested[0].otherwise);
  }
  return keys;
}

// Adds the results in the order in which aspen_op_result gives them, and their entries.
void flatten(std::vector<kv::OpResult>& results, const std::vector<OpKeys>& keys, OpResult& out) {
  for (size_t i = 0; i < results.size(); ++i) {
    kv::OpResult& result = results[i];
    aspen_result_t flat{};
    flat.entry_begin = out.entries.size();
    switch (result.kind) {
      case kv::OpResult::Kind::change:
        flat.kind = ASPEN_RESULT_CHANGE;
        flat.existed = result.existed ? 1 : 0;
        flat.previous_revision = result.previous_revision;
        break;
      case kv::OpResult::Kind::erased:
        flat.kind = ASPEN_RESULT_DELETE_RANGE;
        flat.count = result.count;
        std::ranges::move(result.erased, std::back_inserter(out.entries));
        break;
      case kv::OpResult::Kind::got:
        flat.kind = ASPEN_RESULT_GET;
        flat.existed = result.record ? 1 : 0;
        break;
      case kv::OpResult::Kind::ranged:
        flat.kind = ASPEN_RESULT_RANGE;
        flat.more = result.range.more ? 1 : 0;
        flat.count = result.range.entries.size();
        std::ranges::move(result.range.entries, std::back_inserter(out.entries));
        break;
      case kv::OpResult::Kind::nested:
        flat.kind = ASPEN_RESULT_TRANSACTION;
        flat.succeeded = result.succeeded ? 1 : 0;
        break;
    }
    if (result.record) out.entries.push_back({keys[i].key, *std::move(result.record)});
    flat.entry_end = out.entries.size();
    out.results.push_back(flat);
    if (result.kind != kv::OpResult::Kind::nested) continue;
    flatten(result.results, result.succeeded ? keys[i].then : keys[i].otherwise, out);
    aspen_result_t end{};
    end.kind = ASPEN_RESULT_END;
    end.entry_begin = end.entry_end = out.entries.size();
    out.results.push_back(end);
  }
}

}  // namespace

Bytes copy(const void* data, size_t size) {
  return Bytes(static_cast<const char*>(data), size);
}

bool readable(const void* data, size_t size) {
  return data != nullptr || size == 0;
}

Result<> check_call(const aspen_call_options_t& options) {
  if (options.consistency < ASPEN_READ_LINEARIZABLE || options.consistency > ASPEN_READ_LEASE) {
    return fail(Code::INVALID_ARGUMENT, "consistency {} is unknown; 0 to 2", options.consistency);
  }
  if (options.timeout_ns < 0) return fail(Code::INVALID_ARGUMENT, "timeout_ns must not be negative");
  if (options.staleness_ns < 0) return fail(Code::INVALID_ARGUMENT, "staleness_ns must not be negative");
  if (options.staleness_ns > 0 && options.consistency != ASPEN_READ_STALE) {
    return fail(Code::INVALID_ARGUMENT, "staleness_ns is for reads of consistency STALE (1), not {}",
                options.consistency);
  }
  return {};
}

node::Freshness freshness(const aspen_call_options_t& options) {
  return {static_cast<node::Freshness::Kind>(options.consistency), options.staleness_ns};
}

Result<> check_key(size_t size) {
  if (size == 0) return fail(Code::INVALID_ARGUMENT, "the key is empty; at least 1 byte");
  if (size > limits::kKeyBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "the key is {} bytes; at most {}", size, limits::kKeyBytesMax);
  }
  return {};
}

Result<> check_value(size_t size) {
  if (size > limits::kValueBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "the value is {} bytes; at most {}", size, limits::kValueBytesMax);
  }
  return {};
}

Result<> check_sizes(size_t key_size, size_t value_size) {
  ASPEN_CHECK(check_key(key_size));
  return check_value(value_size);
}

void complete_with_error(OpState& state, Error error) {
  OpResult result;
  result.error = std::move(error);
  state.complete(std::move(result));
}

std::shared_ptr<OpState> begin(aspen_node_t* node, const aspen_call_options_t* options,
                               aspen_call_options_t* copied, aspen_cq_t* queue, uint64_t tag,
                               aspen_op_t** op) {
  if (op == nullptr) return nullptr;
  *op = nullptr;
  if (node == nullptr || node->handle->forked() || !read_call_options(options, copied)) return nullptr;
  return make_op(queue, tag, op);
}

int32_t refuse(OpState& state, Error error) {
  complete_with_error(state, Error(error.code, Applied::NO, std::move(error.message)));
  return ASPEN_OK;
}

Result<> check_bound(size_t size) {
  if (size > kv::kBoundBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "a bound of the range is {} bytes; at most {}", size,
                kv::kBoundBytesMax);
  }
  return {};
}

bool read_call_options(const aspen_call_options_t* options, aspen_call_options_t* copied) {
  return read_options(options, copied, offsetof(aspen_call_options_t, revision));
}

bool read_range_options(const aspen_range_options_t* options, aspen_range_options_t* copied) {
  return read_options(options, copied, offsetof(aspen_range_options_t, revision));
}

bool known_comparison(int32_t comparison) {
  return comparison >= ASPEN_IF_ABSENT && comparison <= ASPEN_IF_REVISION;
}

size_t expected_bytes(int32_t comparison, size_t expected_size) {
  return comparison == ASPEN_IF_VALUE ? expected_size : 0;
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
  range.revision = options.revision;
  for (size_t size : {options.prefix_size, options.start_size, options.end_size, options.continuation_size}) {
    ASPEN_CHECK(check_bound(size));
  }
  if (options.prefix != nullptr) {
    range.start = copy(options.prefix, options.prefix_size);
    range.end = prefix_end(range.start);
  } else {
    range.start = options.start != nullptr ? copy(options.start, options.start_size) : Bytes();
    range.end = options.end != nullptr ? copy(options.end, options.end_size) : Bytes();
  }
  if (options.continuation != nullptr) {
    (range.reverse ? range.end : range.start) = copy(options.continuation, options.continuation_size);
  }
  return range;
}

node::Node::Done<kv::GetReply> complete_get(std::shared_ptr<OpState> state, Bytes key) {
  return [state = std::move(state), key = std::move(key)](Result<kv::GetReply> reply) mutable {
    if (!reply) return complete_with_error(*state, reply.error());
    OpResult result;
    result.succeeded = true;
    result.revision = reply->revision;
    if (reply->record) result.entries.push_back({std::move(key), *std::move(reply->record)});
    state->complete(std::move(result));
  };
}

node::Node::Done<kv::RangeReply> complete_range(std::shared_ptr<OpState> state) {
  return [state = std::move(state)](Result<kv::RangeReply> reply) {
    if (!reply) return complete_with_error(*state, reply.error());
    OpResult result;
    result.succeeded = true;
    result.revision = reply->revision;
    result.entries = std::move(reply->entries);
    result.more = reply->more;
    result.continuation = std::move(reply->continuation);
    state->complete(std::move(result));
  };
}

int32_t submit_command(aspen_node_t* node, kv::Command command, const aspen_call_options_t& options,
                       const std::shared_ptr<OpState>& state, FillDone fill) {
  Result<> valid = check_call(options);
  if (valid) valid = kv::validate(command);
  if (!valid) return refuse(*state, valid.error());
  auto id = node->handle->node->run(std::move(command), timeout_or_default(options.timeout_ns),
                                    [state, fill = std::move(fill)](Result<kv::DoneReply> reply) {
                                      if (!reply) return complete_with_error(*state, reply.error());
                                      OpResult result;
                                      result.succeeded = true;
                                      result.revision = reply->revision;
                                      if (fill) fill(*reply, result);
                                      state->complete(std::move(result));
                                    });
  cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

int32_t submit_write(aspen_node_t* node, kv::Command command, const aspen_call_options_t& options,
                     const std::shared_ptr<OpState>& state) {
  Result<> valid = check_call(options);
  if (valid) valid = kv::validate(command);
  if (!valid) return refuse(*state, valid.error());
  auto keys = std::make_pair(keys_of(command.transaction.then), keys_of(command.transaction.otherwise));
  auto id = node->handle->node->write(std::move(command), timeout_or_default(options.timeout_ns),
                                      [state, keys = std::move(keys)](Result<kv::WriteReply> reply) {
                                        if (!reply) return complete_with_error(*state, reply.error());
                                        OpResult result;
                                        result.revision = reply->revision;
                                        result.succeeded = reply->succeeded;
                                        if (!reply->succeeded)
                                          result.failed_condition = reply->failed_compare;
                                        if (reply->current)
                                          result.entries.push_back(*std::move(reply->current));
                                        flatten(reply->results, reply->succeeded ? keys.first : keys.second,
                                                result);
                                        result.changes = std::move(reply->results);
                                        state->complete(std::move(result));
                                      });
  cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

}  // namespace aspen::capi

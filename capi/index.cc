// Secondary indexes (aspen_index_*).
#include <algorithm>
#include <nlohmann/json.hpp>

#include "capi/kv_call.h"
#include "core/kv/index_commands.h"
#include "core/kv/index_limits.h"
#include "core/kv/index_read.h"
#include "core/kv/tuple.h"

using aspen::Bytes;
using aspen::Code;
using aspen::fail;
using aspen::Result;
using aspen::capi::begin;
using aspen::capi::check_call;
using aspen::capi::complete_with_error;
using aspen::capi::copy;
using aspen::capi::OpResult;
using aspen::capi::OpState;
using aspen::capi::readable;
using aspen::capi::refuse;
using aspen::capi::submit_command;
using aspen::capi::timeout_or_default;
namespace kv = aspen::kv;
namespace limits = aspen::limits;

namespace {

std::string to_hex(aspen::BytesView bytes) {
  std::string text;
  for (char byte : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return text;
}

const char* state_name(kv::Index::State state) {
  return state == kv::Index::State::ready      ? "ready"
         : state == kv::Index::State::building ? "building"
                                               : "dropping";
}

std::string to_json(const kv::IndexList& list) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const kv::Index& index : list.indexes) {
    json.push_back({{"id", index.id},
                    {"name", index.name},
                    {"prefix_hex", to_hex(index.prefix)},
                    {"extractor", index.extractor},
                    {"state", state_name(index.state)},
                    {"records", index.records}});
  }
  return json.dump();
}

Result<kv::IndexScanRequest> make_scan(const char* name, const aspen_index_scan_options_t& options) {
  kv::IndexScanRequest scan;
  for (size_t size : {options.value_size, options.start_size, options.end_size, options.continuation_size}) {
    if (size > limits::kIndexEntryBytesMax) {
      return fail(Code::LIMIT_EXCEEDED, "a bound of the scan is {} bytes; at most {}", size,
                  limits::kIndexEntryBytesMax);
    }
  }
  scan.index = name;
  scan.limit = static_cast<uint32_t>(std::min<uint64_t>(options.limit, limits::kRangeEntriesMax));
  scan.reverse = options.reverse != 0;
  scan.keys_only = options.keys_only != 0;
  if (options.value != nullptr) {
    kv::KeyRange range = kv::packed_range(copy(options.value, options.value_size));
    scan.start = std::move(range.start);
    scan.end = std::move(range.end);
  } else {
    scan.start = copy(options.start, options.start_size);
    scan.end = copy(options.end, options.end_size);
  }
  if (options.continuation != nullptr) {
    (scan.reverse ? scan.end : scan.start) = copy(options.continuation, options.continuation_size);
  }
  return scan;
}

void complete_scan(OpState& state, Result<kv::IndexScanReply> reply) {
  if (!reply) return complete_with_error(state, reply.error());
  OpResult result;
  result.succeeded = true;
  result.revision = reply->revision;
  for (kv::IndexEntry& entry : reply->entries) {
    result.entries.push_back({std::move(entry.key), std::move(entry.record)});
    result.index_values.push_back(std::move(entry.value));
  }
  result.more = reply->more;
  result.continuation = std::move(reply->continuation);
  state.complete(std::move(result));
}

}  // namespace

void aspen_index_scan_options_init(aspen_index_scan_options_t* options, size_t struct_size) {
  aspen::capi::init_options(options, struct_size);
}

int32_t aspen_index_create(aspen_node_t* node, const char* name, const void* prefix, size_t prefix_size,
                           const char* extractor, const aspen_call_options_t* options, aspen_cq_t* queue,
                           uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (name == nullptr || extractor == nullptr || !readable(prefix, prefix_size))
    return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (auto size = aspen::capi::check_bound(prefix_size); !size) return refuse(*state, size.error());
  return submit_command(node,
                        {.kind = kv::Command::Kind::index_create,
                         .prefix = copy(prefix, prefix_size),
                         .name = name,
                         .extractor = extractor},
                        call, state);
}

int32_t aspen_index_drop(aspen_node_t* node, const char* name, const aspen_call_options_t* options,
                         aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (name == nullptr) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  return submit_command(node, {.kind = kv::Command::Kind::index_drop, .name = name}, call, state);
}

int32_t aspen_index_list(aspen_node_t* node, const aspen_call_options_t* options, aspen_cq_t* queue,
                         uint64_t tag, aspen_op_t** op) {
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (Result<> valid = check_call(call); !valid) return refuse(*state, valid.error());
  auto id =
      node->handle->node->indexes(timeout_or_default(call.timeout_ns), [state](Result<kv::IndexList> list) {
        if (!list) return complete_with_error(*state, list.error());
        OpResult result;
        result.succeeded = true;
        result.text = to_json(*list);
        state->complete(std::move(result));
      });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

int32_t aspen_index_scan(aspen_node_t* node, const char* name, const aspen_index_scan_options_t* options,
                         aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  aspen_index_scan_options_t scan;
  if (name == nullptr || !aspen::capi::read_options(options, &scan)) return ASPEN_INVALID_ARGUMENT;
  if (!readable(scan.value, scan.value_size) || !readable(scan.start, scan.start_size) ||
      !readable(scan.end, scan.end_size) || !readable(scan.continuation, scan.continuation_size)) {
    return ASPEN_INVALID_ARGUMENT;
  }
  aspen_call_options_t call;
  auto state = begin(node, nullptr, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  call.timeout_ns = scan.timeout_ns;
  Result<> valid = check_call(call);
  if (valid) valid = kv::validate_index_name(name);
  Result<kv::IndexScanRequest> request = make_scan(name, scan);
  if (!valid || !request) return refuse(*state, valid ? request.error() : valid.error());
  auto id = node->handle->node->scan(
      *std::move(request), timeout_or_default(call.timeout_ns),
      [state](Result<kv::IndexScanReply> reply) { complete_scan(*state, std::move(reply)); });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

const uint8_t* aspen_op_index_value(const aspen_op_t* op, size_t entry, size_t* size) {
  if (size != nullptr) *size = 0;
  const OpResult* result = op != nullptr ? static_cast<const OpState&>(*op->state).result() : nullptr;
  if (result == nullptr || entry >= result->index_values.size()) return nullptr;
  const Bytes& value = result->index_values[entry];
  if (size != nullptr) *size = value.size();
  return aspen::byte_data(value);
}

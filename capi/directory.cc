// The directory layer (aspen_directory_*).
#include <algorithm>

#include "capi/kv_call.h"
#include "core/base/limits.h"

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
using aspen::capi::timeout_or_default;
namespace limits = aspen::limits;
namespace node = aspen::node;

namespace {

Result<node::DirectoryPath> parse_path(const void* path, size_t size) {
  if (size > limits::kTupleBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "the path is {} bytes; at most {}", size, limits::kTupleBytesMax);
  }
  return node::parse_directory_path({static_cast<const char*>(path), size});
}

node::Node::Done<node::Directory> complete_directory(std::shared_ptr<OpState> state, std::string name) {
  return [state = std::move(state), name = std::move(name)](Result<node::Directory> directory) {
    if (!directory) return complete_with_error(*state, directory.error());
    OpResult result;
    result.succeeded = directory->created;
    result.entries.push_back({name, {.value = std::move(directory->prefix)}});
    state->complete(std::move(result));
  };
}

void complete_list(OpState& state, Result<node::DirectoryList> list) {
  if (!list) return complete_with_error(state, list.error());
  OpResult result;
  result.succeeded = true;
  result.revision = list->revision;
  result.more = list->more;
  for (node::DirectoryEntry& entry : list->entries) {
    result.entries.push_back({std::move(entry.name), {.value = std::move(entry.prefix)}});
  }
  state.complete(std::move(result));
}

node::DirectoryOpen how_of(int32_t how) {
  return how == ASPEN_DIRECTORY_OPEN     ? node::DirectoryOpen::existing
         : how == ASPEN_DIRECTORY_CREATE ? node::DirectoryOpen::create
                                         : node::DirectoryOpen::either;
}

}  // namespace

int32_t aspen_directory_open(aspen_node_t* node, const void* path, size_t path_size, int32_t how,
                             const void* layer, size_t layer_size, const aspen_call_options_t* options,
                             aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!readable(path, path_size) || !readable(layer, layer_size)) return ASPEN_INVALID_ARGUMENT;
  if (how < ASPEN_DIRECTORY_OPEN || how > ASPEN_DIRECTORY_OPEN_OR_CREATE) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  Result<> valid = check_call(call);
  if (valid) valid = aspen::capi::check_bound(layer_size);
  Result<node::DirectoryPath> parsed = parse_path(path, path_size);
  if (!valid || !parsed) return refuse(*state, valid ? parsed.error() : valid.error());
  std::string name = parsed->empty() ? "" : parsed->back();
  auto id = node->handle->node->open_directory({*std::move(parsed), how_of(how), copy(layer, layer_size)},
                                               timeout_or_default(call.timeout_ns),
                                               complete_directory(state, std::move(name)));
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

int32_t aspen_directory_list(aspen_node_t* node, const void* path, size_t path_size, const char* after,
                             uint64_t limit, const aspen_call_options_t* options, aspen_cq_t* queue,
                             uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!readable(path, path_size)) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  Result<> valid = check_call(call);
  Result<node::DirectoryPath> parsed = parse_path(path, path_size);
  const std::string name = after != nullptr ? after : "";
  if (valid && !name.empty()) valid = node::validate_directory_path({name});
  if (!valid || !parsed) return refuse(*state, valid ? parsed.error() : valid.error());
  const auto count = static_cast<uint32_t>(std::min<uint64_t>(limit, limits::kRangeEntriesMax));
  auto id = node->handle->node->list_directory(
      {*std::move(parsed), name, count}, timeout_or_default(call.timeout_ns),
      [state](Result<node::DirectoryList> list) { complete_list(*state, std::move(list)); });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

int32_t aspen_directory_move(aspen_node_t* node, const void* from, size_t from_size, const void* to,
                             size_t to_size, const aspen_call_options_t* options, aspen_cq_t* queue,
                             uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!readable(from, from_size) || !readable(to, to_size)) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (Result<> valid = check_call(call); !valid) return refuse(*state, valid.error());
  Result<node::DirectoryPath> source = parse_path(from, from_size), target = parse_path(to, to_size);
  if (!source || !target) return refuse(*state, source ? target.error() : source.error());
  std::string name = target->empty() ? "" : target->back();
  auto id = node->handle->node->move_directory(*std::move(source), *std::move(target),
                                               timeout_or_default(call.timeout_ns),
                                               complete_directory(state, std::move(name)));
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

int32_t aspen_directory_remove(aspen_node_t* node, const void* path, size_t path_size,
                               const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                               aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (!readable(path, path_size)) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  Result<> valid = check_call(call);
  Result<node::DirectoryPath> parsed = parse_path(path, path_size);
  if (!valid || !parsed) return refuse(*state, valid ? parsed.error() : valid.error());
  auto id = node->handle->node->remove_directory(*std::move(parsed), timeout_or_default(call.timeout_ns),
                                                 [state](Result<bool> removed) {
                                                   if (!removed)
                                                     return complete_with_error(*state, removed.error());
                                                   OpResult result;
                                                   result.succeeded = *removed;
                                                   state->complete(std::move(result));
                                                 });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

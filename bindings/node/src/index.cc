#include "index.h"

#include <aspen.h>

#include "arguments.h"
#include "result.h"

namespace {

// indexCreate(node, tag, timeoutNs, consistency, name, prefix, extractor)
Napi::Value create(Info info) {
  auto call = Call::from(info);
  auto name = get_text(info[4]);
  auto prefix = get_bytes(info[5]);
  auto extractor = get_text(info[6]);
  if (!call || !name || !prefix || !extractor) return type_error(info.Env(), "indexCreate: arguments");
  return call->promise(info.Env(), convert_nothing,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_index_create(node, name->c_str(), prefix->data, prefix->size,
                                                   extractor->c_str(), &call->options, queue, tag, op);
                       });
}

// indexDrop(node, tag, timeoutNs, consistency, name)
Napi::Value drop(Info info) {
  auto call = Call::from(info);
  auto name = get_text(info[4]);
  if (!call || !name) return type_error(info.Env(), "indexDrop: arguments");
  return call->promise(info.Env(), convert_nothing,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_index_drop(node, name->c_str(), &call->options, queue, tag, op);
                       });
}

// indexList(node, tag, timeoutNs, consistency)
Napi::Value list(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "indexList: arguments");
  return call->promise(info.Env(), convert_text,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_index_list(node, &call->options, queue, tag, op);
                       });
}

// indexScan(node, tag, timeoutNs, consistency, name, {value, start, end, continuation, limit, reverse,
// keysOnly})
Napi::Value scan(Info info) {
  auto call = Call::from(info);
  auto name = get_text(info[4]);
  if (!call || !name || !info[5].IsObject()) return type_error(info.Env(), "indexScan: arguments");
  Napi::Object object = info[5].As<Napi::Object>();
  aspen_index_scan_options_t options;
  aspen_index_scan_options_init(&options, sizeof options);
  set_bytes(object, "value", options.value, options.value_size);
  set_bytes(object, "start", options.start, options.start_size);
  set_bytes(object, "end", options.end, options.end_size);
  set_bytes(object, "continuation", options.continuation, options.continuation_size);
  options.limit = static_cast<uint64_t>(get_integer(object.Get("limit")));
  options.reverse = get_flag(object.Get("reverse")) ? 1 : 0;
  options.keys_only = get_flag(object.Get("keysOnly")) ? 1 : 0;
  options.timeout_ns = call->options.timeout_ns;
  return call->promise(info.Env(), convert_scan,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_index_scan(node, name->c_str(), &options, queue, tag, op);
                       });
}

// directoryOpen(node, tag, timeoutNs, consistency, path, how, layer)
Napi::Value open(Info info) {
  auto call = Call::from(info);
  auto path = get_bytes(info[4]);
  auto layer = get_bytes(info[6]);
  if (!call || !path || !layer) return type_error(info.Env(), "directoryOpen: arguments");
  auto how = static_cast<int32_t>(get_integer(info[5]));
  return call->promise(info.Env(), convert_write,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_directory_open(node, path->data, path->size, how, layer->data,
                                                     layer->size, &call->options, queue, tag, op);
                       });
}

// directoryList(node, tag, timeoutNs, consistency, path, after or undefined)
Napi::Value list_directories(Info info) {
  auto call = Call::from(info);
  auto path = get_bytes(info[4]);
  auto after = get_text(info[5]);
  if (!call || !path) return type_error(info.Env(), "directoryList: arguments");
  return call->promise(
      info.Env(), convert_listing, [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
        return aspen_directory_list(node, path->data, path->size, after ? after->c_str() : nullptr, 0,
                                    &call->options, queue, tag, op);
      });
}

// directoryMove(node, tag, timeoutNs, consistency, from, to)
Napi::Value move(Info info) {
  auto call = Call::from(info);
  auto from = get_bytes(info[4]);
  auto to = get_bytes(info[5]);
  if (!call || !from || !to) return type_error(info.Env(), "directoryMove: arguments");
  return call->promise(info.Env(), convert_write,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_directory_move(node, from->data, from->size, to->data, to->size,
                                                     &call->options, queue, tag, op);
                       });
}

// directoryRemove(node, tag, timeoutNs, consistency, path)
Napi::Value remove(Info info) {
  auto call = Call::from(info);
  auto path = get_bytes(info[4]);
  if (!call || !path) return type_error(info.Env(), "directoryRemove: arguments");
  return call->promise(
      info.Env(), convert_write, [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
        return aspen_directory_remove(node, path->data, path->size, &call->options, queue, tag, op);
      });
}

}  // namespace

void add_index_functions(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, Napi::Value (*function)(Info)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("indexCreate", create);
  add("indexDrop", drop);
  add("indexList", list);
  add("indexScan", scan);
  add("directoryOpen", open);
  add("directoryList", list_directories);
  add("directoryMove", move);
  add("directoryRemove", remove);
}

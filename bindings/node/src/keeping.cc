#include "keeping.h"

#include <aspen.h>

#include "arguments.h"
#include "result.h"

namespace {

// compact(node, tag, timeoutNs, consistency, revision)
Napi::Value compact(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "compact: arguments");
  uint64_t revision = get_uint64(info[4]);
  return call->promise(info.Env(), convert_revision,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_kv_compact(node, revision, &call->options, queue, tag, op);
                       });
}

// quotaSet(node, tag, timeoutNs, consistency, prefix, bytesMax, keysMax)
Napi::Value quota_set(Info info) {
  auto call = Call::from(info);
  auto prefix = get_bytes(info[4]);
  if (!call || !prefix) return type_error(info.Env(), "quotaSet: arguments");
  auto bytes_max = static_cast<uint64_t>(get_integer(info[5]));
  auto keys_max = static_cast<uint64_t>(get_integer(info[6]));
  return call->promise(info.Env(), convert_nothing,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_quota_set(node, prefix->data, prefix->size, bytes_max, keys_max,
                                                &call->options, queue, tag, op);
                       });
}

// quotaList(node, tag, timeoutNs, consistency)
Napi::Value quota_list(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "quotaList: arguments");
  return call->promise(info.Env(), convert_quotas,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_quota_list(node, &call->options, queue, tag, op);
                       });
}

// memberRemove(node, tag, timeoutNs, consistency, nodeId)
Napi::Value member_remove(Info info) {
  auto call = Call::from(info);
  auto node_id = get_text(info[4]);
  if (!call || !node_id) return type_error(info.Env(), "memberRemove: arguments");
  return call->promise(info.Env(), convert_succeeded,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_member_remove(node, node_id->c_str(), &call->options, queue, tag, op);
                       });
}

// leaderTransfer(node, tag, timeoutNs, consistency, nodeId or undefined)
Napi::Value leader_transfer(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "leaderTransfer: arguments");
  auto node_id = get_text(info[4]);
  return call->promise(info.Env(), convert_text,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_leader_transfer(node, node_id ? node_id->c_str() : nullptr,
                                                      &call->options, queue, tag, op);
                       });
}

// backup(node, tag, timeoutNs, consistency, dir or undefined, descriptor)
Napi::Value backup(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "backup: arguments");
  auto dir = get_text(info[4]);
  aspen_backup_options_t options;
  aspen_backup_options_init(&options, sizeof options);
  options.consistency = call->options.consistency;
  options.timeout_ns = call->options.timeout_ns;
  options.stream = static_cast<int32_t>(get_integer(info[5]));
  return call->promise(info.Env(), convert_text,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_backup(node, dir ? dir->c_str() : nullptr, &options, queue, tag, op);
                       });
}

// verify(dir, tag)
Napi::Value verify(Info info) {
  auto dir = get_text(info[0]);
  if (!dir) return type_error(info.Env(), "verify: dir");
  return Instance::of(info.Env())
      .promise(static_cast<uint64_t>(get_integer(info[1])), convert_text,
               [&](aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                 return aspen_verify(dir->c_str(), queue, tag, op);
               });
}

}  // namespace

void add_keeping_functions(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, Napi::Value (*function)(Info)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("compact", compact);
  add("quotaSet", quota_set);
  add("quotaList", quota_list);
  add("memberRemove", member_remove);
  add("leaderTransfer", leader_transfer);
  add("backup", backup);
  add("verify", verify);
}

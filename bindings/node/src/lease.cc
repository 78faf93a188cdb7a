#include "lease.h"

#include <aspen.h>

#include "arguments.h"
#include "result.h"

namespace {

// leaseGrant(node, tag, timeoutNs, consistency, ttlNs)
Napi::Value grant(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "leaseGrant: arguments");
  int64_t ttl_ns = get_integer(info[4]);
  return call->promise(info.Env(), convert_leases,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_lease_grant(node, ttl_ns, &call->options, queue, tag, op);
                       });
}

// leaseRevoke(node, tag, timeoutNs, consistency, lease)
Napi::Value revoke(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "leaseRevoke: arguments");
  uint64_t lease = get_uint64(info[4]);
  return call->promise(info.Env(), convert_leases,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_lease_revoke(node, lease, &call->options, queue, tag, op);
                       });
}

// leaseKeepAlive(node, tag, timeoutNs, consistency, lease)
Napi::Value keep_alive(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "leaseKeepAlive: arguments");
  uint64_t lease = get_uint64(info[4]);
  return call->promise(info.Env(), convert_leases,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_lease_keep_alive(node, lease, &call->options, queue, tag, op);
                       });
}

// leaseInfo(node, tag, timeoutNs, consistency, lease, continuation)
Napi::Value info_of(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "leaseInfo: arguments");
  uint64_t lease = get_uint64(info[4]);
  auto continuation = get_bytes(info[5]);
  return call->promise(
      info.Env(), convert_leases, [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
        return aspen_lease_info(node, lease, continuation ? continuation->data : nullptr,
                                continuation ? continuation->size : 0, &call->options, queue, tag, op);
      });
}

// leaseList(node, tag, timeoutNs, consistency, after)
Napi::Value list(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "leaseList: arguments");
  uint64_t after = get_uint64(info[4]);
  return call->promise(info.Env(), convert_leases,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_lease_list(node, after, &call->options, queue, tag, op);
                       });
}

// leaseKeep(node, tag, timeoutNs, consistency, lease): settles when the keeping ends
Napi::Value keep(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "leaseKeep: arguments");
  uint64_t lease = get_uint64(info[4]);
  return Instance::of(info.Env())
      .background(call->handle, call->tag, convert_nothing,
                  [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                    return aspen_lease_keep(node, lease, queue, tag, op);
                  });
}

// leaseDropKeep(node, lease)
Napi::Value drop_keep(Info info) {
  const HandlePtr* handle = get_handle(info[0]);
  if (handle == nullptr) return type_error(info.Env(), "leaseDropKeep: node");
  if ((*handle)->node != nullptr) aspen_lease_drop_keep((*handle)->node, get_uint64(info[1]));
  return info.Env().Undefined();
}

}  // namespace

void add_lease_functions(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, Napi::Value (*function)(Info)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("leaseGrant", grant);
  add("leaseRevoke", revoke);
  add("leaseKeepAlive", keep_alive);
  add("leaseInfo", info_of);
  add("leaseList", list);
  add("leaseKeep", keep);
  add("leaseDropKeep", drop_keep);
}

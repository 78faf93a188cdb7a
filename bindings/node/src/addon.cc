// The functions lib/ calls: arguments into aspen.h, promises out.
//
// lib/ has checked types and given defaults; what is checked again here is only what could make C++ go wrong,
// and is answered with a TypeError. What lib/ calls a tag is what it cancels by.

#include <aspen.h>
#include <napi.h>

#include <optional>
#include <string>

#include "arguments.h"
#include "batch.h"
#include "index.h"
#include "instance.h"
#include "keeping.h"
#include "lease.h"
#include "result.h"
#include "txn.h"
#include "watch.h"

namespace {

// ---- nodes

// open({mode, dir, listen, advertise, ticket, restoreFrom, openTimeoutNs, heartbeatNs, electionNs,
// historyRevisions, historyNs, deadVoterNs, journalSegmentBytes, clockDriftPpmMax, leaseReads, memberReads},
// tag)
Napi::Value open(Info info) {
  Napi::Env env = info.Env();
  if (!info[0].IsObject()) return type_error(env, "open: options");
  Napi::Object object = info[0].As<Napi::Object>();
  auto dir = get_text(object.Get("dir"));
  auto listen = get_text(object.Get("listen"));
  auto advertise = get_text(object.Get("advertise"));
  auto ticket = get_text(object.Get("ticket"));
  auto restore_from = get_text(object.Get("restoreFrom"));
  aspen_node_options_t options;
  aspen_node_options_init(&options, sizeof options);
  options.mode = static_cast<int32_t>(get_integer(object.Get("mode")));
  options.dir = dir ? dir->c_str() : nullptr;
  options.listen = listen ? listen->c_str() : nullptr;
  options.advertise = advertise ? advertise->c_str() : nullptr;
  options.ticket = ticket ? ticket->c_str() : nullptr;
  options.open_timeout_ns = get_integer(object.Get("openTimeoutNs"));
  options.heartbeat_ns = get_integer(object.Get("heartbeatNs"));
  options.election_ns = get_integer(object.Get("electionNs"));
  options.restore_from = restore_from ? restore_from->c_str() : nullptr;
  options.history_revisions = static_cast<uint64_t>(get_integer(object.Get("historyRevisions")));
  options.history_ns = get_integer(object.Get("historyNs"));
  options.dead_voter_ns = get_integer(object.Get("deadVoterNs"));
  options.journal_segment_bytes = static_cast<uint64_t>(get_integer(object.Get("journalSegmentBytes")));
  options.clock_drift_ppm_max = static_cast<uint32_t>(get_integer(object.Get("clockDriftPpmMax")));
  options.lease_reads = get_flag(object.Get("leaseReads")) ? 1 : 0;
  options.member_reads = get_flag(object.Get("memberReads")) ? 1 : 0;
  return Instance::of(env).promise(static_cast<uint64_t>(get_integer(info[1])), convert_node,
                                   [&](aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                                     return aspen_node_open(&options, queue, tag, op);
                                   });
}

// close(node, tag)
Napi::Value close(Info info) {
  const HandlePtr* handle = get_handle(info[0]);
  if (handle == nullptr) return type_error(info.Env(), "close: node");
  return Instance::of(info.Env()).close(*handle, static_cast<uint64_t>(get_integer(info[1])));
}

// hold(node, on)
Napi::Value hold(Info info) {
  const HandlePtr* handle = get_handle(info[0]);
  if (handle == nullptr) return type_error(info.Env(), "hold: node");
  Instance::of(info.Env()).hold(*handle, get_flag(info[1]));
  return info.Env().Undefined();
}

// identity(node) -> [id, address]
Napi::Value identity(Info info) {
  Napi::Env env = info.Env();
  const HandlePtr* handle = get_handle(info[0]);
  if (handle == nullptr || (*handle)->node == nullptr) return type_error(env, "identity: node");
  Napi::Array both = Napi::Array::New(env, 2);
  both[0u] = Napi::String::New(env, aspen_node_id((*handle)->node));
  both[1u] = Napi::String::New(env, aspen_node_address((*handle)->node));
  return both;
}

// ticket(node, tag, timeoutNs, consistency, validNs)
Napi::Value ticket(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "ticket: arguments");
  int64_t valid_ns = get_integer(info[4]);
  return call->promise(info.Env(), convert_text,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_node_ticket(node, valid_ns, queue, tag, op);
                       });
}

// status(node, tag, timeoutNs, consistency)
Napi::Value status(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "status: arguments");
  return call->promise(info.Env(), convert_text,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_node_status(node, call->options.timeout_ns, queue, tag, op);
                       });
}

// cancel(tag)
Napi::Value cancel(Info info) {
  Instance::of(info.Env()).cancel(static_cast<uint64_t>(get_integer(info[0])));
  return info.Env().Undefined();
}

// shutDown(): at the end of the process
Napi::Value shut_down(Info info) {
  Instance::of(info.Env()).shut_down();
  return info.Env().Undefined();
}

// ---- key-value store

// get(node, tag, timeoutNs, consistency, key, revision, stalenessNs)
Napi::Value get(Info info) {
  auto call = Call::from(info);
  auto key = get_bytes(info[4]);
  if (!call || !key) return type_error(info.Env(), "get: arguments");
  call->options.revision = get_uint64(info[5]);
  call->options.staleness_ns = get_integer(info[6]);
  return call->promise(info.Env(), convert_entries,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_kv_get(node, key->data, key->size, &call->options, queue, tag, op);
                       });
}

// put(node, tag, timeoutNs, consistency, key, value, lease, previous): a revision; with `previous` what a
// delete gives
Napi::Value put(Info info) {
  auto call = Call::from(info);
  auto key = get_bytes(info[4]);
  auto value = get_bytes(info[5]);
  if (!call || !key || !value) return type_error(info.Env(), "put: arguments");
  call->options.lease = get_uint64(info[6]);
  call->options.previous = get_flag(info[7]) ? 1 : 0;
  return call->promise(info.Env(), call->options.previous != 0 ? convert_write : convert_revision,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_kv_put(node, key->data, key->size, value->data, value->size,
                                             &call->options, queue, tag, op);
                       });
}

// delete(node, tag, timeoutNs, consistency, key, previous)
Napi::Value remove(Info info) {
  auto call = Call::from(info);
  auto key = get_bytes(info[4]);
  if (!call || !key) return type_error(info.Env(), "delete: arguments");
  call->options.previous = get_flag(info[5]) ? 1 : 0;
  return call->promise(info.Env(), convert_write,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_kv_delete(node, key->data, key->size, &call->options, queue, tag, op);
                       });
}

// A comparison: its number, and the value or revision it is with (the other is undefined).
struct Comparison {
  int32_t kind;
  std::optional<Bytes> expected;
  uint64_t revision;

  static Comparison from(Info info, size_t first) {
    return {static_cast<int32_t>(get_integer(info[first])), get_bytes(info[first + 1]),
            get_uint64(info[first + 2])};
  }
  const uint8_t* data() const { return expected ? expected->data : nullptr; }
  size_t size() const { return expected ? expected->size : 0; }
};

// cas(node, tag, timeoutNs, consistency, key, comparison, expected, revision, value, lease)
Napi::Value cas(Info info) {
  auto call = Call::from(info);
  auto key = get_bytes(info[4]);
  auto comparison = Comparison::from(info, 5);
  auto value = get_bytes(info[8]);
  if (!call || !key || !value) return type_error(info.Env(), "cas: arguments");
  call->options.lease = get_uint64(info[9]);
  return call->promise(
      info.Env(), convert_write, [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
        return aspen_kv_cas(node, key->data, key->size, comparison.kind, comparison.data(), comparison.size(),
                            comparison.revision, value->data, value->size, &call->options, queue, tag, op);
      });
}

// range(node, tag, timeoutNs, consistency, {prefix, start, end, continuation, limit, reverse, keysOnly,
// revision, stalenessNs})
Napi::Value range(Info info) {
  auto call = Call::from(info);
  if (!call || !info[4].IsObject()) return type_error(info.Env(), "range: arguments");
  aspen_range_options_t options = get_range(info[4].As<Napi::Object>());
  options.consistency = call->options.consistency;
  options.timeout_ns = call->options.timeout_ns;
  return call->promise(info.Env(), convert_page,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_kv_range(node, &options, queue, tag, op);
                       });
}

// ---- pure functions and tables

// parseNodeId(text) -> Buffer | null
Napi::Value parse_node_id(Info info) {
  auto text = get_text(info[0]);
  uint8_t id[32];
  // A NUL would end the text early and let what follows pass.
  if (!text || text->find('\0') != std::string::npos || aspen_node_id_parse(text->c_str(), id) != ASPEN_OK) {
    return info.Env().Null();
  }
  return Napi::Buffer<uint8_t>::Copy(info.Env(), id, sizeof id);
}

// formatNodeId(bytes) -> string
Napi::Value format_node_id(Info info) {
  auto id = get_bytes(info[0]);
  if (!id || id->size != 32) return type_error(info.Env(), "a node id is 32 bytes");
  char text[53];
  aspen_node_id_format(id->data, text);
  return Napi::String::New(info.Env(), text);
}

// inspectTicket(text) -> {text} | {failure}
Napi::Value inspect_ticket(Info info) {
  Napi::Env env = info.Env();
  auto text = get_text(info[0]);
  aspen_op_t* op = nullptr;
  if (!text || aspen_ticket_inspect(text->c_str(), &op) != ASPEN_OK) return type_error(env, "a ticket");
  Napi::Object result = Napi::Object::New(env);
  if (aspen_op_status(op) == ASPEN_OK) {
    result.Set("text", aspen_op_text(op));
  } else {
    result.Set("failure", failure(env, op));
  }
  aspen_op_free(op);
  return result;
}

// limits() -> {KEY_BYTES: 4096, ...}
Napi::Value limits(Info info) {
  Napi::Object table = Napi::Object::New(info.Env());
  for (int32_t limit = 1; limit <= aspen_limit_count(); ++limit) {
    table.Set(aspen_limit_name(limit), static_cast<double>(aspen_limit_get(limit)));
  }
  return table;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData<Instance>(new Instance(env));
  auto add = [&](const char* name, Napi::Value (*function)(Info)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("open", open);
  add("close", close);
  add("hold", hold);
  add("identity", identity);
  add("ticket", ticket);
  add("status", status);
  add("cancel", cancel);
  add("shutDown", shut_down);
  add("get", get);
  add("put", put);
  add("delete", remove);
  add("cas", cas);
  add("range", range);
  add_batch_functions(env, exports);
  add_txn_functions(env, exports);
  add_watch_functions(env, exports);
  add_lease_functions(env, exports);
  add_keeping_functions(env, exports);
  add_index_functions(env, exports);
  add("parseNodeId", parse_node_id);
  add("formatNodeId", format_node_id);
  add("inspectTicket", inspect_ticket);
  add("limits", limits);
  exports.Set("version", aspen_version());
  return exports;
}

}  // namespace

NODE_API_MODULE(aspen, init)

// The functions lib/ calls: arguments into aspen.h, promises out.
//
// lib/ has checked types and given defaults; what is checked again here is only what could make C++ go wrong,
// and is answered with a TypeError. What lib/ calls a tag is what it cancels by.

#include <aspen.h>
#include <napi.h>

#include <memory>
#include <optional>
#include <string>

#include "instance.h"
#include "result.h"

namespace {

using Info = const Napi::CallbackInfo&;

Napi::Value type_error(Napi::Env env, const char* message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
  return env.Undefined();
}

// Borrowed for the call. Never null, so that empty bytes are told from none.
struct Bytes {
  const uint8_t* data;
  size_t size;
};

std::optional<Bytes> get_bytes(const Napi::Value& value) {
  static const uint8_t nothing = 0;
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return {};
  auto array = value.As<Napi::Uint8Array>();
  size_t size = array.ByteLength();
  return Bytes{size == 0 ? &nothing : array.Data(), size};
}

const HandlePtr* get_handle(const Napi::Value& value) {
  return value.IsExternal() ? value.As<Napi::External<HandlePtr>>().Data() : nullptr;
}

int64_t get_integer(const Napi::Value& value) {
  return value.IsNumber() ? value.As<Napi::Number>().Int64Value() : 0;
}

// Not ToBoolean(): in an environment that is ending that fails, and its failure aborts the process.
bool get_flag(const Napi::Value& value) {
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

uint64_t get_revision(const Napi::Value& value) {
  bool lossless = false;
  return value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&lossless) : 0;
}

std::optional<std::string> get_text(const Napi::Value& value) {
  if (!value.IsString()) return {};
  return value.As<Napi::String>().Utf8Value();
}

// The first arguments of every call on a node: its handle, a tag, timeoutNs, stale.
struct Call {
  HandlePtr handle;
  uint64_t tag;
  aspen_call_options_t options;

  static std::optional<Call> from(Info info) {
    const HandlePtr* handle = get_handle(info[0]);
    if (handle == nullptr) return {};
    Call call{*handle, static_cast<uint64_t>(get_integer(info[1])), {}};
    aspen_call_options_init(&call.options, sizeof call.options);
    call.options.timeout_ns = get_integer(info[2]);
    call.options.consistency = get_flag(info[3]) ? ASPEN_READ_STALE : ASPEN_READ_LINEARIZABLE;
    return call;
  }

  Napi::Value promise(Napi::Env env, Convert convert, const Instance::SubmitOn& submit) const {
    return Instance::of(env).promise_on(handle, tag, convert, submit);
  }
};

// ---- nodes

// open({mode, dir, listen, advertise, ticket, openTimeoutNs, heartbeatNs, electionNs}, tag)
Napi::Value open(Info info) {
  Napi::Env env = info.Env();
  if (!info[0].IsObject()) return type_error(env, "open: options");
  Napi::Object object = info[0].As<Napi::Object>();
  auto dir = get_text(object.Get("dir"));
  auto listen = get_text(object.Get("listen"));
  auto advertise = get_text(object.Get("advertise"));
  auto ticket = get_text(object.Get("ticket"));
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

// ticket(node, tag, timeoutNs, stale, validNs)
Napi::Value ticket(Info info) {
  auto call = Call::from(info);
  if (!call) return type_error(info.Env(), "ticket: arguments");
  int64_t valid_ns = get_integer(info[4]);
  return call->promise(info.Env(), convert_text,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_node_ticket(node, valid_ns, queue, tag, op);
                       });
}

// status(node, tag, timeoutNs, stale)
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

// get(node, tag, timeoutNs, stale, key)
Napi::Value get(Info info) {
  auto call = Call::from(info);
  auto key = get_bytes(info[4]);
  if (!call || !key) return type_error(info.Env(), "get: arguments");
  return call->promise(info.Env(), convert_entries,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_kv_get(node, key->data, key->size, &call->options, queue, tag, op);
                       });
}

// put(node, tag, timeoutNs, stale, key, value)
Napi::Value put(Info info) {
  auto call = Call::from(info);
  auto key = get_bytes(info[4]);
  auto value = get_bytes(info[5]);
  if (!call || !key || !value) return type_error(info.Env(), "put: arguments");
  return call->promise(info.Env(), convert_revision,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_kv_put(node, key->data, key->size, value->data, value->size,
                                             &call->options, queue, tag, op);
                       });
}

// delete(node, tag, timeoutNs, stale, key)
Napi::Value remove(Info info) {
  auto call = Call::from(info);
  auto key = get_bytes(info[4]);
  if (!call || !key) return type_error(info.Env(), "delete: arguments");
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
            get_revision(info[first + 2])};
  }
  const uint8_t* data() const { return expected ? expected->data : nullptr; }
  size_t size() const { return expected ? expected->size : 0; }
};

// cas(node, tag, timeoutNs, stale, key, comparison, expected, revision, value)
Napi::Value cas(Info info) {
  auto call = Call::from(info);
  auto key = get_bytes(info[4]);
  auto comparison = Comparison::from(info, 5);
  auto value = get_bytes(info[8]);
  if (!call || !key || !value) return type_error(info.Env(), "cas: arguments");
  return call->promise(
      info.Env(), convert_write, [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
        return aspen_kv_cas(node, key->data, key->size, comparison.kind, comparison.data(), comparison.size(),
                            comparison.revision, value->data, value->size, &call->options, queue, tag, op);
      });
}

// range(node, tag, timeoutNs, stale, {prefix, start, end, continuation, limit, reverse, keysOnly})
Napi::Value range(Info info) {
  auto call = Call::from(info);
  if (!call || !info[4].IsObject()) return type_error(info.Env(), "range: arguments");
  Napi::Object object = info[4].As<Napi::Object>();
  aspen_range_options_t options;
  aspen_range_options_init(&options, sizeof options);
  options.consistency = call->options.consistency;
  options.timeout_ns = call->options.timeout_ns;
  auto set = [&](const char* name, const void*& data, size_t& size) {
    if (auto bytes = get_bytes(object.Get(name))) {
      data = bytes->data;
      size = bytes->size;
    }
  };
  set("prefix", options.prefix, options.prefix_size);
  set("start", options.start, options.start_size);
  set("end", options.end, options.end_size);
  set("continuation", options.continuation, options.continuation_size);
  options.limit = static_cast<uint64_t>(get_integer(object.Get("limit")));
  options.reverse = get_flag(object.Get("reverse")) ? 1 : 0;
  options.keys_only = get_flag(object.Get("keysOnly")) ? 1 : 0;
  return call->promise(info.Env(), convert_page,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_kv_range(node, &options, queue, tag, op);
                       });
}

// ---- batches

using BatchPtr = std::unique_ptr<aspen_batch_t, decltype(&aspen_batch_free)>;

aspen_batch_t* get_batch(const Napi::Value& value) {
  return value.IsExternal() ? value.As<Napi::External<BatchPtr>>().Data()->get() : nullptr;
}

// newBatch()
Napi::Value new_batch(Info info) {
  aspen_batch_t* batch = nullptr;
  if (aspen_batch_new(&batch) != ASPEN_OK) return type_error(info.Env(), "newBatch: no batch");
  return Napi::External<BatchPtr>::New(info.Env(), new BatchPtr(batch, &aspen_batch_free),
                                       [](Napi::Env, BatchPtr* held) { delete held; });
}

// batchPut(batch, key, value), batchDelete(batch, key), batchCheck(batch, key, comparison, expected,
// revision)
Napi::Value batch_put(Info info) {
  auto key = get_bytes(info[1]);
  auto value = get_bytes(info[2]);
  aspen_batch_t* batch = get_batch(info[0]);
  if (!key || !value || aspen_batch_put(batch, key->data, key->size, value->data, value->size) != ASPEN_OK) {
    return type_error(info.Env(), "put: arguments");
  }
  return info.Env().Undefined();
}

Napi::Value batch_delete(Info info) {
  auto key = get_bytes(info[1]);
  if (!key || aspen_batch_delete(get_batch(info[0]), key->data, key->size) != ASPEN_OK) {
    return type_error(info.Env(), "delete: arguments");
  }
  return info.Env().Undefined();
}

Napi::Value batch_check(Info info) {
  auto key = get_bytes(info[1]);
  auto comparison = Comparison::from(info, 2);
  if (!key || aspen_batch_check(get_batch(info[0]), key->data, key->size, comparison.kind, comparison.data(),
                                comparison.size(), comparison.revision) != ASPEN_OK) {
    return type_error(info.Env(), "check: arguments");
  }
  return info.Env().Undefined();
}

// apply(node, tag, timeoutNs, stale, batch)
Napi::Value apply(Info info) {
  auto call = Call::from(info);
  aspen_batch_t* batch = get_batch(info[4]);
  if (!call || batch == nullptr) return type_error(info.Env(), "apply: arguments");
  return call->promise(info.Env(), convert_write,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_kv_apply(node, batch, &call->options, queue, tag, op);
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
  add("newBatch", new_batch);
  add("batchPut", batch_put);
  add("batchDelete", batch_delete);
  add("batchCheck", batch_check);
  add("apply", apply);
  add("parseNodeId", parse_node_id);
  add("formatNodeId", format_node_id);
  add("inspectTicket", inspect_ticket);
  add("limits", limits);
  exports.Set("version", aspen_version());
  return exports;
}

}  // namespace

NODE_API_MODULE(aspen, init)

#include "batch.h"

#include <aspen.h>

#include <memory>

#include "arguments.h"
#include "result.h"

namespace {

constexpr size_t kItemBytes = 300;  // about what a comparison or operation takes beside its bytes

// A batch as JavaScript holds it: an External around this.
struct Held {
  aspen_batch_t* batch = nullptr;
  int64_t bytes = 0;  // that the collector was told of
};

Held* get_held(const Napi::Value& value) {
  return value.IsExternal() ? value.As<Napi::External<Held>>().Data() : nullptr;
}

aspen_batch_t* get_batch(const Napi::Value& value) {
  Held* held = get_held(value);
  return held != nullptr ? held->batch : nullptr;
}

// newBatch()
Napi::Value new_batch(Info info) {
  auto held = std::make_unique<Held>();
  if (aspen_batch_new(&held->batch) != ASPEN_OK) return type_error(info.Env(), "newBatch: no batch");
  return Napi::External<Held>::New(info.Env(), held.release(), [](Napi::Env env, Held* dropped) {
    Napi::MemoryManagement::AdjustExternalMemory(env, -dropped->bytes);
    aspen_batch_free(dropped->batch);
    delete dropped;
  });
}

// What adding something of `bytes` came to. The collector is told of them: it sees only a small External, and
// would let batches that are not needed any more pile up.
Napi::Value added(Info info, int32_t status, size_t bytes, const char* message) {
  if (status != ASPEN_OK) return type_error(info.Env(), message);
  Held* held = get_held(info[0]);
  int64_t size = static_cast<int64_t>(bytes + kItemBytes);
  held->bytes += size;
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), size);
  return info.Env().Undefined();
}

// batchCompare(batch, target, relation, key, end, value, number): end, value and number may be undefined
Napi::Value compare(Info info) {
  auto key = get_bytes(info[3]);
  if (!key) return type_error(info.Env(), "check: arguments");
  aspen_compare_t wanted;
  aspen_compare_init(&wanted, sizeof wanted);
  wanted.target = static_cast<int32_t>(get_integer(info[1]));
  wanted.relation = static_cast<int32_t>(get_integer(info[2]));
  wanted.key = key->data;
  wanted.key_size = key->size;
  if (auto end = get_bytes(info[4])) {
    wanted.end = end->data;
    wanted.end_size = end->size;
  }
  if (auto value = get_bytes(info[5])) {
    wanted.value = value->data;
    wanted.value_size = value->size;
  }
  wanted.number = get_uint64(info[6]);
  return added(info, aspen_batch_compare(get_batch(info[0]), &wanted),
               wanted.key_size + wanted.end_size + wanted.value_size, "check: arguments");
}

// batchPut(batch, key, value, lease, previous)
Napi::Value put(Info info) {
  auto key = get_bytes(info[1]);
  auto value = get_bytes(info[2]);
  if (!key || !value) return type_error(info.Env(), "put: arguments");
  return added(info,
               aspen_batch_put_with(get_batch(info[0]), key->data, key->size, value->data, value->size,
                                    get_uint64(info[3]), get_flag(info[4]) ? 1 : 0),
               key->size + value->size, "put: arguments");
}

// batchDelete(batch, key, previous)
Napi::Value remove(Info info) {
  auto key = get_bytes(info[1]);
  if (!key) return type_error(info.Env(), "delete: arguments");
  return added(info,
               aspen_batch_delete_with(get_batch(info[0]), key->data, key->size, get_flag(info[2]) ? 1 : 0),
               key->size, "delete: arguments");
}

// batchDeleteRange(batch, start, end, previous)
Napi::Value remove_range(Info info) {
  auto start = get_bytes(info[1]);
  auto end = get_bytes(info[2]);
  if (!start || !end) return type_error(info.Env(), "deleteRange: arguments");
  return added(info,
               aspen_batch_delete_range(get_batch(info[0]), start->data, start->size, end->data, end->size,
                                        get_flag(info[3]) ? 1 : 0),
               start->size + end->size, "deleteRange: arguments");
}

// batchGet(batch, key)
Napi::Value get(Info info) {
  auto key = get_bytes(info[1]);
  if (!key) return type_error(info.Env(), "get: arguments");
  return added(info, aspen_batch_get(get_batch(info[0]), key->data, key->size), key->size, "get: arguments");
}

// batchRange(batch, {prefix, start, end, limit, reverse, keysOnly})
Napi::Value range(Info info) {
  if (!info[1].IsObject()) return type_error(info.Env(), "range: arguments");
  aspen_range_options_t options = get_range(info[1].As<Napi::Object>());
  return added(info, aspen_batch_range(get_batch(info[0]), &options),
               options.prefix_size + options.start_size + options.end_size, "range: arguments");
}

// batchElse(batch), batchBegin(batch), batchEnd(batch)
Napi::Value otherwise(Info info) {
  return added(info, aspen_batch_else(get_batch(info[0])), 0, "else: arguments");
}
Napi::Value begin(Info info) {
  return added(info, aspen_batch_begin(get_batch(info[0])), 0, "transaction: arguments");
}
Napi::Value end(Info info) {
  return added(info, aspen_batch_end(get_batch(info[0])), 0, "transaction: arguments");
}

// apply(node, tag, timeoutNs, consistency, batch)
Napi::Value apply(Info info) {
  auto call = Call::from(info);
  aspen_batch_t* batch = get_batch(info[4]);
  if (!call || batch == nullptr) return type_error(info.Env(), "apply: arguments");
  return call->promise(info.Env(), convert_write,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_kv_apply(node, batch, &call->options, queue, tag, op);
                       });
}

}  // namespace

void add_batch_functions(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, Napi::Value (*function)(Info)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("newBatch", new_batch);
  add("batchCompare", compare);
  add("batchPut", put);
  add("batchDelete", remove);
  add("batchDeleteRange", remove_range);
  add("batchGet", get);
  add("batchRange", range);
  add("batchElse", otherwise);
  add("batchBegin", begin);
  add("batchEnd", end);
  add("apply", apply);
}

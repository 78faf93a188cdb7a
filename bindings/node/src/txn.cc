#include "txn.h"

#include <aspen.h>

#include "arguments.h"
#include "result.h"

namespace {

constexpr size_t kChangeBytes = 200;  // about what a change takes beside its bytes

Draft* get_draft(const Napi::Value& value) {
  if (!value.IsExternal()) return nullptr;
  Draft* draft = value.As<Napi::External<DraftPtr>>().Data()->get();
  return draft->txn != nullptr ? draft : nullptr;
}

// newTransaction(node); null when it is closed
Napi::Value new_transaction(Info info) {
  const HandlePtr* handle = get_handle(info[0]);
  if (handle == nullptr) return type_error(info.Env(), "newTransaction: node");
  aspen_txn_t* txn = nullptr;
  if ((*handle)->node == nullptr || (*handle)->closing || aspen_txn_new((*handle)->node, &txn) != ASPEN_OK) {
    return info.Env().Null();
  }
  return Instance::of(info.Env()).adopt(txn);
}

// branch(node, tag, timeoutNs, consistency, parent or undefined, prefix)
Napi::Value branch(Info info) {
  auto call = Call::from(info);
  Draft* parent = get_draft(info[4]);
  auto prefix = get_bytes(info[5]);
  if (!call || !prefix || (parent == nullptr && !info[4].IsUndefined())) {
    return type_error(info.Env(), "branch: arguments");
  }
  return call->promise(info.Env(), convert_txn,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_txn_branch(node, parent != nullptr ? parent->txn : nullptr,
                                                 prefix->data, prefix->size, &call->options, queue, tag, op);
                       });
}

// discard(draft)
Napi::Value discard(Info info) {
  if (get_draft(info[0]) != nullptr) {
    Instance::of(info.Env()).discard(*info[0].As<Napi::External<DraftPtr>>().Data());
  }
  return info.Env().Undefined();
}

// txnGet(node, tag, timeoutNs, consistency, draft, key)
Napi::Value get(Info info) {
  auto call = Call::from(info);
  Draft* draft = get_draft(info[4]);
  auto key = get_bytes(info[5]);
  if (!call || draft == nullptr || !key) return type_error(info.Env(), "get: arguments");
  return call->promise(
      info.Env(), convert_entries, [&](aspen_node_t*, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
        return aspen_txn_get(draft->txn, key->data, key->size, &call->options, queue, tag, op);
      });
}

// txnRange(node, tag, timeoutNs, consistency, draft, {prefix, start, end, continuation, limit, reverse,
// keysOnly})
Napi::Value range(Info info) {
  auto call = Call::from(info);
  Draft* draft = get_draft(info[4]);
  if (!call || draft == nullptr || !info[5].IsObject()) return type_error(info.Env(), "range: arguments");
  aspen_range_options_t options = get_range(info[5].As<Napi::Object>());
  options.timeout_ns = call->options.timeout_ns;
  return call->promise(info.Env(), convert_page,
                       [&](aspen_node_t*, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_txn_range(draft->txn, &options, queue, tag, op);
                       });
}

// txnCommit(node, tag, timeoutNs, consistency, draft)
Napi::Value commit(Info info) {
  auto call = Call::from(info);
  Draft* draft = get_draft(info[4]);
  if (!call || draft == nullptr) return type_error(info.Env(), "commit: arguments");
  return call->promise(info.Env(), convert_commit,
                       [&](aspen_node_t*, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_txn_commit(draft->txn, &call->options, queue, tag, op);
                       });
}

// What a change came to: undefined, or why it was refused. The collector is told of its bytes: it sees only a
// small External.
Napi::Value changed(Info info, Draft* draft, int32_t status, size_t bytes) {
  if (status != ASPEN_OK) return failure(info.Env(), status, aspen_txn_message(draft->txn));
  int64_t size = static_cast<int64_t>(bytes + kChangeBytes);
  draft->bytes += size;
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), size);
  return info.Env().Undefined();
}

// txnPut(draft, key, value, lease)
Napi::Value put(Info info) {
  Draft* draft = get_draft(info[0]);
  auto key = get_bytes(info[1]);
  auto value = get_bytes(info[2]);
  if (draft == nullptr || !key || !value) return type_error(info.Env(), "put: arguments");
  int32_t status =
      aspen_txn_put(draft->txn, key->data, key->size, value->data, value->size, get_uint64(info[3]));
  return changed(info, draft, status, key->size + value->size);
}

// txnDelete(draft, key)
Napi::Value remove(Info info) {
  Draft* draft = get_draft(info[0]);
  auto key = get_bytes(info[1]);
  if (draft == nullptr || !key) return type_error(info.Env(), "delete: arguments");
  return changed(info, draft, aspen_txn_delete(draft->txn, key->data, key->size), key->size);
}

// txnDeleteRange(draft, start, end)
Napi::Value remove_range(Info info) {
  Draft* draft = get_draft(info[0]);
  auto start = get_bytes(info[1]);
  auto end = get_bytes(info[2]);
  if (draft == nullptr || !start || !end) return type_error(info.Env(), "deleteRange: arguments");
  int32_t status = aspen_txn_delete_range(draft->txn, start->data, start->size, end->data, end->size);
  return changed(info, draft, status, start->size + end->size);
}

}  // namespace

void add_txn_functions(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, Napi::Value (*function)(Info)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("newTransaction", new_transaction);
  add("branch", branch);
  add("discard", discard);
  add("txnGet", get);
  add("txnRange", range);
  add("txnCommit", commit);
  add("txnPut", put);
  add("txnDelete", remove);
  add("txnDeleteRange", remove_range);
}

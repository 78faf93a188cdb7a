#include "result.h"

#include "instance.h"

namespace {

Napi::Object describe(Napi::Env env, int32_t code, const char* message, int32_t applied, bool retryable) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("number", code);
  object.Set("message", message);
  object.Set("applied", applied == ASPEN_APPLIED_NO ? "no" : "maybe");
  object.Set("retryable", Napi::Boolean::New(env, retryable));
  return object;
}

Napi::Value bytes(Napi::Env env, const uint8_t* data, size_t size) {
  return Napi::Buffer<uint8_t>::Copy(env, data, size);
}

Napi::Value bigint(Napi::Env env, uint64_t value) {
  return Napi::BigInt::New(env, value);
}

Napi::Value number(Napi::Env env, uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

// Six elements of `flat`, from this one on.
void set_entry(Napi::Env env, Napi::Array& flat, size_t first, const aspen_entry_t& entry, uint64_t lease) {
  auto at = static_cast<uint32_t>(first);
  flat[at] = bytes(env, entry.key, entry.key_size);
  flat[at + 1] = bytes(env, entry.value, entry.value_size);
  flat[at + 2] = bigint(env, entry.create_revision);
  flat[at + 3] = bigint(env, entry.mod_revision);
  flat[at + 4] = bigint(env, entry.version);
  flat[at + 5] = bigint(env, lease);
}

Napi::Value convert_results(Napi::Env env, aspen_op_t* op) {
  size_t count = aspen_op_result_count(op);
  Napi::Array flat = Napi::Array::New(env, 6 * count);
  aspen_result_t result;
  for (size_t i = 0; i < count && aspen_op_result(op, i, &result) == ASPEN_OK; ++i) {
    Napi::HandleScope scope(env);  // a transaction has more results than a scope should hold handles
    // A result has one of the flags, by its kind.
    bool flag = result.existed != 0 || result.succeeded != 0 || result.more != 0;
    auto at = static_cast<uint32_t>(6 * i);
    flat[at] = number(env, static_cast<uint64_t>(result.kind));
    flat[at + 1] = Napi::Boolean::New(env, flag);
    flat[at + 2] = bigint(env, result.previous_revision);
    flat[at + 3] = number(env, result.count);
    flat[at + 4] = number(env, result.entry_begin);
    flat[at + 5] = number(env, result.entry_end);
  }
  return flat;
}

}  // namespace

Napi::Object failure(Napi::Env env, const aspen_op_t* op) {
  Napi::Object object = describe(env, aspen_op_status(op), aspen_op_message(op), aspen_op_applied(op),
                                 aspen_op_retryable(op) != 0);
  object.Set("revision", bigint(env, aspen_op_revision(op)));
  object.Set("text", aspen_op_text(op));
  return object;
}

Napi::Object failure(Napi::Env env, int32_t code, const char* message) {
  return describe(env, code, message, ASPEN_APPLIED_NO, aspen_error_retryable(code) != 0);
}

Napi::Value rejected(Napi::Env env, int32_t code, const char* message) {
  napi_deferred deferred;
  napi_value promise;
  // It fails when the environment is ending, and then nobody waits. (Napi::Promise would abort the process.)
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return {};
  napi_reject_deferred(env, deferred, failure(env, code, message));
  return {env, promise};
}

Napi::Value convert_nothing(Napi::Env env, aspen_op_t*) {
  return env.Undefined();
}

Napi::Value convert_text(Napi::Env env, aspen_op_t* op) {
  return Napi::String::New(env, aspen_op_text(op));
}

Napi::Value convert_succeeded(Napi::Env env, aspen_op_t* op) {
  return Napi::Boolean::New(env, aspen_op_succeeded(op) != 0);
}

Napi::Value convert_node(Napi::Env env, aspen_op_t* op) {
  return Instance::of(env).adopt(aspen_op_take_node(op));
}

Napi::Value convert_txn(Napi::Env env, aspen_op_t* op) {
  aspen_txn_t* txn = aspen_op_take_txn(op);
  if (txn != nullptr) return Instance::of(env).adopt(txn);
  Napi::Error::New(env, "the node was closed").ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value convert_commit(Napi::Env env, aspen_op_t* op) {
  size_t count = aspen_op_conflict_count(op);
  Napi::Array conflicts = Napi::Array::New(env, 2 * count);
  aspen_conflict_t conflict;
  for (size_t i = 0; i < count && aspen_op_conflict(op, i, &conflict) == ASPEN_OK; ++i) {
    Napi::HandleScope scope(env);
    auto at = static_cast<uint32_t>(2 * i);
    conflicts[at] = bytes(env, conflict.start, conflict.start_size);
    conflicts[at + 1] = bytes(env, conflict.end, conflict.end_size);
  }
  Napi::Array commit = Napi::Array::New(env, 3);
  commit[0u] = Napi::Boolean::New(env, aspen_op_succeeded(op) != 0);
  commit[1u] = bigint(env, aspen_op_revision(op));
  commit[2u] = conflicts;
  return commit;
}

Napi::Value convert_revision(Napi::Env env, aspen_op_t* op) {
  return bigint(env, aspen_op_revision(op));
}

Napi::Value convert_entries(Napi::Env env, aspen_op_t* op) {
  size_t count = aspen_op_entry_count(op);
  Napi::Array flat = Napi::Array::New(env, 6 * count);
  aspen_entry_t entry;
  for (size_t i = 0; i < count && aspen_op_entry(op, i, &entry) == ASPEN_OK; ++i) {
    Napi::HandleScope scope(env);  // a page holds more entries than a scope should hold handles
    set_entry(env, flat, 6 * i, entry, aspen_op_entry_lease(op, i));
  }
  return flat;
}

Napi::Value convert_write(Napi::Env env, aspen_op_t* op) {
  Napi::Array write = Napi::Array::New(env, 5);
  write[0u] = bigint(env, aspen_op_revision(op));
  write[1u] = Napi::Boolean::New(env, aspen_op_succeeded(op) != 0);
  write[2u] = Napi::Number::New(env, static_cast<double>(aspen_op_failed_condition(op)));
  write[3u] = convert_entries(env, op);
  write[4u] = convert_results(env, op);
  return write;
}

Napi::Value convert_watch(Napi::Env env, aspen_op_t* op) {
  Napi::Array opened = Napi::Array::New(env, 2);
  opened[0u] = Napi::External<aspen_watch_t>::New(
      env, aspen_op_take_watch(op), [](Napi::Env, aspen_watch_t* watch) { aspen_watch_free(watch); });
  opened[1u] = bigint(env, aspen_op_revision(op));
  return opened;
}

Napi::Value convert_events(Napi::Env env, aspen_op_t* op) {
  size_t count = aspen_op_event_count(op);
  Napi::Array flat = Napi::Array::New(env, 9 * count);
  aspen_watch_event_t event;
  for (size_t i = 0; i < count && aspen_op_watch_event(op, i, &event) == ASPEN_OK; ++i) {
    Napi::HandleScope scope(env);
    auto at = static_cast<uint32_t>(9 * i);
    flat[at] = number(env, static_cast<uint64_t>(event.kind));
    flat[at + 1] = bigint(env, event.revision);
    set_entry(env, flat, at + 2, event.entry, event.lease);
    flat[at + 8] = env.Null();
    if (event.has_previous == 0) continue;
    Napi::Array previous = Napi::Array::New(env, 6);
    set_entry(env, previous, 0, event.previous, 0);
    flat[at + 8] = previous;
  }
  Napi::Array told = Napi::Array::New(env, 2);
  told[0u] = bigint(env, aspen_op_revision(op));
  told[1u] = flat;
  return told;
}

Napi::Value convert_leases(Napi::Env env, aspen_op_t* op) {
  size_t count = aspen_op_lease_count(op);
  Napi::Array flat = Napi::Array::New(env, 4 * count);
  aspen_lease_t lease;
  for (size_t i = 0; i < count && aspen_op_lease_at(op, i, &lease) == ASPEN_OK; ++i) {
    Napi::HandleScope scope(env);
    auto at = static_cast<uint32_t>(4 * i);
    flat[at] = bigint(env, lease.lease);
    flat[at + 1] = number(env, static_cast<uint64_t>(lease.ttl_ns));
    flat[at + 2] = number(env, static_cast<uint64_t>(lease.remaining_ns));
    flat[at + 3] = number(env, lease.keys);
  }
  Napi::Array page = Napi::Array::New(env, 3);
  page[0u] = flat;
  page[1u] = convert_page(env, op);
  page[2u] = Napi::Boolean::New(env, aspen_op_more(op) != 0);
  return page;
}

Napi::Value convert_quotas(Napi::Env env, aspen_op_t* op) {
  size_t count = aspen_op_quota_count(op);
  Napi::Array flat = Napi::Array::New(env, 5 * count);
  aspen_quota_t quota;
  for (size_t i = 0; i < count && aspen_op_quota(op, i, &quota) == ASPEN_OK; ++i) {
    Napi::HandleScope scope(env);
    auto at = static_cast<uint32_t>(5 * i);
    flat[at] = bytes(env, quota.prefix, quota.prefix_size);
    flat[at + 1] = number(env, quota.bytes_max);
    flat[at + 2] = number(env, quota.keys_max);
    flat[at + 3] = number(env, quota.bytes);
    flat[at + 4] = number(env, quota.keys);
  }
  return flat;
}

Napi::Value convert_scan(Napi::Env env, aspen_op_t* op) {
  size_t count = aspen_op_entry_count(op);
  Napi::Array values = Napi::Array::New(env, count);
  for (size_t i = 0; i < count; ++i) {
    Napi::HandleScope scope(env);
    size_t size = 0;
    const uint8_t* data = aspen_op_index_value(op, i, &size);
    values[static_cast<uint32_t>(i)] = bytes(env, data, size);
  }
  Napi::Array page = Napi::Array::New(env, 2);
  page[0u] = values;
  page[1u] = convert_page(env, op);
  return page;
}

Napi::Value convert_listing(Napi::Env env, aspen_op_t* op) {
  Napi::Array page = Napi::Array::New(env, 2);
  page[0u] = convert_entries(env, op);
  page[1u] = Napi::Boolean::New(env, aspen_op_more(op) != 0);
  return page;
}

Napi::Value convert_page(Napi::Env env, aspen_op_t* op) {
  Napi::Array page = Napi::Array::New(env, 2);
  page[0u] = convert_entries(env, op);
  size_t size = 0;
  const uint8_t* continuation = aspen_op_continuation(op, &size);
  page[1u] = aspen_op_more(op) != 0 ? bytes(env, continuation, size) : env.Null();
  return page;
}

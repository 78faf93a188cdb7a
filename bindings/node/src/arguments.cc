#include "arguments.h"

Napi::Value type_error(Napi::Env env, const char* message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
  return env.Undefined();
}

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

uint64_t get_uint64(const Napi::Value& value) {
  bool lossless = false;
  return value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&lossless) : 0;
}

std::optional<std::string> get_text(const Napi::Value& value) {
  if (!value.IsString()) return {};
  return value.As<Napi::String>().Utf8Value();
}

void set_bytes(const Napi::Object& object, const char* name, const void*& data, size_t& size) {
  if (auto bytes = get_bytes(object.Get(name))) {
    data = bytes->data;
    size = bytes->size;
  }
}

aspen_range_options_t get_range(const Napi::Object& object) {
  aspen_range_options_t options;
  aspen_range_options_init(&options, sizeof options);
  set_bytes(object, "prefix", options.prefix, options.prefix_size);
  set_bytes(object, "start", options.start, options.start_size);
  set_bytes(object, "end", options.end, options.end_size);
  set_bytes(object, "continuation", options.continuation, options.continuation_size);
  options.limit = static_cast<uint64_t>(get_integer(object.Get("limit")));
  options.reverse = get_flag(object.Get("reverse")) ? 1 : 0;
  options.keys_only = get_flag(object.Get("keysOnly")) ? 1 : 0;
  options.revision = get_uint64(object.Get("revision"));
  options.staleness_ns = get_integer(object.Get("stalenessNs"));
  return options;
}

std::optional<Call> Call::from(Info info) {
  const HandlePtr* handle = get_handle(info[0]);
  if (handle == nullptr) return {};
  Call call{*handle, static_cast<uint64_t>(get_integer(info[1])), {}};
  aspen_call_options_init(&call.options, sizeof call.options);
  call.options.timeout_ns = get_integer(info[2]);
  call.options.consistency = static_cast<int32_t>(get_integer(info[3]));
  return call;
}

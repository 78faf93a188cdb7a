#include "watch.h"

#include <aspen.h>

#include "arguments.h"
#include "result.h"

namespace {

aspen_watch_t* get_watch(const Napi::Value& value) {
  return value.IsExternal() ? value.As<Napi::External<aspen_watch_t>>().Data() : nullptr;
}

// watch(node, tag, timeoutNs, consistency, {key, prefix, start, end, revision, previous, noPuts, noDeletes,
// progressNs, bufferBytes})
Napi::Value open(Info info) {
  auto call = Call::from(info);
  if (!call || !info[4].IsObject()) return type_error(info.Env(), "watch: arguments");
  Napi::Object object = info[4].As<Napi::Object>();
  aspen_watch_options_t options;
  aspen_watch_options_init(&options, sizeof options);
  set_bytes(object, "key", options.key, options.key_size);
  set_bytes(object, "prefix", options.prefix, options.prefix_size);
  set_bytes(object, "start", options.start, options.start_size);
  set_bytes(object, "end", options.end, options.end_size);
  options.revision = get_uint64(object.Get("revision"));
  options.previous = get_flag(object.Get("previous")) ? 1 : 0;
  options.no_puts = get_flag(object.Get("noPuts")) ? 1 : 0;
  options.no_deletes = get_flag(object.Get("noDeletes")) ? 1 : 0;
  options.progress_ns = get_integer(object.Get("progressNs"));
  options.buffer_bytes = static_cast<uint64_t>(get_integer(object.Get("bufferBytes")));
  options.timeout_ns = call->options.timeout_ns;
  return call->promise(info.Env(), convert_watch,
                       [&](aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                         return aspen_watch_open(node, &options, queue, tag, op);
                       });
}

// watchNext(watch, tag)
Napi::Value next(Info info) {
  aspen_watch_t* watch = get_watch(info[0]);
  if (watch == nullptr) return type_error(info.Env(), "watchNext: watch");
  return Instance::of(info.Env())
      .promise(static_cast<uint64_t>(get_integer(info[1])), convert_events,
               [&](aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
                 return aspen_watch_next(watch, queue, tag, op);
               });
}

// watchClose(watch)
Napi::Value close(Info info) {
  aspen_watch_close(get_watch(info[0]));
  return info.Env().Undefined();
}

}  // namespace

void add_watch_functions(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, Napi::Value (*function)(Info)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("watch", open);
  add("watchNext", next);
  add("watchClose", close);
}

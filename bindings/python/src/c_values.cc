#include "c_values.h"

namespace aspen::python {

Slice slice(const py::bytes& bytes) {
  return {PyBytes_AS_STRING(bytes.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

void set_slice(const std::optional<py::bytes>& bytes, const void** data, size_t* size) {
  if (!bytes) return;
  Slice s = slice(*bytes);
  *data = s.data;
  *size = s.size;
}

py::bytes to_bytes(const uint8_t* data, size_t size) {
  return py::bytes(reinterpret_cast<const char*>(data), size);
}

py::tuple to_tuple(const aspen_entry_t& entry, uint64_t lease) {
  return py::make_tuple(to_bytes(entry.key, entry.key_size), to_bytes(entry.value, entry.value_size),
                        entry.create_revision, entry.mod_revision, entry.version, lease);
}

aspen_cq_t* queue_of(Completion to) {
  return to.queue == nullptr ? nullptr : to.queue->get();
}

void require(int32_t status, const char* what) {
  if (status != ASPEN_OK) throw std::runtime_error(std::string(what) + ": " + aspen_error_name(status));
}

Op made(int32_t status, aspen_op_t* op, const char* what) {
  require(status, what);
  return Op(op);
}

aspen_call_options_t c_options(CallOptions options) {
  aspen_call_options_t out;
  aspen_call_options_init(&out, sizeof out);
  out.consistency = options.consistency;
  out.staleness_ns = options.staleness_ns;
  out.timeout_ns = options.timeout_ns;
  out.revision = options.revision;
  out.lease = options.lease;
  out.previous = options.previous ? 1 : 0;
  return out;
}

aspen_range_options_t c_options(const RangeOptions& options) {
  aspen_range_options_t out;
  aspen_range_options_init(&out, sizeof out);
  set_slice(options.prefix, &out.prefix, &out.prefix_size);
  set_slice(options.start, &out.start, &out.start_size);
  set_slice(options.end, &out.end, &out.end_size);
  set_slice(options.continuation, &out.continuation, &out.continuation_size);
  out.consistency = options.call.consistency;
  out.staleness_ns = options.call.staleness_ns;
  out.timeout_ns = options.call.timeout_ns;
  out.revision = options.call.revision;
  out.limit = options.limit;
  out.reverse = options.reverse ? 1 : 0;
  out.keys_only = options.keys_only ? 1 : 0;
  return out;
}

}  // namespace aspen::python

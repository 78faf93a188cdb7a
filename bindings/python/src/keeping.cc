#include "keeping.h"

#include <pybind11/stl.h>

#include <string>

#include "c_values.h"

namespace aspen::python {
namespace {

// (prefix, bytes_max, keys_max, bytes, keys) each.
py::list quotas(const Op& op) {
  size_t count = aspen_op_quota_count(op.get());
  py::list out(count);
  for (size_t i = 0; i < count; ++i) {
    aspen_quota_t quota;
    require(aspen_op_quota(op.get(), i, &quota), "aspen_op_quota");
    out[i] = py::make_tuple(to_bytes(quota.prefix, quota.prefix_size), quota.bytes_max, quota.keys_max,
                            quota.bytes, quota.keys);
  }
  return out;
}

Op backup(Node& node, const std::optional<std::string>& dir, int stream, int32_t consistency,
          int64_t timeout_ns, Queue* queue, uint64_t tag) {
  aspen_backup_options_t options;
  aspen_backup_options_init(&options, sizeof options);
  options.consistency = consistency;
  options.timeout_ns = timeout_ns;
  options.stream = stream;
  aspen_op_t* out = nullptr;
  return made(
      aspen_backup(node.handle(), dir ? dir->c_str() : nullptr, &options, queue_of({queue, tag}), tag, &out),
      out, "aspen_backup");
}

}  // namespace

void bind_keeping(py::module_& module, py::class_<Node>& node, py::class_<Op>& op) {
  op.def("quotas", quotas);
  node.def("compact", [](Node& n, uint64_t revision, int64_t timeout_ns, Queue* queue, uint64_t tag) {
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_kv_compact(n.handle(), revision, &c, queue_of({queue, tag}), tag, &out), out,
                "aspen_kv_compact");
  });
  node.def("quota_set", [](Node& n, const py::bytes& prefix, uint64_t bytes_max, uint64_t keys_max,
                           int64_t timeout_ns, Queue* queue, uint64_t tag) {
    Slice p = slice(prefix);
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_quota_set(n.handle(), p.data, p.size, bytes_max, keys_max, &c, queue_of({queue, tag}),
                                tag, &out),
                out, "aspen_quota_set");
  });
  node.def("quota_list", [](Node& n, int64_t timeout_ns, Queue* queue, uint64_t tag) {
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_quota_list(n.handle(), &c, queue_of({queue, tag}), tag, &out), out, "aspen_quota_list");
  });
  node.def("member_remove", [](Node& n, const std::string& node_id, int64_t timeout_ns, Queue* queue,
                               uint64_t tag) {
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_member_remove(n.handle(), node_id.c_str(), &c, queue_of({queue, tag}), tag, &out), out,
                "aspen_member_remove");
  });
  node.def("leader_transfer", [](Node& n, const std::optional<std::string>& node_id, int64_t timeout_ns,
                                 Queue* queue, uint64_t tag) {
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    const char* to = node_id ? node_id->c_str() : nullptr;
    aspen_op_t* out = nullptr;
    return made(aspen_leader_transfer(n.handle(), to, &c, queue_of({queue, tag}), tag, &out), out,
                "aspen_leader_transfer");
  });
  node.def("backup", backup);
  module.def("verify", [](const std::string& dir, Queue* queue, uint64_t tag) {
    aspen_op_t* out = nullptr;
    return made(aspen_verify(dir.c_str(), queue_of({queue, tag}), tag, &out), out, "aspen_verify");
  });
}

}  // namespace aspen::python

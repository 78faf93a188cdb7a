#include "lease.h"

#include <pybind11/stl.h>

#include "c_values.h"

namespace aspen::python {
namespace {

// (lease, ttl_ns, remaining_ns, keys) each.
py::list leases(const Op& op) {
  size_t count = aspen_op_lease_count(op.get());
  py::list out(count);
  for (size_t i = 0; i < count; ++i) {
    aspen_lease_t lease;
    require(aspen_op_lease_at(op.get(), i, &lease), "aspen_op_lease_at");
    out[i] = py::make_tuple(lease.lease, lease.ttl_ns, lease.remaining_ns, lease.keys);
  }
  return out;
}

}  // namespace

void bind_lease(py::class_<Node>& node, py::class_<Op>& op) {
  op.def("leases", leases);
  node.def("lease_grant", [](Node& n, int64_t ttl_ns, int64_t timeout_ns, Queue* queue, uint64_t tag) {
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_lease_grant(n.handle(), ttl_ns, &c, queue_of({queue, tag}), tag, &out), out,
                "aspen_lease_grant");
  });
  node.def("lease_revoke", [](Node& n, uint64_t lease, int64_t timeout_ns, Queue* queue, uint64_t tag) {
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_lease_revoke(n.handle(), lease, &c, queue_of({queue, tag}), tag, &out), out,
                "aspen_lease_revoke");
  });
  node.def("lease_keep_alive", [](Node& n, uint64_t lease, int64_t timeout_ns, Queue* queue, uint64_t tag) {
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_lease_keep_alive(n.handle(), lease, &c, queue_of({queue, tag}), tag, &out), out,
                "aspen_lease_keep_alive");
  });
  node.def("lease_info", [](Node& n, uint64_t lease, const std::optional<py::bytes>& continuation,
                            int64_t timeout_ns, Queue* queue, uint64_t tag) {
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    const void* data = nullptr;
    size_t size = 0;
    set_slice(continuation, &data, &size);
    aspen_op_t* out = nullptr;
    return made(aspen_lease_info(n.handle(), lease, data, size, &c, queue_of({queue, tag}), tag, &out), out,
                "aspen_lease_info");
  });
  node.def("lease_list", [](Node& n, uint64_t after, int64_t timeout_ns, Queue* queue, uint64_t tag) {
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_lease_list(n.handle(), after, &c, queue_of({queue, tag}), tag, &out), out,
                "aspen_lease_list");
  });
  node.def("lease_keep", [](Node& n, uint64_t lease, Queue* queue, uint64_t tag) {
    aspen_op_t* out = nullptr;
    return made(aspen_lease_keep(n.handle(), lease, queue_of({queue, tag}), tag, &out), out,
                "aspen_lease_keep");
  });
  node.def("lease_drop_keep", [](Node& n, uint64_t lease) {
    require(aspen_lease_drop_keep(n.handle(), lease), "aspen_lease_drop_keep");
  });
}

}  // namespace aspen::python

#include "index.h"

#include <pybind11/stl.h>

#include <string>

#include "c_values.h"

namespace aspen::python {
namespace {

using OptionalBytes = std::optional<py::bytes>;

// Of a scan: the value, a packed tuple, of each entry.
py::list index_values(const Op& op) {
  size_t count = aspen_op_entry_count(op.get());
  py::list out(count);
  for (size_t i = 0; i < count; ++i) {
    size_t size = 0;
    const uint8_t* data = aspen_op_index_value(op.get(), i, &size);
    out[i] = to_bytes(data, size);
  }
  return out;
}

Op scan(Node& node, const std::string& name, const OptionalBytes& value, const OptionalBytes& start,
        const OptionalBytes& end, const OptionalBytes& continuation, uint64_t limit, bool reverse,
        bool keys_only, int64_t timeout_ns, Queue* queue, uint64_t tag) {
  aspen_index_scan_options_t options;
  aspen_index_scan_options_init(&options, sizeof options);
  set_slice(value, &options.value, &options.value_size);
  set_slice(start, &options.start, &options.start_size);
  set_slice(end, &options.end, &options.end_size);
  set_slice(continuation, &options.continuation, &options.continuation_size);
  options.limit = limit;
  options.reverse = reverse ? 1 : 0;
  options.keys_only = keys_only ? 1 : 0;
  options.timeout_ns = timeout_ns;
  aspen_op_t* out = nullptr;
  return made(aspen_index_scan(node.handle(), name.c_str(), &options, queue_of({queue, tag}), tag, &out), out,
              "aspen_index_scan");
}

void bind_directory(py::module_& module, py::class_<Node>& node) {
  node.def("directory_open", [](Node& n, const py::bytes& path, int32_t how, const py::bytes& layer,
                                int64_t timeout_ns, Queue* queue, uint64_t tag) {
    Slice p = slice(path), l = slice(layer);
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_directory_open(n.handle(), p.data, p.size, how, l.data, l.size, &c,
                                     queue_of({queue, tag}), tag, &out),
                out, "aspen_directory_open");
  });
  node.def("directory_list", [](Node& n, const py::bytes& path, const std::optional<std::string>& after,
                                int64_t timeout_ns, Queue* queue, uint64_t tag) {
    Slice p = slice(path);
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_directory_list(n.handle(), p.data, p.size, after ? after->c_str() : nullptr, 0, &c,
                                     queue_of({queue, tag}), tag, &out),
                out, "aspen_directory_list");
  });
  node.def("directory_move", [](Node& n, const py::bytes& from, const py::bytes& to, int64_t timeout_ns,
                                Queue* queue, uint64_t tag) {
    Slice f = slice(from), t = slice(to);
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_directory_move(n.handle(), f.data, f.size, t.data, t.size, &c, queue_of({queue, tag}),
                                     tag, &out),
                out, "aspen_directory_move");
  });
  node.def(
      "directory_remove", [](Node& n, const py::bytes& path, int64_t timeout_ns, Queue* queue, uint64_t tag) {
        Slice p = slice(path);
        aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
        aspen_op_t* out = nullptr;
        return made(aspen_directory_remove(n.handle(), p.data, p.size, &c, queue_of({queue, tag}), tag, &out),
                    out, "aspen_directory_remove");
      });
  module.attr("DIRECTORY_OPEN") = static_cast<int>(ASPEN_DIRECTORY_OPEN);
  module.attr("DIRECTORY_CREATE") = static_cast<int>(ASPEN_DIRECTORY_CREATE);
  module.attr("DIRECTORY_OPEN_OR_CREATE") = static_cast<int>(ASPEN_DIRECTORY_OPEN_OR_CREATE);
}

}  // namespace

void bind_index(py::module_& module, py::class_<Node>& node, py::class_<Op>& op) {
  op.def("index_values", index_values);
  node.def("index_create", [](Node& n, const std::string& name, const py::bytes& prefix,
                              const std::string& extractor, int64_t timeout_ns, Queue* queue, uint64_t tag) {
    Slice p = slice(prefix);
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_index_create(n.handle(), name.c_str(), p.data, p.size, extractor.c_str(), &c,
                                   queue_of({queue, tag}), tag, &out),
                out, "aspen_index_create");
  });
  node.def("index_drop",
           [](Node& n, const std::string& name, int64_t timeout_ns, Queue* queue, uint64_t tag) {
             aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
             aspen_op_t* out = nullptr;
             return made(aspen_index_drop(n.handle(), name.c_str(), &c, queue_of({queue, tag}), tag, &out),
                         out, "aspen_index_drop");
           });
  node.def("index_list", [](Node& n, int64_t timeout_ns, Queue* queue, uint64_t tag) {
    aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
    aspen_op_t* out = nullptr;
    return made(aspen_index_list(n.handle(), &c, queue_of({queue, tag}), tag, &out), out, "aspen_index_list");
  });
  node.def("index_scan", scan);
  bind_directory(module, node);
}

}  // namespace aspen::python

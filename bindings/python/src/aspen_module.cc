// The extension module aspen._native: aspen.h for Python, one thin method per C function (aspen/_native.pyi
// is its reference). Everything idiomatic is Python, in aspen/.
#include <pthread.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#include "gil.h"
#include "objects.h"

namespace aspen::python {
namespace {

using OptionalQueue = Queue*;  // None is a null pointer

// Writes engine log lines to a descriptor, whole lines at a time and without Python: it runs on engine
// threads.
void write_line(int32_t, const char* line, size_t size, void* context) {
  std::string out(line, size);
  out.push_back('\n');
  int fd = static_cast<int>(reinterpret_cast<intptr_t>(context));
  [[maybe_unused]] ssize_t written = ::write(fd, out.data(), out.size());  // a lost log line harms nothing
}

void log_to_fd(int fd, int32_t level) {
  GilReleased released;  // waits for a line that is being written
  if (fd < 0) {
    aspen_log_set(nullptr, nullptr, ASPEN_LOG_OFF);
  } else {
    aspen_log_set(write_line, reinterpret_cast<void*>(static_cast<intptr_t>(fd)), level);
  }
}

std::string node_id_format(const py::bytes& id) {
  if (PyBytes_GET_SIZE(id.ptr()) != 32) throw py::value_error("a node id is 32 bytes");
  std::array<char, 53> text{};
  aspen_node_id_format(reinterpret_cast<const uint8_t*>(PyBytes_AS_STRING(id.ptr())), text.data());
  return text.data();
}

std::optional<py::bytes> node_id_parse(const std::string& text) {
  std::array<uint8_t, 32> id{};
  if (aspen_node_id_parse(text.c_str(), id.data()) != ASPEN_OK) return std::nullopt;
  return py::bytes(reinterpret_cast<const char*>(id.data()), id.size());
}

py::dict limits() {
  py::dict out;
  for (int32_t i = 1; i <= aspen_limit_count(); ++i) out[aspen_limit_name(i)] = aspen_limit_get(i);
  return out;
}

// (name, number, applied, retryable, text) of each error, as the library has it.
py::list errors() {
  py::list out;
  for (int32_t i = 1; i <= aspen_error_count(); ++i) {
    out.append(py::make_tuple(aspen_error_name(i), i,
                              aspen_error_applied(i) == ASPEN_APPLIED_NO ? "no" : "maybe",
                              aspen_error_retryable(i) != 0, aspen_error_text(i)));
  }
  return out;
}

void bind_op(py::module_& module) {
  py::class_<Op>(module, "Op")
      .def("wait", &Op::wait, py::arg("timeout_ns") = -1)
      .def("done", [](const Op& op) { return aspen_op_done(op.get()) != 0; })
      .def("cancel", [](const Op& op) { aspen_op_cancel(op.get()); })
      .def("status", [](const Op& op) { return aspen_op_status(op.get()); })
      .def("message", [](const Op& op) { return aspen_op_message(op.get()); })
      .def("applied_maybe", [](const Op& op) { return aspen_op_applied(op.get()) != ASPEN_APPLIED_NO; })
      .def("retryable", [](const Op& op) { return aspen_op_retryable(op.get()) != 0; })
      .def("text", [](const Op& op) { return aspen_op_text(op.get()); })
      .def("take_node", &Op::take_node)
      .def("revision", [](const Op& op) { return aspen_op_revision(op.get()); })
      .def("succeeded", [](const Op& op) { return aspen_op_succeeded(op.get()) != 0; })
      .def("failed_condition", [](const Op& op) { return aspen_op_failed_condition(op.get()); })
      .def("entries", &Op::entries)
      .def("changes", &Op::changes)
      .def("more", [](const Op& op) { return aspen_op_more(op.get()) != 0; })
      .def("continuation", &Op::continuation);
}

void bind_kv(py::class_<Node>& node) {
  node.def("get", [](Node& n, const py::bytes& key, bool stale, int64_t timeout_ns, OptionalQueue queue,
                     uint64_t tag) { return n.get(key, {stale, timeout_ns}, {queue, tag}); });
  node.def("put",
           [](Node& n, const py::bytes& key, const py::bytes& value, int64_t timeout_ns, OptionalQueue queue,
              uint64_t tag) { return n.put(key, value, {false, timeout_ns}, {queue, tag}); });
  node.def("delete", [](Node& n, const py::bytes& key, int64_t timeout_ns, OptionalQueue queue,
                        uint64_t tag) { return n.remove(key, {false, timeout_ns}, {queue, tag}); });
  node.def("cas",
           [](Node& n, const py::bytes& key, int32_t comparison, const py::bytes& expected, uint64_t revision,
              const py::bytes& value, int64_t timeout_ns, OptionalQueue queue, uint64_t tag) {
             return n.cas(key, comparison, expected, revision, value, {false, timeout_ns}, {queue, tag});
           });
  node.def("range", [](Node& n, std::optional<py::bytes> prefix, std::optional<py::bytes> start,
                       std::optional<py::bytes> end, std::optional<py::bytes> continuation, uint64_t limit,
                       bool reverse, bool keys_only, bool stale, int64_t timeout_ns, OptionalQueue queue,
                       uint64_t tag) {
    return n.range({std::move(prefix),
                    std::move(start),
                    std::move(end),
                    std::move(continuation),
                    limit,
                    reverse,
                    keys_only,
                    {stale, timeout_ns}},
                   {queue, tag});
  });
  node.def("apply", [](Node& n, const Batch& batch, int64_t timeout_ns, OptionalQueue queue, uint64_t tag) {
    return n.apply(batch, {false, timeout_ns}, {queue, tag});
  });
}

void bind_node(py::module_& module) {
  py::class_<Node> node(module, "Node");
  node.def_property_readonly("id", &Node::id)
      .def_property_readonly("address", &Node::address)
      .def("close", [](Node& n, OptionalQueue queue, uint64_t tag) { return n.close({queue, tag}); })
      .def("ticket", [](Node& n, int64_t valid_ns, OptionalQueue queue,
                        uint64_t tag) { return n.ticket(valid_ns, {queue, tag}); })
      .def("status", [](Node& n, int64_t timeout_ns, OptionalQueue queue, uint64_t tag) {
        return n.status(timeout_ns, {queue, tag});
      });
  bind_kv(node);

  using Text = std::optional<std::string>;
  module.def("node_open",
             [](int32_t mode, Text dir, Text listen, Text advertise, Text ticket, int64_t open_timeout_ns,
                int64_t heartbeat_ns, int64_t election_ns, OptionalQueue queue, uint64_t tag) {
               return Node::open({mode, std::move(dir), std::move(listen), std::move(advertise),
                                  std::move(ticket), open_timeout_ns, heartbeat_ns, election_ns},
                                 {queue, tag});
             });
}

void bind_constants(py::module_& module) {
  module.attr("MODE_EMBEDDED") = py::int_(+ASPEN_MODE_EMBEDDED);
  module.attr("MODE_FOUND") = py::int_(+ASPEN_MODE_FOUND);
  module.attr("MODE_JOIN") = py::int_(+ASPEN_MODE_JOIN);
  module.attr("MODE_CLIENT") = py::int_(+ASPEN_MODE_CLIENT);
  module.attr("IF_ABSENT") = py::int_(+ASPEN_IF_ABSENT);
  module.attr("IF_PRESENT") = py::int_(+ASPEN_IF_PRESENT);
  module.attr("IF_VALUE") = py::int_(+ASPEN_IF_VALUE);
  module.attr("IF_REVISION") = py::int_(+ASPEN_IF_REVISION);
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  static bool fork_watched = false;  // the module object can be made more than once
  if (!fork_watched) {
    pthread_atfork(nullptr, nullptr, [] { fork_generation.fetch_add(1); });
    fork_watched = true;
  }
  py::class_<Queue>(module, "Queue")
      .def(py::init<>())
      .def_property_readonly("fd", &Queue::fd)
      .def("poll", &Queue::poll);
  py::class_<Batch>(module, "Batch")
      .def(py::init<>())
      .def("put", &Batch::put)
      .def("delete", &Batch::remove)
      .def("check", &Batch::check);
  bind_op(module);
  bind_node(module);
  bind_constants(module);
  module.def("ticket_inspect", &ticket_inspect);
  module.def("version", &aspen_version);
  module.def("abi_version", &aspen_abi_version);
  module.def("limits", &limits);
  module.def("errors", &errors);
  module.def("begin_exit", &GilReleased::begin_exit);
  module.def("log_to_fd", &log_to_fd);
  module.def("node_id_format", &node_id_format);
  module.def("node_id_parse", &node_id_parse);
}

}  // namespace aspen::python

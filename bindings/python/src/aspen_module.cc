// The extension module aspen._native: aspen.h for Python, one thin method per C function (aspen/_native.pyi
// is its reference). Everything idiomatic is Python, in aspen/.
#include <pthread.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "gil.h"
#include "index.h"
#include "keeping.h"
#include "lease.h"
#include "objects.h"
#include "watch.h"

namespace aspen::python {
namespace {

using OptionalQueue = Queue*;  // None is a null pointer
using OptionalBytes = std::optional<py::bytes>;

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

py::class_<Op> bind_op(py::module_& module) {
  py::class_<Op> op(module, "Op");
  op.def("wait", &Op::wait, py::arg("timeout_ns") = -1)
      .def("done", [](const Op& op) { return aspen_op_done(op.get()) != 0; })
      .def("cancel", [](const Op& op) { aspen_op_cancel(op.get()); })
      .def("status", [](const Op& op) { return aspen_op_status(op.get()); })
      .def("message", [](const Op& op) { return aspen_op_message(op.get()); })
      .def("applied_maybe", [](const Op& op) { return aspen_op_applied(op.get()) != ASPEN_APPLIED_NO; })
      .def("retryable", [](const Op& op) { return aspen_op_retryable(op.get()) != 0; })
      .def("text", [](const Op& op) { return aspen_op_text(op.get()); })
      .def("take_node", &Op::take_node)
      .def("take_txn", &Op::take_txn)
      .def("conflicts", &Op::conflicts)
      .def("revision", [](const Op& op) { return aspen_op_revision(op.get()); })
      .def("succeeded", [](const Op& op) { return aspen_op_succeeded(op.get()) != 0; })
      .def("failed_condition", [](const Op& op) { return aspen_op_failed_condition(op.get()); })
      .def("entries", &Op::entries)
      .def("changes", &Op::changes)
      .def("results", &Op::results)
      .def("more", [](const Op& op) { return aspen_op_more(op.get()) != 0; })
      .def("continuation", &Op::continuation);
  return op;
}

void bind_kv(py::class_<Node>& node) {
  node.def("get", [](Node& n, const py::bytes& key, uint64_t revision, int32_t consistency,
                     int64_t staleness_ns, int64_t timeout_ns, OptionalQueue queue, uint64_t tag) {
    return n.get(key,
                 {.timeout_ns = timeout_ns,
                  .consistency = consistency,
                  .staleness_ns = staleness_ns,
                  .revision = revision},
                 {queue, tag});
  });
  node.def("put", [](Node& n, const py::bytes& key, const py::bytes& value, uint64_t lease, bool previous,
                     int64_t timeout_ns, OptionalQueue queue, uint64_t tag) {
    return n.put(key, value, {.timeout_ns = timeout_ns, .lease = lease, .previous = previous}, {queue, tag});
  });
  node.def("delete", [](Node& n, const py::bytes& key, bool previous, int64_t timeout_ns, OptionalQueue queue,
                        uint64_t tag) {
    return n.remove(key, {.timeout_ns = timeout_ns, .previous = previous}, {queue, tag});
  });
  node.def("cas",
           [](Node& n, const py::bytes& key, int32_t comparison, const py::bytes& expected, uint64_t revision,
              const py::bytes& value, uint64_t lease, int64_t timeout_ns, OptionalQueue queue, uint64_t tag) {
             return n.cas(key, comparison, expected, revision, value,
                          {.timeout_ns = timeout_ns, .lease = lease}, {queue, tag});
           });
  node.def("range", [](Node& n, OptionalBytes prefix, OptionalBytes start, OptionalBytes end,
                       OptionalBytes continuation, uint64_t limit, bool reverse, bool keys_only,
                       uint64_t revision, int32_t consistency, int64_t staleness_ns, int64_t timeout_ns,
                       OptionalQueue queue, uint64_t tag) {
    return n.range({std::move(prefix),
                    std::move(start),
                    std::move(end),
                    std::move(continuation),
                    limit,
                    reverse,
                    keys_only,
                    {.timeout_ns = timeout_ns,
                     .consistency = consistency,
                     .staleness_ns = staleness_ns,
                     .revision = revision}},
                   {queue, tag});
  });
  node.def("apply", [](Node& n, const Batch& batch, int64_t timeout_ns, OptionalQueue queue, uint64_t tag) {
    return n.apply(batch, {.timeout_ns = timeout_ns}, {queue, tag});
  });
  node.def("transaction", &Node::transaction);
  node.def("branch",
           [](Node& n, const Txn* parent, const py::bytes& prefix, int64_t timeout_ns, OptionalQueue queue,
              uint64_t tag) { return n.branch(parent, prefix, timeout_ns, {queue, tag}); });
}

void bind_batch(py::module_& module) {
  py::class_<Batch>(module, "Batch")
      .def(py::init<>())
      .def("put", &Batch::put)
      .def("delete", &Batch::remove)
      .def("delete_range", &Batch::remove_range)
      .def("get", &Batch::get)
      .def("range",
           [](Batch& batch, OptionalBytes prefix, OptionalBytes start, OptionalBytes end, uint64_t limit,
              bool reverse, bool keys_only) {
             batch.range({.prefix = std::move(prefix),
                          .start = std::move(start),
                          .end = std::move(end),
                          .continuation = std::nullopt,
                          .limit = limit,
                          .reverse = reverse,
                          .keys_only = keys_only,
                          .call = {}});
           })
      .def("check", &Batch::check)
      .def("compare",
           [](Batch& batch, int32_t target, int32_t relation, py::bytes key, OptionalBytes end,
              py::bytes value, uint64_t number) {
             batch.compare({target, relation, std::move(key), std::move(end), std::move(value), number});
           })
      .def("otherwise", &Batch::otherwise)
      .def("begin", &Batch::begin)
      .def("end", &Batch::end);
}

using Change = std::optional<std::pair<int32_t, std::string>>;

Change changed(std::optional<Txn::Refused> refused) {
  if (!refused) return std::nullopt;
  return std::pair(refused->status, std::move(refused->message));
}

void bind_txn(py::module_& module) {
  py::class_<Txn>(module, "Txn")
      .def("reset", &Txn::reset)
      .def("get", [](Txn& txn, const py::bytes& key, int64_t timeout_ns, OptionalQueue queue,
                     uint64_t tag) { return txn.get(key, timeout_ns, {queue, tag}); })
      .def("range",
           [](Txn& txn, OptionalBytes prefix, OptionalBytes start, OptionalBytes end,
              OptionalBytes continuation, uint64_t limit, bool reverse, bool keys_only, int64_t timeout_ns,
              OptionalQueue queue, uint64_t tag) {
             return txn.range({std::move(prefix),
                               std::move(start),
                               std::move(end),
                               std::move(continuation),
                               limit,
                               reverse,
                               keys_only,
                               {.timeout_ns = timeout_ns}},
                              {queue, tag});
           })
      .def("put", [](Txn& txn, const py::bytes& key, const py::bytes& value,
                     uint64_t lease) { return changed(txn.put(key, value, lease)); })
      .def("delete", [](Txn& txn, const py::bytes& key) { return changed(txn.remove(key)); })
      .def("delete_range", [](Txn& txn, const py::bytes& start,
                              const py::bytes& end) { return changed(txn.remove_range(start, end)); })
      .def("commit", [](Txn& txn, int64_t timeout_ns, OptionalQueue queue, uint64_t tag) {
        return txn.commit(timeout_ns, {queue, tag});
      });
}

py::class_<Node> bind_node(py::module_& module) {
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

  py::class_<NodeOptions>(module, "NodeOptions")
      .def(py::init<>())
      .def_readwrite("mode", &NodeOptions::mode)
      .def_readwrite("dir", &NodeOptions::dir)
      .def_readwrite("listen", &NodeOptions::listen)
      .def_readwrite("advertise", &NodeOptions::advertise)
      .def_readwrite("ticket", &NodeOptions::ticket)
      .def_readwrite("restore_from", &NodeOptions::restore_from)
      .def_readwrite("open_timeout_ns", &NodeOptions::open_timeout_ns)
      .def_readwrite("heartbeat_ns", &NodeOptions::heartbeat_ns)
      .def_readwrite("election_ns", &NodeOptions::election_ns)
      .def_readwrite("history_revisions", &NodeOptions::history_revisions)
      .def_readwrite("history_ns", &NodeOptions::history_ns)
      .def_readwrite("dead_voter_ns", &NodeOptions::dead_voter_ns)
      .def_readwrite("journal_segment_bytes", &NodeOptions::journal_segment_bytes)
      .def_readwrite("clock_drift_ppm_max", &NodeOptions::clock_drift_ppm_max)
      .def_readwrite("lease_reads", &NodeOptions::lease_reads)
      .def_readwrite("member_reads", &NodeOptions::member_reads);
  module.def("node_open", [](const NodeOptions& options, OptionalQueue queue, uint64_t tag) {
    return Node::open(options, {queue, tag});
  });
  return node;
}

void bind_constants(py::module_& module) {
  constexpr std::pair<const char*, int> kConstants[] = {
      {"MODE_EMBEDDED", ASPEN_MODE_EMBEDDED},
      {"MODE_FOUND", ASPEN_MODE_FOUND},
      {"MODE_JOIN", ASPEN_MODE_JOIN},
      {"MODE_CLIENT", ASPEN_MODE_CLIENT},
      {"IF_ABSENT", ASPEN_IF_ABSENT},
      {"IF_PRESENT", ASPEN_IF_PRESENT},
      {"IF_VALUE", ASPEN_IF_VALUE},
      {"IF_REVISION", ASPEN_IF_REVISION},
      {"TARGET_VALUE", ASPEN_TARGET_VALUE},
      {"TARGET_VERSION", ASPEN_TARGET_VERSION},
      {"TARGET_CREATE_REVISION", ASPEN_TARGET_CREATE_REVISION},
      {"TARGET_MOD_REVISION", ASPEN_TARGET_MOD_REVISION},
      {"TARGET_LEASE", ASPEN_TARGET_LEASE},
      {"TARGET_EXISTS", ASPEN_TARGET_EXISTS},
      {"TARGET_UNCHANGED_SINCE", ASPEN_TARGET_UNCHANGED_SINCE},
      {"READ_LINEARIZABLE", ASPEN_READ_LINEARIZABLE},
      {"READ_STALE", ASPEN_READ_STALE},
      {"READ_LEASE", ASPEN_READ_LEASE},
      {"EQUAL", ASPEN_EQUAL},
      {"NOT_EQUAL", ASPEN_NOT_EQUAL},
      {"LESS", ASPEN_LESS},
      {"GREATER", ASPEN_GREATER},
      {"RESULT_CHANGE", ASPEN_RESULT_CHANGE},
      {"RESULT_DELETE_RANGE", ASPEN_RESULT_DELETE_RANGE},
      {"RESULT_GET", ASPEN_RESULT_GET},
      {"RESULT_RANGE", ASPEN_RESULT_RANGE},
      {"RESULT_TRANSACTION", ASPEN_RESULT_TRANSACTION},
      {"RESULT_END", ASPEN_RESULT_END},
  };
  for (const auto& [name, value] : kConstants) module.attr(name) = value;
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
  py::class_<Op> op = bind_op(module);
  bind_batch(module);
  bind_txn(module);
  py::class_<Node> node = bind_node(module);
  bind_watch(module, node, op);
  bind_lease(node, op);
  bind_keeping(module, node, op);
  bind_index(module, node, op);
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

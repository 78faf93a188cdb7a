#include "watch.h"

#include <pybind11/stl.h>

#include <utility>

#include "c_values.h"

namespace aspen::python {
namespace {

using OptionalBytes = std::optional<py::bytes>;

std::optional<Watch> take_watch(Op& op) {
  aspen_watch_t* watch = aspen_op_take_watch(op.get());
  if (watch == nullptr) return std::nullopt;
  return std::optional<Watch>(std::in_place, watch);
}

// (kind, revision, entry, previous entry or None) each.
py::list events(const Op& op) {
  size_t count = aspen_op_event_count(op.get());
  py::list out(count);
  for (size_t i = 0; i < count; ++i) {
    aspen_watch_event_t event;
    require(aspen_op_watch_event(op.get(), i, &event), "aspen_op_watch_event");
    py::object previous = py::none();
    if (event.has_previous != 0) previous = to_tuple(event.previous, 0);
    out[i] = py::make_tuple(event.kind, event.revision, to_tuple(event.entry, event.lease), previous);
  }
  return out;
}

}  // namespace

Op Watch::next(Completion to) {
  aspen_op_t* op = nullptr;
  return made(aspen_watch_next(handle_.get(), queue_of(to), to.tag, &op), op, "aspen_watch_next");
}

void bind_watch(py::module_& module, py::class_<Node>& node, py::class_<Op>& op) {
  py::class_<Watch>(module, "Watch")
      .def("next", [](Watch& watch, Queue* queue, uint64_t tag) { return watch.next({queue, tag}); })
      .def("close", &Watch::close);
  op.def("take_watch", take_watch).def("events", events);
  node.def("watch",
           [](Node& n, OptionalBytes key, OptionalBytes prefix, OptionalBytes start, OptionalBytes end,
              uint64_t revision, bool previous, bool puts, bool deletes, int64_t progress_ns,
              uint64_t buffer_bytes, int64_t timeout_ns, Queue* queue, uint64_t tag) {
             aspen_watch_options_t options;
             aspen_watch_options_init(&options, sizeof options);
             set_slice(key, &options.key, &options.key_size);
             set_slice(prefix, &options.prefix, &options.prefix_size);
             set_slice(start, &options.start, &options.start_size);
             set_slice(end, &options.end, &options.end_size);
             options.revision = revision;
             options.previous = previous ? 1 : 0;
             options.no_puts = puts ? 0 : 1;
             options.no_deletes = deletes ? 0 : 1;
             options.progress_ns = progress_ns;
             options.buffer_bytes = buffer_bytes;
             options.timeout_ns = timeout_ns;
             aspen_op_t* made_op = nullptr;
             return made(aspen_watch_open(n.handle(), &options, queue_of({queue, tag}), tag, &made_op),
                         made_op, "aspen_watch_open");
           });
  module.attr("EVENT_PUT") = static_cast<int>(ASPEN_EVENT_PUT);
  module.attr("EVENT_DELETE") = static_cast<int>(ASPEN_EVENT_DELETE);
}

}  // namespace aspen::python

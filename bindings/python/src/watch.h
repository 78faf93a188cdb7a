// A watch of aspen.h as Python sees it. A next that is under way belongs to its operation, not to this.
#pragma once

#include "objects.h"

namespace aspen::python {

class Watch {
 public:
  explicit Watch(aspen_watch_t* watch) : handle_(watch) {}

  Op next(Completion to);
  void close() { aspen_watch_close(handle_.get()); }

 private:
  Handle<aspen_watch_t, aspen_watch_free> handle_;
};

// Adds Watch to the module, and what makes one to Node and Op.
void bind_watch(py::module_& module, py::class_<Node>& node, py::class_<Op>& op);

}  // namespace aspen::python

// Secondary indexes and directories of aspen.h as Python sees them.
#pragma once

#include "objects.h"

namespace aspen::python {

void bind_index(py::module_& module, py::class_<Node>& node, py::class_<Op>& op);

}  // namespace aspen::python

// Leases of aspen.h as Python sees them: a lease is its number.
#pragma once

#include "objects.h"

namespace aspen::python {

// Adds the calls with leases to Node, and their results to Op.
void bind_lease(py::class_<Node>& node, py::class_<Op>& op);

}  // namespace aspen::python

// What keeps a store in order, as Python sees it: history, quotas, members, backups and their verification.
#pragma once

#include "objects.h"

namespace aspen::python {

void bind_keeping(py::module_& module, py::class_<Node>& node, py::class_<Op>& op);

}  // namespace aspen::python

// What Python passes, as aspen.h takes it, and back.
#pragma once

#include "objects.h"

namespace aspen::python {

// Borrowed from the bytes.
struct Slice {
  const char* data;
  size_t size;
};
Slice slice(const py::bytes& bytes);
// Sets what is there.
void set_slice(const std::optional<py::bytes>& bytes, const void** data, size_t* size);
py::bytes to_bytes(const uint8_t* data, size_t size);
py::tuple to_tuple(const aspen_entry_t& entry, uint64_t lease);

aspen_cq_t* queue_of(Completion to);
// Borrows the bytes of what it is given.
aspen_call_options_t c_options(CallOptions options);
aspen_range_options_t c_options(const RangeOptions& options);

// Throws when a call was refused outright: that is a fault of this package.
void require(int32_t status, const char* what);
// The operation that a call made.
Op made(int32_t status, aspen_op_t* op, const char* what);

}  // namespace aspen::python

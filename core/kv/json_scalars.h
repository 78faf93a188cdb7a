// The scalars at one place of a JSON text, found without building the document.
//
// The text is parsed as it comes (RFC 8259, by nlohmann::json's event interface, which does not recurse), and
// only what the place holds is kept: a value of 4 MiB of brackets costs a bit for each.
#pragma once

#include <string>
#include <vector>

#include "core/kv/tuple.h"

namespace aspen::kv {

// What is at the place that the tokens of an RFC 6901 pointer name: a scalar, or the scalars that are
// elements of an array there, at most the first `count_max`. None when there is nothing, an object, or the
// text is not JSON. Of a name that an object has twice the last one counts.
Tuple json_scalars(BytesView text, const std::vector<std::string>& path, size_t count_max);

}  // namespace aspen::kv

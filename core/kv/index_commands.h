// What the commands about indexes do (indexes.h has the whole story).
#pragma once

#include "core/kv/indexes.h"
#include "core/kv/revision.h"

namespace aspen::kv {

struct IndexDeclaration {
  BytesView name;
  BytesView prefix;
  BytesView extractor;
};

// The new index's id. Refusals: ALREADY_EXISTS, LIMIT_EXCEEDED. Requires: valid (validate_index).
Result<uint64_t> create_index(Revision& revision, Indexes& indexes, const IndexDeclaration& declaration);
// The id of the one that was dropped. Refusals: NOT_FOUND.
Result<uint64_t> drop_index(Revision& revision, Indexes& indexes, BytesView name);
// Builds some of an index that is not ready, or erases some of one that was dropped. How many have still work
// to do.
Result<uint64_t> step_indexes(Revision& revision, Indexes& indexes);

// What a user can do wrong. Errors: INVALID_ARGUMENT, LIMIT_EXCEEDED, naming the thing and the limit.
Result<> validate_index_name(BytesView name);
Result<> validate_index(const IndexDeclaration& declaration);

}  // namespace aspen::kv

// Ranges of the records in a store, or in one with changes that are not written yet.
#pragma once

#include "core/kv/layout.h"
#include "core/kv/read.h"
#include "core/store/store.h"

namespace aspen::kv {

// The reply's revision is left to the caller. It has no entry, but more to come, when the first `keys_max`
// keys were not there at the revision asked for. Requires: nothing of that revision is compacted.
Result<RangeReply> read_range(const store::Reader& rows, uint32_t generation, const RangeRequest& request,
                              size_t keys_max = SIZE_MAX);

// Calls `each` for the records from `start` to before `end` (empty: no end), in order, while it returns true.
// The rows must not change meanwhile. Errors: those of the store and of `each`.
template <typename Each>
Result<> for_each_record(const store::Reader& rows, uint32_t generation, BytesView start, BytesView end,
                         Each each) {
  const Bytes prefix = layout::records_prefix(generation);
  const Bytes last = end.empty() ? prefix_end(prefix) : Bytes(prefix).append(end);
  std::unique_ptr<store::Iterator> it = rows.iterate();
  for (it->seek(Bytes(prefix).append(start)); it->valid() && it->key() < last; it->next()) {
    ASPEN_TRY(RecordView record, layout::decode_record(it->value()));
    ASPEN_TRY(bool on, each(it->key().substr(layout::kRecordsPrefixBytes), record));
    if (!on) return {};
  }
  return it->status();
}

}  // namespace aspen::kv

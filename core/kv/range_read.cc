#include "core/kv/range_read.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/mutant.h"

namespace aspen::kv {

Result<RangeReply> read_range(const store::Reader& rows, uint32_t generation, const RangeRequest& request) {
  const Bytes records = layout::records_prefix(generation);
  const Bytes start = records + request.start;
  const Bytes end = request.end.empty() ? prefix_end(records) : records + request.end;
  const size_t limit = request.limit == 0 ? limits::kRangeEntriesMax
                                          : std::min<size_t>(request.limit, limits::kRangeEntriesMax);
  RangeReply reply;
  std::unique_ptr<store::Iterator> it = rows.iterate();
  if (request.reverse) {
    it->seek_for_prev(end);
    if (it->valid() && it->key() >= end) it->prev();
  } else {
    it->seek(start);
  }
  size_t bytes = 0;
  for (; it->valid() && it->key() >= start && it->key() < end; request.reverse ? it->prev() : it->next()) {
    ASPEN_TRY(RecordView record, layout::decode_record(it->value()));
    if (request.keys_only) record.value = {};
    BytesView key = it->key().substr(layout::kRecordsPrefixBytes);
    bytes += key.size() + record.value.size();
    if (!reply.entries.empty() && (reply.entries.size() == limit || bytes > limits::kRangeBytesMax)) {
      reply.more = true;
      reply.continuation = reply.entries.back().key;
      if (!request.reverse) reply.continuation.push_back(ASPEN_MUTANT("kv-range-skips") ? '1' : '\0');
      break;
    }
    reply.entries.push_back({Bytes(key), record.copy()});
  }
  ASPEN_CHECK(it->status());
  return reply;
}

}  // namespace aspen::kv

#include "core/kv/range_read.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/kv/history.h"

namespace aspen::kv {

Result<RangeReply> read_range(const store::Reader& rows, uint32_t generation, const RangeRequest& request) {
  const size_t limit = request.limit == 0 ? limits::kRangeEntriesMax
                                          : std::min<size_t>(request.limit, limits::kRangeEntriesMax);
  RangeReply reply;
  RecordsAt records(rows, generation, request);
  for (size_t bytes = 0;;) {
    ASPEN_TRY(std::optional<KeyRecord> entry, records.next());
    if (!entry) return reply;
    bytes += entry->key.size() + entry->record.value.size();
    if (!reply.entries.empty() && (reply.entries.size() == limit || bytes > limits::kRangeBytesMax)) {
      reply.more = true;
      reply.continuation = reply.entries.back().key;
      if (!request.reverse) reply.continuation.push_back(ASPEN_MUTANT("kv-range-skips") ? '1' : '\0');
      return reply;
    }
    reply.entries.push_back(*std::move(entry));
  }
}

}  // namespace aspen::kv

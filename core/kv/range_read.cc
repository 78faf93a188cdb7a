#include "core/kv/range_read.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/kv/history.h"

namespace aspen::kv {

Result<RangeReply> read_range(const store::Reader& rows, uint32_t generation, const RangeRequest& request,
                              size_t keys_max) {
  const size_t limit = request.limit == 0 ? limits::kRangeEntriesMax
                                          : std::min<size_t>(request.limit, limits::kRangeEntriesMax);
  RangeReply reply;
  RecordsAt records(rows, generation, request, keys_max);
  auto go_on_after = [&](Bytes key) {
    reply.more = true;
    reply.continuation = std::move(key);
    if (!request.reverse) reply.continuation.push_back(ASPEN_MUTANT("kv-range-skips") ? '1' : '\0');
  };
  for (size_t bytes = 0;;) {
    ASPEN_TRY(std::optional<KeyRecord> entry, records.next());
    if (!entry) {
      if (records.stopped_at()) go_on_after(*records.stopped_at());
      return reply;
    }
    bytes += entry->key.size() + entry->record.value.size();
    if (!reply.entries.empty() && (reply.entries.size() == limit || bytes > limits::kRangeBytesMax)) {
      go_on_after(reply.entries.back().key);
      return reply;
    }
    reply.entries.push_back(*std::move(entry));
  }
}

}  // namespace aspen::kv

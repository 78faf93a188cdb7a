// Reads of the key-value store, and their wire forms.
//
// A prefix is read as the range [prefix, prefix_end(prefix)). A range longer than a reply is read on by
// passing `continuation` as the new start, or in reverse as the new end.
//
// Every read may ask for an earlier revision, and sees what the store held right after it: any from the one
// that the store was last compacted to, on. Errors: COMPACTED naming that one; INVALID_ARGUMENT when the
// revision has not happened yet.
#pragma once

#include <optional>
#include <vector>

#include "core/kv/types.h"

namespace aspen::kv {

struct GetRequest {
  Bytes key = {};
  uint64_t revision = 0;  // 0: the newest

  bool operator==(const GetRequest&) const = default;
};

struct RangeRequest {
  Bytes start = {};    // the first key that is in
  Bytes end = {};      // the first that is not; empty: no end
  uint32_t limit = 0;  // entries; 0 or over limits::kRangeEntriesMax means that
  bool reverse = false;
  bool keys_only = false;  // values are left out
  uint64_t revision = 0;   // 0: the newest

  bool operator==(const RangeRequest&) const = default;
};

struct RangeReply {
  std::vector<KeyRecord> entries;
  bool more = false;   // the range holds more than the reply does
  Bytes continuation;  // when there is more
  uint64_t revision = 0;

  bool operator==(const RangeReply&) const = default;
};

struct GetReply {
  std::optional<Record> record;
  uint64_t revision = 0;  // the log index up to which the store had applied

  bool operator==(const GetReply&) const = default;
};

void encode(wire::Writer& writer, const GetRequest& request);
void encode(wire::Writer& writer, const RangeRequest& request);
void encode(wire::Writer& writer, const RangeReply& reply);
void encode(wire::Writer& writer, const GetReply& reply);
GetRequest decode_get_request(wire::Reader& reader);
RangeRequest decode_range_request(wire::Reader& reader);
RangeReply decode_range_reply(wire::Reader& reader);
GetReply decode_get_reply(wire::Reader& reader);

Bytes encode(const GetRequest& request);
Bytes encode(const RangeRequest& request);
Bytes encode(const RangeReply& reply);
Bytes encode(const GetReply& reply);
Result<GetRequest> decode_get_request(BytesView bytes);
Result<RangeRequest> decode_range_request(BytesView bytes);
Result<RangeReply> decode_range_reply(BytesView bytes);
Result<GetReply> decode_get_reply(BytesView bytes);

}  // namespace aspen::kv

// Scans of an index, and their wire forms.
//
// `start` and `end` bound the packed tuples of (value, key), so any packed tuple will do: of one item, it
// stands before all keys with that value. All keys with a value are the range tuple_range({value}). A scan
// longer than a reply is read on as a range is (read.h), with `continuation`.
//
//   ASPEN_TRY(KeyRange ada, tuple_range({"ada@example.org"}));
//   ASPEN_TRY(IndexScanReply reply, machine.scan({.index = "by-email", .start = ada.start, .end = ada.end}));
//
// Scans are of the newest state only: entries have no history. Errors: NOT_FOUND, also of an index that is
// still being built, which says how far it is.
#pragma once

#include "core/kv/indexes.h"
#include "core/kv/types.h"
#include "core/store/store.h"

namespace aspen::kv {

struct IndexScanRequest {
  Bytes index = {};    // its name
  Bytes start = {};    // the first that is in; empty: from the beginning
  Bytes end = {};      // the first that is not; empty: no end
  uint32_t limit = 0;  // entries; 0 or over limits::kRangeEntriesMax means that
  bool reverse = false;
  bool keys_only = false;  // the records' values are left out

  bool operator==(const IndexScanRequest&) const = default;
};

struct IndexEntry {
  Bytes value = {};  // packed
  Bytes key = {};
  Record record = {};

  bool operator==(const IndexEntry&) const = default;
};

struct IndexScanReply {
  std::vector<IndexEntry> entries = {};
  bool more = false;
  Bytes continuation = {};  // when there is more
  uint64_t revision = 0;

  bool operator==(const IndexScanReply&) const = default;
};

struct IndexList {
  std::vector<Index> indexes = {};  // by id

  bool operator==(const IndexList&) const = default;
};

// The reply's revision is left to the caller.
Result<IndexScanReply> scan_index(const store::Reader& rows, uint32_t generation, const Index& index,
                                  const IndexScanRequest& request);

Bytes encode(const IndexScanRequest& request);
Bytes encode(const IndexScanReply& reply);
Bytes encode(const IndexList& list);
Result<IndexScanRequest> decode_index_scan_request(BytesView bytes);
Result<IndexScanReply> decode_index_scan_reply(BytesView bytes);
Result<IndexList> decode_index_list(BytesView bytes);

}  // namespace aspen::kv

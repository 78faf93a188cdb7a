// Reads a snapshot through, without keeping it, and says what is in it: for backups, which are checked when
// they are made and before they are used, and for a store that is looked at offline.
//
//   SnapshotScan scan;
//   for (...) ASPEN_CHECK(scan.add(chunk));
//   ASPEN_TRY(SnapshotContents contents, scan.finish());
//
// It refuses what SnapshotParser refuses, and rows that cannot be of one state: a record of a revision to
// come, a lease that does not have as many keys as it says. Memory is that of the leases.
//
// Thread safety: none.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "core/kv/layout.h"
#include "core/kv/snapshot.h"

namespace aspen::kv {

struct SnapshotContents {
  raft::Index applied = 0;  // the state is the one after this entry
  WallNs time = 0;          // log time of that entry
  uint64_t compacted = 0;   // the oldest revision that can be read
  uint64_t keys = 0;
  uint64_t key_bytes = 0;  // of the keys and their values
  uint64_t leases = 0;
  uint64_t quotas = 0;
  uint64_t indexes = 0;
  uint64_t sessions = 0;
  uint64_t rows = 0;
  uint64_t chunks = 0;
  uint64_t bytes = 0;  // of the chunks
  Hash state{};        // the last chunk's, which stands for all of them

  bool operator==(const SnapshotContents&) const = default;
};

class SnapshotScan {
 public:
  // Errors: CORRUPT. After one the snapshot is lost.
  Result<> add(BytesView chunk);
  // Errors: CORRUPT when the last chunk has not come.
  Result<SnapshotContents> finish() const;

 private:
  Result<> add_row(BytesView key, BytesView value);
  Result<> add_attachment(LeaseId lease);

  SnapshotParser parser_;
  SnapshotContents contents_;
  uint64_t attached_records_ = 0;
  uint64_t attachments_ = 0;
  std::map<LeaseId, uint64_t> missing_;  // attachments of each lease that have not come
};

// Of a store that is not open as a StateMachine: reads all of the state through.
struct StoreContents {
  SnapshotContents state;
  std::optional<raft::SnapshotMeta> restored;  // as StateMachine::restored
};
// Errors: CORRUPT, UNSUPPORTED when another version of the format wrote it, IO; NOT_FOUND when it holds no
// state; CANCELLED when `stop` says so.
Result<StoreContents> scan_store(std::unique_ptr<store::Reader> store, const std::function<bool()>& stop);

}  // namespace aspen::kv

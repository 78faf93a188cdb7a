#include "core/kv/snapshot_scan.h"

#include <cstring>

#include "core/base/limits.h"
#include "core/kv/layout.h"

namespace aspen::kv {

Result<> SnapshotScan::add(BytesView chunk) {
  ASPEN_CHECK(parser_.parse(chunk, [this](BytesView key, BytesView value) { return add_row(key, value); }));
  ++contents_.chunks;
  contents_.bytes += chunk.size();
  std::memcpy(contents_.state.data(), chunk.data(), contents_.state.size());
  return {};
}

Result<> SnapshotScan::add_row(BytesView key, BytesView value) {
  ASPEN_TRY(layout::RowName name, layout::parse_row_name(key));
  if (contents_.rows++ == 0 && name.kind != layout::RowKind::progress) {
    return fail(Code::CORRUPT, "snapshot: it does not say what it has applied");
  }
  switch (name.kind) {
    case layout::RowKind::progress: {
      ASPEN_TRY(layout::Progress progress, layout::decode_progress(value));
      contents_.applied = progress.applied;
      contents_.time = progress.time;
      contents_.compacted = progress.compacted;
      break;
    }
    case layout::RowKind::record: {
      ASPEN_TRY(RecordView record, layout::decode_record(value));
      if (record.mod_revision > contents_.applied) {
        return fail(Code::CORRUPT, "snapshot: a record of revision {} in the state of revision {}",
                    record.mod_revision, contents_.applied);
      }
      ++contents_.keys;
      contents_.key_bytes += name.record.size() + record.value.size();
      if (record.lease != 0) ++attached_records_;
      break;
    }
    case layout::RowKind::session:
      ++contents_.sessions;
      break;
    case layout::RowKind::lease: {
      ASPEN_TRY(layout::LeaseRow lease, layout::decode_lease(value));
      ++contents_.leases;
      missing_.emplace(name.number, lease.keys);
      break;
    }
    case layout::RowKind::attachment:
      return add_attachment(name.number);
    case layout::RowKind::quota:
      ++contents_.quotas;
      break;
    case layout::RowKind::index:
      ++contents_.indexes;
      break;
    case layout::RowKind::history:
    case layout::RowKind::changes:
    case layout::RowKind::index_entry:
      break;
  }
  return {};
}

Result<> SnapshotScan::add_attachment(LeaseId lease) {
  auto found = missing_.find(lease);
  if (found == missing_.end() || found->second == 0) {
    return fail(Code::CORRUPT, "snapshot: lease {} has a key that it does not count", lease);
  }
  --found->second;
  ++attachments_;
  return {};
}

Result<SnapshotContents> SnapshotScan::finish() const {
  ASPEN_CHECK(parser_.finish());
  if (contents_.rows == 0) return fail(Code::CORRUPT, "snapshot: it does not say what it has applied");
  for (const auto& [lease, keys] : missing_) {
    if (keys != 0) return fail(Code::CORRUPT, "snapshot: {} keys of lease {} are missing", keys, lease);
  }
  if (attachments_ != attached_records_) {
    return fail(Code::CORRUPT, "snapshot: {} records have a lease, and leases have {} keys",
                attached_records_, attachments_);
  }
  return contents_;
}

Result<StoreContents> scan_store(std::unique_ptr<store::Reader> store, const std::function<bool()>& stop) {
  ASPEN_TRY(std::optional<Bytes> row, store->get(layout::head_key()));
  if (!row) return fail(Code::NOT_FOUND, "the store holds no key-value state");
  ASPEN_TRY(layout::Head head, layout::decode_head(*row));
  // As StateMachine::fingerprint has them.
  SnapshotSource source(std::move(store), head.generation, limits::kSnapshotChunkBytes);
  SnapshotScan scan;
  for (;;) {
    if (stop()) return fail(Code::CANCELLED, "the check was cancelled");
    ASPEN_TRY(Bytes chunk, source.next());
    if (chunk.empty()) break;
    ASPEN_CHECK(scan.add(chunk));
  }
  ASPEN_TRY(SnapshotContents contents, scan.finish());
  return StoreContents{contents, head.restored};
}

}  // namespace aspen::kv

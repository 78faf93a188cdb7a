// What one command changes: records, as they are now and as they were before it.
//
// A command may change a key several times. Its changes have one revision, so only what a key was before the
// command and is after it counts for others. All goes through an Overlay, and nothing of a command that is
// refused stays.
//
//   Revision revision(overlay, quotas, indexes, generation, index);
//   ASPEN_TRY(Found found, revision.find("k"));
//   ASPEN_CHECK(revision.put("k", found, "value", 0));
//   ASPEN_TRY(ChangeSet changes, revision.finish(true));
//
// Errors are of two kinds. After one that is a refusal, refused() is true: it is the command's reply, the
// same on every replica, and the overlay is to be rolled back. Any other is of the store. Thread safety:
// none.
#pragma once

#include <map>
#include <set>

#include "core/kv/change.h"
#include "core/kv/indexes.h"
#include "core/kv/layout.h"
#include "core/kv/overlay.h"
#include "core/kv/quotas.h"
#include "core/kv/types.h"

namespace aspen::kv {

// A record, and where its row is.
struct Found {
  Bytes row_key = {};
  Bytes row = {};
  bool exists = false;
  uint64_t create_revision = 0;
  uint64_t mod_revision = 0;  // 0 when it does not exist
  uint64_t version = 0;
  LeaseId lease = 0;
  size_t value_size = 0;

  BytesView value() const { return BytesView(row).substr(row.size() - value_size); }  // the row's last field
  Record copy() const { return {Bytes(value()), create_revision, mod_revision, version, lease}; }
};

class Revision {
 public:
  Revision(Overlay& rows, Quotas& quotas, const Indexes& indexes, uint32_t generation, uint64_t index)
      : rows_(rows), quotas_(quotas), indexes_(indexes), generation_(generation), index_(index) {}

  uint64_t index() const { return index_; }
  uint32_t generation() const { return generation_; }
  const Overlay& rows() const { return rows_; }
  Overlay& rows() { return rows_; }

  Result<Found> find(BytesView key) const;
  // Requires: `found` is what find() says now. Erasing what does not exist changes nothing.
  Result<> put(BytesView key, Found found, BytesView value, LeaseId lease);
  Result<> erase(BytesView key, Found found);
  // Whether the key, or one in the range (an empty end: no end), is not as it was before the command.
  bool changes(BytesView key) const;
  bool changes(BytesView start, BytesView end) const;

  // A lease with no key yet, whose id is the index.
  void grant_lease(DurationNs ttl, WallNs now, Bytes prefix);
  // Requires: all keys of the lease are erased.
  void end_lease(LeaseId id) { ended_leases_.insert(id); }
  const std::set<LeaseId>& ended_leases() const { return ended_leases_; }
  int64_t leases_added() const { return granted_leases_ - static_cast<int64_t>(ended_leases_.size()); }

  // Writes what is to be known of the changes: history, leases, quotas, index entries, the row of the
  // revision. They are returned `with_records`; else there are no events. Refuses what a lease or quota does
  // not allow.
  Result<ChangeSet> finish(bool with_records);

  template <typename... Args>
  std::unexpected<Error> refuse(Code code, fmt::format_string<Args...> format, Args&&... args) {
    refused_ = true;
    return fail(code, format, std::forward<Args>(args)...);
  }
  bool refused() const { return refused_; }

 private:
  struct Change {
    std::optional<Bytes> before;  // the row
    bool exists = false;          // now
    size_t value_size = 0;
    LeaseId lease = 0;
    bool net() const { return before || exists; }
  };
  // What it adds to leases and quotas.
  struct Totals {
    std::map<LeaseId, Quotas::Growth> leases;
    Quotas::Growths quotas;
  };

  // Notes that the key changes, as what it was when it is the first time.
  Result<Change*> note(BytesView key, Found& found);
  Result<> check_lease(LeaseId lease, BytesView key);
  Result<> finish(BytesView key, const Change& change, layout::ChangeRow& row, Totals& totals);
  Result<> finish_indexes(BytesView key, const Change& change, const RecordView& before);
  Result<> finish_leases(const Totals& totals);
  Result<> finish_quotas(const Totals& totals);
  Result<ChangeSet> events() const;

  Overlay& rows_;
  Quotas& quotas_;
  const Indexes& indexes_;
  const uint32_t generation_;
  const uint64_t index_;
  std::map<Bytes, Change, std::less<>> changes_;
  size_t key_bytes_ = 0;
  LeaseId known_lease_ = 0;  // exists
  Bytes known_prefix_;       // its
  std::set<LeaseId> ended_leases_;
  int64_t granted_leases_ = 0;
  bool refused_ = false;
};

}  // namespace aspen::kv

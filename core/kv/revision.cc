#include "core/kv/revision.h"

#include "core/base/limits.h"
#include "core/base/mutant.h"

namespace aspen::kv {

Result<Found> Revision::find(BytesView key) const {
  Found found;
  found.row_key = layout::record_key(generation_, key);
  ASPEN_TRY(std::optional<Bytes> row, rows_.get(found.row_key));
  if (!row) return found;
  found.row = *std::move(row);
  ASPEN_TRY(RecordView record, layout::decode_record(found.row));
  found.exists = true;
  found.create_revision = record.create_revision;
  found.mod_revision = record.mod_revision;
  found.version = record.version;
  found.lease = record.lease;
  found.value_size = record.value.size();
  return found;
}

Result<Revision::Change*> Revision::note(BytesView key, Found& found) {
  auto change = changes_.lower_bound(key);
  if (change == changes_.end() || change->first != key) {
    key_bytes_ += key.size();
    if (changes_.size() == limits::kRevisionKeysMax || key_bytes_ > limits::kRevisionKeyBytesMax) {
      return refuse(Code::LIMIT_EXCEEDED, "one command changes more than {} keys, or {} bytes of keys",
                    limits::kRevisionKeysMax, limits::kRevisionKeyBytesMax);
    }
    change = changes_.emplace_hint(change, Bytes(key), Change{});
    if (found.exists) change->second.before = std::move(found.row);
  }
  return &change->second;
}

Result<> Revision::check_lease(LeaseId lease, BytesView key) {
  if (lease == 0) return {};
  if (lease != known_lease_) {
    ASPEN_TRY(std::optional<Bytes> row, rows_.get(layout::lease_key(generation_, lease)));
    if (!row) return refuse(Code::NOT_FOUND, "lease {} does not exist", lease);
    ASPEN_TRY(layout::LeaseRow found, layout::decode_lease(*row));
    known_lease_ = lease;
    known_prefix_ = std::move(found.prefix);
  }
  if (key.starts_with(known_prefix_) || ASPEN_MUTANT("kv-lease-takes-any-key")) return {};
  return refuse(Code::INVALID_ARGUMENT, "lease {} takes only keys that start with its prefix of {} bytes",
                lease, known_prefix_.size());
}

Result<> Revision::put(BytesView key, Found found, BytesView value, LeaseId lease) {
  ASPEN_CHECK(check_lease(lease, key));
  ASPEN_TRY(Change * change, note(key, found));
  change->exists = true;
  change->value_size = value.size();
  change->lease = lease;
  wire::Writer row;
  encode(row,
         RecordView{value, found.exists ? found.create_revision : index_, index_, found.version + 1, lease});
  rows_.put(std::move(found.row_key), row.take());
  return {};
}

Result<> Revision::erase(BytesView key, Found found) {
  if (!found.exists) return {};
  ASPEN_TRY(Change * change, note(key, found));
  change->exists = false;
  rows_.erase(std::move(found.row_key));
  return {};
}

void Revision::grant_lease(DurationNs ttl, WallNs now, Bytes prefix) {
  rows_.put(layout::lease_key(generation_, index_),
            encode(layout::LeaseRow{ttl, now, 0, 0, std::move(prefix)}));
  ++granted_leases_;
}

bool Revision::changes(BytesView key) const {
  auto change = changes_.find(key);
  return change != changes_.end() && change->second.net();
}

bool Revision::changes(BytesView start, BytesView end) const {
  for (auto change = changes_.lower_bound(start); change != changes_.end(); ++change) {
    if (!end.empty() && change->first >= end) return false;
    if (change->second.net()) return true;
  }
  return false;
}

Result<ChangeSet> Revision::finish(bool with_records) {
  layout::ChangeRow row;
  Totals totals;
  for (const auto& [key, change] : changes_) {
    if (change.net()) ASPEN_CHECK(finish(key, change, row, totals));
  }
  ASPEN_CHECK(finish_leases(totals));
  ASPEN_CHECK(finish_quotas(totals));
  if (!row.items.empty()) rows_.put(layout::changes_key(generation_, index_), encode(row));
  if (with_records) return events();
  return ChangeSet{index_, {}};
}

Result<> Revision::finish(BytesView key, const Change& change, layout::ChangeRow& row, Totals& totals) {
  RecordView before;
  if (change.before) {
    ASPEN_TRY(before, layout::decode_record(*change.before));
    if (change.exists || !ASPEN_MUTANT("kv-history-misses-erased")) {
      rows_.put(layout::history_key(generation_, key, before.mod_revision),
                layout::encode_history(index_, *change.before));
    }
  }
  row.items.push_back({change.exists ? Event::Kind::put : Event::Kind::erase, key, before.mod_revision});

  const LeaseId lease = change.exists ? change.lease : 0;
  const auto key_size = static_cast<int64_t>(key.size());
  if (lease != before.lease && before.lease != 0) {
    bool stays = !change.exists && ASPEN_MUTANT("kv-erased-key-stays-attached");
    if (!stays) rows_.erase(layout::attachment_key(generation_, before.lease, key));
    Quotas::Growth& growth = totals.leases[before.lease];
    growth.bytes -= key_size;
    --growth.keys;
  }
  if (lease != before.lease && lease != 0) {
    rows_.put(layout::attachment_key(generation_, lease, key), Bytes());
    Quotas::Growth& growth = totals.leases[lease];
    growth.bytes += key_size;
    ++growth.keys;
  }

  if (!indexes_.empty()) ASPEN_CHECK(finish_indexes(key, change, before));
  if (quotas_.empty()) return {};
  Quotas::Growth growth;
  if (change.exists) growth = {key_size + static_cast<int64_t>(change.value_size), 1};
  if (change.before) {
    growth.bytes -= key_size + static_cast<int64_t>(before.value.size());
    --growth.keys;
  }
  if (change.exists && change.before && ASPEN_MUTANT("kv-quota-misses-overwrites")) return {};
  quotas_.count(key, growth, totals.quotas);
  return {};
}

Result<> Revision::finish_indexes(BytesView key, const Change& change, const RecordView& before) {
  std::optional<BytesView> old, now;
  if (change.before) old = before.value;
  Found found;
  if (change.exists) {
    ASPEN_TRY(found, find(key));
    now = found.value();
  }
  indexes_.maintain(key, old, now, generation_, rows_);
  return {};
}

Result<> Revision::finish_leases(const Totals& totals) {
  for (const auto& [id, growth] : totals.leases) {
    if (ended_leases_.contains(id)) continue;
    ASPEN_TRY(std::optional<Bytes> row, rows_.get(layout::lease_key(generation_, id)));
    if (!row) return fail(Code::CORRUPT, "a record has lease {}, which does not exist", id);
    ASPEN_TRY(layout::LeaseRow lease, layout::decode_lease(*row));
    lease.keys += static_cast<uint64_t>(growth.keys);
    lease.key_bytes += static_cast<uint64_t>(growth.bytes);
    if (lease.keys > limits::kLeaseKeysMax || lease.key_bytes > limits::kLeaseKeyBytesMax) {
      return refuse(Code::LIMIT_EXCEEDED, "lease {} would have more than {} keys, or {} bytes of keys", id,
                    limits::kLeaseKeysMax, limits::kLeaseKeyBytesMax);
    }
    rows_.put(layout::lease_key(generation_, id), encode(lease));
  }
  for (LeaseId id : ended_leases_) rows_.erase(layout::lease_key(generation_, id));
  return {};
}

Result<> Revision::finish_quotas(const Totals& totals) {
  if (const Bytes* prefix = quotas_.refusing(totals.quotas)) {
    // The name is for people, the reply for a session's memory.
    constexpr size_t kShown = 256;
    const Quota quota = quotas_.find(*prefix);
    return refuse(
        Code::QUOTA_EXCEEDED,
        "the keys with prefix \"{}\" are {} of at most {}, with {} bytes of at most {} (0: any); the "
        "command would add {} and {}",
        prefix->substr(0, kShown), quota.keys, quota.keys_max, quota.bytes, quota.bytes_max,
        totals.quotas.at(*prefix).keys, totals.quotas.at(*prefix).bytes);
  }
  quotas_.grow(totals.quotas);
  return {};
}

Result<ChangeSet> Revision::events() const {
  ChangeSet set{index_, {}};
  for (const auto& [key, change] : changes_) {
    if (!change.net()) continue;
    Event& event = set.events.emplace_back();
    event.kind = change.exists ? Event::Kind::put : Event::Kind::erase;
    event.key = key;
    if (change.before) {
      ASPEN_TRY(RecordView before, layout::decode_record(*change.before));
      event.previous = before.copy();
    }
    if (change.exists) {
      ASPEN_TRY(Found now, find(key));
      event.record = now.copy();
    }
  }
  return set;
}

}  // namespace aspen::kv

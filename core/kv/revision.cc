#include "core/kv/revision.h"

#include "core/base/limits.h"

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

Result<> Revision::note(BytesView key, Found& found, bool exists) {
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
  change->second.exists = exists;
  return {};
}

Result<> Revision::put(BytesView key, Found found, BytesView value, LeaseId lease) {
  if (lease != 0) return refuse(Code::NOT_FOUND, "lease {} does not exist", lease);
  ASPEN_CHECK(note(key, found, true));
  wire::Writer row;
  encode(row,
         RecordView{value, found.exists ? found.create_revision : index_, index_, found.version + 1, lease});
  rows_.put(std::move(found.row_key), row.take());
  return {};
}

Result<> Revision::erase(BytesView key, Found found) {
  if (!found.exists) return {};
  ASPEN_CHECK(note(key, found, false));
  rows_.erase(std::move(found.row_key));
  return {};
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
  ChangeSet set;
  set.revision = index_;
  if (!with_records) return set;
  for (auto& [key, change] : changes_) {
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

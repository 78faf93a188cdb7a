#include "core/kv/history.h"

#include "core/base/mutant.h"

namespace aspen::kv {
namespace {

// The row of the highest mod revision that is not above this one, if it was right then.
Result<std::optional<Record>> past_record(store::Iterator& it, uint32_t generation, BytesView key,
                                          uint64_t revision) {
  it.seek_for_prev(layout::history_key(generation, key, revision));
  if (!it.valid()) ASPEN_CHECK(it.status());
  if (!it.valid() || it.key() < layout::history_key(generation, key, 0)) return std::nullopt;
  ASPEN_TRY(layout::HistoryRow row, layout::decode_history(it.value()));
  const bool ended = ASPEN_MUTANT("kv-read-past-the-end") ? row.until < revision : row.until <= revision;
  if (ended) return std::nullopt;
  return row.record.copy();
}

}  // namespace

bool is_obsolete(BytesView row_key, BytesView value, uint64_t compacted) {
  if (row_key.size() <= layout::kGenerationBytes) return false;
  const auto kind = static_cast<layout::RowKind>(row_key[layout::kGenerationBytes]);
  if (ASPEN_MUTANT("kv-drop-goes-too-far")) compacted += 2;
  if (kind == layout::RowKind::history) {
    Result<layout::HistoryRow> row = layout::decode_history(value);
    return row && row->until <= compacted;
  }
  if (kind != layout::RowKind::changes) return false;
  Result<layout::RowName> name = layout::parse_row_name(row_key.substr(layout::kGenerationBytes));
  return name && name->number < compacted;
}

Result<std::optional<Record>> record_at(const store::Reader& rows, uint32_t generation, BytesView key,
                                        uint64_t revision) {
  ASPEN_TRY(std::optional<Bytes> row, rows.get(layout::record_key(generation, key)));
  if (row) {
    ASPEN_TRY(RecordView record, layout::decode_record(*row));
    if (record.mod_revision <= revision) return record.copy();
  }
  std::unique_ptr<store::Iterator> it = rows.iterate();
  return past_record(*it, generation, key, revision);
}

Result<Record> record_put_at(const store::Reader& rows, uint32_t generation, BytesView key,
                             uint64_t revision) {
  ASPEN_TRY(std::optional<Bytes> row, rows.get(layout::record_key(generation, key)));
  if (row) {
    ASPEN_TRY(RecordView record, layout::decode_record(*row));
    if (record.mod_revision == revision) return record.copy();
  }
  ASPEN_TRY(row, rows.get(layout::history_key(generation, key, revision)));
  if (!row) return fail(Code::CORRUPT, "no record of a key that revision {} put", revision);
  ASPEN_TRY(layout::HistoryRow past, layout::decode_history(*row));
  return past.record.copy();
}

RecordsAt::RecordsAt(const store::Reader& rows, uint32_t generation, const RangeRequest& request,
                     size_t keys_max)
    : generation_(generation),
      reverse_(request.reverse),
      keys_only_(request.keys_only),
      revision_(request.revision),
      keys_max_(keys_max),
      now_(rows.iterate()) {
  auto place = [this](store::Iterator& it, const Bytes& start, const Bytes& end) {
    if (!reverse_) return it.seek(start);
    it.seek_for_prev(end);
    if (it.valid() && it.key() >= end) it.prev();
  };
  const Bytes records = layout::records_prefix(generation);
  now_start_ = records + request.start;
  now_end_ = request.end.empty() ? prefix_end(records) : records + request.end;
  place(*now_, now_start_, now_end_);
  if (revision_ == 0) return;
  past_ = rows.iterate();
  past_start_ = layout::history_bound(generation, request.start);
  past_end_ = request.end.empty() ? prefix_end(layout::rows_prefix(generation, layout::RowKind::history))
                                  : layout::history_bound(generation, request.end);
  place(*past_, past_start_, past_end_);
}

bool RecordsAt::within(const store::Iterator& it, BytesView start, BytesView end) {
  return it.valid() && it.key() >= start && it.key() < end;
}

Result<std::optional<KeyRecord>> RecordsAt::next() {
  return past_ ? at_revision() : newest();
}

Result<std::optional<KeyRecord>> RecordsAt::newest() {
  if (!within(*now_, now_start_, now_end_)) {
    ASPEN_CHECK(now_->status());
    return std::nullopt;
  }
  ASPEN_TRY(RecordView record, layout::decode_record(now_->value()));
  if (keys_only_) record.value = {};
  KeyRecord found{Bytes(now_->key().substr(layout::kRecordsPrefixBytes)), record.copy()};
  reverse_ ? now_->prev() : now_->next();
  return found;
}

Result<std::optional<KeyRecord>> RecordsAt::at_revision() {
  for (size_t passed = 0;;) {
    const bool has_now = within(*now_, now_start_, now_end_);
    const bool has_past = within(*past_, past_start_, past_end_) && !ASPEN_MUTANT("kv-range-misses-history");
    // What one of them still has is not the state when the other one has failed.
    if (!has_now) ASPEN_CHECK(now_->status());
    if (!has_past && !ASPEN_MUTANT("kv-range-misses-failed-history")) ASPEN_CHECK(past_->status());
    if (!has_now && !has_past) return std::nullopt;
    BytesView now_key;
    layout::RowName past;
    if (has_now) now_key = now_->key().substr(layout::kRecordsPrefixBytes);
    if (has_past) {
      ASPEN_TRY(past, layout::parse_row_name(past_->key().substr(layout::kGenerationBytes)));
    }
    const bool now_first = !has_past || (has_now && (reverse_ ? now_key >= past.key : now_key <= past.key));
    const bool past_first = !has_now || (has_past && (reverse_ ? past.key >= now_key : past.key <= now_key));
    Bytes key(now_first ? now_key : BytesView(past.key));
    std::optional<Record> found;
    if (now_first) {
      ASPEN_TRY(RecordView record, layout::decode_record(now_->value()));
      if (record.mod_revision <= revision_) found = record.copy();
      reverse_ ? now_->prev() : now_->next();
    }
    if (past_first) {
      ASPEN_TRY(std::optional<Record> before, pass_history(key));
      if (!found) found = std::move(before);
    }
    if (!found) {
      if (++passed < keys_max_) continue;
      stopped_at_ = std::move(key);
      return std::nullopt;
    }
    if (keys_only_) found->value.clear();
    return KeyRecord{std::move(key), *std::move(found)};
  }
}

Result<std::optional<Record>> RecordsAt::pass_history(BytesView key) {
  ASPEN_TRY(std::optional<Record> found, past_record(*past_, generation_, key, revision_));
  if (reverse_) {
    past_->seek_for_prev(layout::history_key(generation_, key, 0));
  } else {
    past_->seek(layout::history_key(generation_, key, UINT64_MAX));
  }
  return found;
}

}  // namespace aspen::kv

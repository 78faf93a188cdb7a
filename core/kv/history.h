// What the store held at earlier revisions.
//
// A record that is superseded or erased goes into the history with the revision that did so. So the state at
// R is every current record put at R or before, and every one in the history that was put at R or before and
// ended after R.
#pragma once

#include "core/kv/layout.h"
#include "core/kv/read.h"
#include "core/store/store.h"

namespace aspen::kv {

// Requires: nothing of the revision is compacted.
Result<std::optional<Record>> record_at(const store::Reader& rows, uint32_t generation, BytesView key,
                                        uint64_t revision);
// The record that was put at exactly this revision. Errors: CORRUPT when it is neither there nor in the
// history.
Result<Record> record_put_at(const store::Reader& rows, uint32_t generation, BytesView key,
                             uint64_t revision);

// The records of a range at a revision, one after the other (0: as they are now).
class RecordsAt {
 public:
  // Stops after passing over `keys_max` keys in a row that there were not at the revision.
  RecordsAt(const store::Reader& rows, uint32_t generation, const RangeRequest& request,
            size_t keys_max = SIZE_MAX);
  // None at the end, or where it stopped.
  Result<std::optional<KeyRecord>> next();
  // The last key that was passed over then.
  const std::optional<Bytes>& stopped_at() const { return stopped_at_; }

 private:
  static bool within(const store::Iterator& it, BytesView start, BytesView end);
  Result<std::optional<KeyRecord>> newest();
  Result<std::optional<KeyRecord>> at_revision();
  // Leaves the history of the key behind, on the way taking what is right at the revision.
  Result<std::optional<Record>> pass_history(BytesView key);

  const uint32_t generation_;
  const bool reverse_;
  const bool keys_only_;
  const uint64_t revision_;
  const size_t keys_max_;
  std::optional<Bytes> stopped_at_;
  std::unique_ptr<store::Iterator> now_;
  Bytes now_start_, now_end_;
  std::unique_ptr<store::Iterator> past_;  // null: the newest are asked for
  Bytes past_start_, past_end_;
};

// Whether the key, or one from it to before `end` (empty: no end), was superseded or erased after the
// revision: of each key the latest row tells. `look` is called for each of a range that counts (which ended
// after `compacted`), and may stop it.
template <typename Look>
Result<bool> superseded_since(const store::Reader& rows, uint32_t generation, BytesView key,
                              const std::optional<Bytes>& end, uint64_t revision, uint64_t compacted,
                              Look look) {
  const Bytes prefix = layout::rows_prefix(generation, layout::RowKind::history);
  const Bytes first = end ? layout::history_bound(generation, key) : layout::history_key(generation, key, 0);
  const Bytes last = !end           ? layout::history_key(generation, key, UINT64_MAX)
                     : end->empty() ? prefix_end(prefix)
                                    : layout::history_bound(generation, *end);
  std::unique_ptr<store::Iterator> it = rows.iterate();
  if (!end) {  // the latest tells
    it->seek_for_prev(last);
    if (!it->valid() || it->key() < first) {
      ASPEN_CHECK(it->status());
      return false;
    }
    ASPEN_TRY(layout::HistoryRow row, layout::decode_history(it->value()));
    return row.until > revision;
  }
  it->seek(first);
  while (it->valid() && it->key() < last) {
    ASPEN_TRY(layout::RowName name, layout::parse_row_name(it->key().substr(layout::kGenerationBytes)));
    ASPEN_TRY(layout::HistoryRow row, layout::decode_history(it->value()));
    uint64_t until = row.until;
    const Bytes key_last = layout::history_key(generation, name.key, UINT64_MAX);
    it->next();
    if (it->valid() && it->key() < key_last) {  // the key has more of them
      it->seek_for_prev(key_last);
      if (!it->valid()) break;
      ASPEN_TRY(row, layout::decode_history(it->value()));
      until = row.until;
      it->seek(key_last);
    }
    if (until > revision) return true;
    if (until > compacted) ASPEN_CHECK(look());
  }
  ASPEN_CHECK(it->status());
  return false;
}

// Whether a row of the store, of any kind, is only of a past before this revision: once that is compacted it
// counts for nothing.
bool is_obsolete(BytesView row_key, BytesView value, uint64_t compacted);

}  // namespace aspen::kv

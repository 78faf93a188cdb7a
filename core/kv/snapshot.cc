#include "core/kv/snapshot.h"

#include <algorithm>

#include "core/base/mutant.h"
#include "core/kv/index_limits.h"
#include "core/kv/layout.h"
#include "core/kv/session_table.h"

namespace aspen::kv {
namespace {

constexpr std::string_view kDomain = "aspen/kv/snapshot/2";
// The longest are of index entries; and of history, all zeros, with 11 more than twice the key.
constexpr size_t kRowKeyBytesMax = limits::kIndexEntryBytesMax + 9;
static_assert(kRowKeyBytesMax >= 2 * limits::kKeyBytesMax + 11);
// The largest row is a session's: replies up to their limit, and one more.
constexpr size_t kRowValueBytesMax =
    limits::kSessionReplyBytesMax + limits::kTransactionReplyBytesMax + (1u << 20);

Result<> check_session(const layout::RowName& name, const layout::SessionRow& row) {
  if (name.slot != 0 || row.counter != 0) {
    return fail(Code::CORRUPT, "snapshot: session {} is not in one row", name.session);
  }
  if (!row.replies.empty() && row.replies.front().sequence < row.acknowledged_below) {
    return fail(Code::CORRUPT, "snapshot: session {} has a reply below {}, which are acknowledged",
                name.session, row.acknowledged_below);
  }
  return {};
}

// Whether it is a part of the state: not is_obsolete().
Result<bool> counts(const layout::RowName& name, BytesView value, uint64_t compacted) {
  if (name.kind == layout::RowKind::changes) return name.number >= compacted;
  if (name.kind != layout::RowKind::history) return true;
  ASPEN_TRY(layout::HistoryRow row, layout::decode_history(value));
  if (row.record.mod_revision != name.number || row.until <= name.number) {
    return fail(Code::CORRUPT, "stored history of revision {} that ends at {}", name.number, row.until);
  }
  return row.until > compacted;
}

// Whether a replica would write this row: a session that could come in other rows as well would give one
// state two hashes. Sets `compacted` when the row says it, and goes by it.
Result<> check_row(BytesView key, BytesView value, uint64_t& compacted) {
  ASPEN_TRY(layout::RowName name, layout::parse_row_name(key));
  switch (name.kind) {
    case layout::RowKind::progress: {
      ASPEN_TRY(layout::Progress progress, layout::decode_progress(value));
      if (progress.compacted > progress.applied) {
        return fail(Code::CORRUPT, "snapshot: it is compacted beyond its index");
      }
      compacted = progress.compacted;
      return {};
    }
    case layout::RowKind::record:
      ASPEN_CHECK(layout::decode_record(value));
      return {};
    case layout::RowKind::session: {
      ASPEN_TRY(layout::SessionRow row, layout::decode_session(value));
      return check_session(name, row);
    }
    case layout::RowKind::lease:
      ASPEN_CHECK(layout::decode_lease(value));
      return {};
    case layout::RowKind::quota:
      ASPEN_CHECK(layout::decode_quota(value));
      return {};
    case layout::RowKind::index:
      ASPEN_CHECK(layout::decode_index(value));
      return {};
    case layout::RowKind::attachment:
    case layout::RowKind::index_entry:
      if (value.empty()) return {};
      return fail(Code::CORRUPT, "snapshot: a row that only has a key has {} bytes", value.size());
    case layout::RowKind::history:
    case layout::RowKind::changes: {
      ASPEN_TRY(bool counting, counts(name, value, compacted));
      if (name.kind == layout::RowKind::changes) ASPEN_CHECK(layout::decode_changes(value));
      if (counting) return {};
      return fail(Code::CORRUPT, "snapshot: it has what is compacted");
    }
  }
  return {};
}

}  // namespace

SnapshotSource::SnapshotSource(std::unique_ptr<store::Reader> reader, uint32_t generation, size_t chunk_bytes)
    : reader_(std::move(reader)),
      it_(reader_->iterate()),
      prefix_(layout::generation_prefix(generation)),
      end_(layout::generation_prefix(generation + 1)),
      chunk_bytes_(chunk_bytes) {
  it_->seek(prefix_);
}

Result<uint64_t> SnapshotSource::seek(uint64_t chunk) {
  if (chunk >= sequence_) return sequence_;
  if (ASPEN_MUTANT("kv-snapshot-place-off")) ++chunk;
  auto found = std::ranges::find(places_, chunk, &Place::sequence);
  const Place place = found != places_.end() ? *found : Place{.key = prefix_};
  it_->seek(place.key);
  ASPEN_CHECK(it_->status());
  previous_ = place.previous;
  sequence_ = place.sequence;
  rows_ = place.rows;
  ended_ = false;
  std::erase_if(places_, [&](const Place& kept) { return kept.sequence >= place.sequence; });
  return sequence_;
}

Result<Bytes> SnapshotSource::next() {
  if (ended_) return Bytes();
  places_.push_back({sequence_, it_->valid() ? Bytes(it_->key()) : end_, previous_, rows_});
  if (places_.size() > kPlacesMax) places_.pop_front();
  wire::Writer encoded;
  uint64_t rows = 0;
  while (encoded.size() < chunk_bytes_ && it_->valid() && it_->key().starts_with(prefix_)) {
    ASPEN_TRY(bool written, encode_row(encoded));
    rows += written ? 1 : 0;
  }
  ASPEN_CHECK(it_->status());
  rows_ += rows;
  if (rows > 0) return seal(false, rows, encoded.view());
  ended_ = true;
  return seal(true, rows_, {});
}

Result<bool> SnapshotSource::encode_row(wire::Writer& out) {
  BytesView key = it_->key().substr(prefix_.size());
  ASPEN_TRY(layout::RowName name, layout::parse_row_name(key));
  if (name.kind == layout::RowKind::session) {
    ASPEN_CHECK(encode_session(name.session, out));
    return true;
  }
  if (name.kind == layout::RowKind::progress) {
    ASPEN_TRY(layout::Progress progress, layout::decode_progress(it_->value()));
    compacted_ = progress.compacted;
  }
  ASPEN_TRY(bool counting, counts(name, it_->value(), compacted_));
  if (counting) {
    out.bytes(key);
    out.bytes(it_->value());
  }
  it_->next();
  return counting;
}

Result<> SnapshotSource::encode_session(SessionId id, wire::Writer& out) {
  Session session;
  const Bytes key = prefix_ + layout::session_key(0, id, 0).substr(layout::kGenerationBytes);
  const BytesView rows = BytesView(key).substr(0, key.size() - layout::kSlotBytes);
  for (; it_->valid() && it_->key().starts_with(rows); it_->next()) {
    ASPEN_TRY(layout::RowName name, layout::parse_row_name(it_->key().substr(prefix_.size())));
    ASPEN_TRY(layout::SessionRow row, layout::decode_session(it_->value()));
    ASPEN_CHECK(session.add_row(name.slot, row));
  }
  ASPEN_CHECK(it_->status());
  ASPEN_CHECK(session.finish_rows());
  out.bytes(BytesView(key).substr(prefix_.size()));
  out.bytes(layout::encode(session.merged()));
  return {};
}

Bytes SnapshotSource::seal(bool last, uint64_t rows, BytesView encoded_rows) {
  wire::Writer body;
  body.u64(sequence_++);
  body.boolean(last);
  body.u64(rows);
  body.fixed(encoded_rows);
  previous_ = hash(kDomain, {hash_view(previous_), body.view()});
  return Bytes(hash_view(previous_)).append(body.view());
}

Result<> SnapshotParser::parse(BytesView chunk, const Row& row) {
  if (failed_) return fail(Code::CORRUPT, "snapshot: an earlier chunk was refused");
  failed_ = true;
  if (ended_) return fail(Code::CORRUPT, "snapshot: a chunk after the last one");
  if (chunk.size() < sizeof(Hash)) return fail(Code::CORRUPT, "snapshot: a chunk of {} bytes", chunk.size());
  BytesView body = chunk.substr(sizeof(Hash));
  Hash expected = hash(kDomain, {hash_view(previous_), body});
  if (chunk.substr(0, sizeof(Hash)) != hash_view(expected)) {
    return fail(Code::CORRUPT, "snapshot: what came as chunk {} is damaged or another one", sequence_);
  }
  ASPEN_CHECK(parse_body(body, row));
  previous_ = expected;
  ++sequence_;
  failed_ = false;
  return {};
}

Result<> SnapshotParser::parse_body(BytesView body, const Row& row) {
  wire::Reader reader(body);
  uint64_t sequence = reader.u64();
  if (reader.ok() && sequence != sequence_)
    reader.refuse(fmt::format("chunk {} instead of {}", sequence, sequence_));
  ended_ = reader.boolean();
  uint64_t rows = reader.u64();
  if (ended_ && rows != rows_) reader.refuse(fmt::format("{} rows instead of {}", rows_, rows));
  for (uint64_t i = 0; !ended_ && i < rows && reader.ok(); ++i) {
    BytesView key = reader.bytes(kRowKeyBytesMax, "row key");
    BytesView value = reader.bytes(kRowValueBytesMax, "row value");
    if (reader.ok() && rows_ > 0 && key <= last_key_) reader.refuse("rows out of order");
    if (!reader.ok()) break;
    ASPEN_CHECK(check_row(key, value, compacted_));
    ASPEN_CHECK(row(key, value));
    last_key_ = key;
    ++rows_;
  }
  if (auto finished = reader.finish("snapshot"); !finished)
    return fail(Code::CORRUPT, "{}", finished.error().message);
  return {};
}

Result<> SnapshotParser::finish() const {
  if (failed_) return fail(Code::CORRUPT, "snapshot: a chunk was refused");
  if (!ended_) return fail(Code::CORRUPT, "snapshot: ends after chunk {}, before its last", sequence_);
  return {};
}

}  // namespace aspen::kv

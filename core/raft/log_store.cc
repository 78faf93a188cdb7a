#include "core/raft/log_store.h"

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/mutant.h"

namespace aspen::raft {
namespace {

constexpr uint64_t kFormatVersion = 1;
constexpr BytesView kFormatKey = "format";
constexpr BytesView kHardStateKey = "hard";
constexpr BytesView kSnapshotKey = "snapshot";
constexpr char kEntryPrefix = 'e';
constexpr size_t kEntryKeyBytes = 9;

Bytes entry_key(Index index) {
  Bytes key(1, kEntryPrefix);
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(index >> shift));
  return key;
}

Index entry_index(BytesView key) {
  Index index = 0;
  for (size_t i = 1; i < key.size(); ++i) index = index << 8 | static_cast<uint8_t>(key[i]);
  return index;
}

Bytes entries_end() {
  return Bytes(1, kEntryPrefix + 1);
}

// What a decoder refuses, found on disk.
template <typename T>
Result<T> from_disk(Result<T> decoded) {
  if (!decoded) return fail(Code::CORRUPT, "raft log: {}", decoded.error().message);
  return decoded;
}

Bytes encode_format(PeerId peer) {
  wire::Writer writer;
  writer.u64(kFormatVersion);
  for (int i = 0; i < 8; ++i) writer.u8(static_cast<uint8_t>(peer >> (8 * i)));
  return writer.take();
}

Result<PeerId> decode_format(BytesView bytes) {
  wire::Reader reader(bytes);
  uint64_t version = reader.u64();
  if (reader.ok() && version != kFormatVersion) {
    return fail(Code::UNSUPPORTED, "the raft log has format {}; this build reads format {}", version,
                kFormatVersion);
  }
  PeerId peer = 0;
  for (int i = 0; i < 8; ++i) peer |= PeerId{reader.u8()} << (8 * i);
  if (reader.ok() && peer == kNobody) reader.refuse("peer 0");
  if (auto result = reader.finish("format"); !result) {
    return fail(Code::CORRUPT, "raft log: {}", result.error().message);
  }
  return peer;
}

Result<> load_entries(const store::Store& store, Durable& durable) {
  Index expected = durable.snapshot.index + 1;
  Term term = durable.snapshot.term;
  auto it = store.iterate();
  for (it->seek(BytesView(&kEntryPrefix, 1)); it->valid() && it->key()[0] == kEntryPrefix; it->next()) {
    if (it->key().size() != kEntryKeyBytes) return fail(Code::CORRUPT, "raft log: an entry has a bad key");
    Index index = entry_index(it->key());
    if (index < expected) {
      return fail(Code::CORRUPT, "raft log: entry {} is there but the log starts after {}", index,
                  durable.snapshot.index);
    }
    if (index > expected) return fail(Code::CORRUPT, "raft log: entry {} is missing", expected);
    Result<Entry> entry = decode_entry(index, it->value());
    if (!entry) return fail(Code::CORRUPT, "raft log: entry {}: {}", index, entry.error().message);
    if (entry->term < term || entry->term > durable.hard_state.term) {
      return fail(Code::CORRUPT, "raft log: entry {} has term {}, after term {} and in term {}", index,
                  entry->term, term, durable.hard_state.term);
    }
    term = entry->term;
    ++expected;
    durable.entries.push_back(std::make_shared<const Entry>(*std::move(entry)));
  }
  return it->status();
}

}  // namespace

Result<std::unique_ptr<LogStore>> LogStore::open(store::Store& store, PeerId fresh) {
  ASPEN_TRY(std::optional<Bytes> format, store.get(kFormatKey));
  if (format) {
    ASPEN_TRY(PeerId peer, decode_format(*format));
    return std::unique_ptr<LogStore>(new LogStore(store, peer));
  }
  auto it = store.iterate();
  it->seek({});
  if (it->valid()) return fail(Code::CORRUPT, "raft log: the store has keys but no format");
  ASPEN_CHECK(it->status());
  ASPEN_ASSERT(fresh != kNobody);
  store::Batch batch;
  batch.put(kFormatKey, encode_format(fresh));
  ASPEN_CHECK(store.write(std::move(batch), store::Sync::yes));
  return std::unique_ptr<LogStore>(new LogStore(store, fresh));
}

Result<Durable> LogStore::load() const {
  Durable durable;
  ASPEN_TRY(std::optional<Bytes> hard_state, store_.get(kHardStateKey));
  if (hard_state) {
    ASPEN_TRY(durable.hard_state, from_disk(decode_hard_state(*hard_state)));
  }
  ASPEN_TRY(std::optional<Bytes> snapshot, store_.get(kSnapshotKey));
  if (snapshot) {
    ASPEN_TRY(durable.snapshot, from_disk(decode_snapshot_meta(*snapshot)));
  }
  ASPEN_CHECK(load_entries(store_, durable));
  return durable;
}

Result<> LogStore::write(std::span<const LogWrite> writes, store::Sync sync) {
  store::Batch batch;
  for (const LogWrite& write : writes) {
    bool hard_state = write.hard_state && !ASPEN_MUTANT("raft-log-hard-state-not-stored");
    if (hard_state) batch.put(kHardStateKey, encode(*write.hard_state));
    bool truncate = write.truncate_from != 0 && !ASPEN_MUTANT("raft-log-truncate-not-stored");
    if (truncate) batch.erase_range(entry_key(write.truncate_from), entries_end());
    for (const EntryPtr& entry : write.entries) batch.put(entry_key(entry->index), encode(*entry));
  }
  if (ASPEN_MUTANT("raft-log-not-synced")) sync = store::Sync::no;
  return store_.write(std::move(batch), sync);
}

Result<> LogStore::reset(const SnapshotMeta& meta) {
  store::Batch batch;
  batch.erase_range(entry_key(0), entries_end());
  batch.put(kSnapshotKey, encode(meta));
  return store_.write(std::move(batch), store::Sync::yes);
}

Result<> LogStore::compact(const SnapshotMeta& meta) {
  store::Batch batch;
  batch.erase_range(entry_key(0), entry_key(meta.index + 1));
  batch.put(kSnapshotKey, encode(meta));
  bool durable = ASPEN_BUGGIFY("raft-log-compaction-synced");
  return store_.write(std::move(batch), durable ? store::Sync::yes : store::Sync::no);
}

}  // namespace aspen::raft

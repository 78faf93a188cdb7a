#include "core/kv/layout.h"

#include "core/kv/index_limits.h"

namespace aspen::kv::layout {
namespace {

constexpr size_t kSessionBytes = 8;
constexpr size_t kNumberBytes = 8;
constexpr BytesView kKeyEnd("\0\1", 2);
constexpr size_t kMetaBytesMax = 64u << 10;  // a configuration of limits::kMembersMax members fits
constexpr size_t kReplyBytesMax = limits::kTransactionReplyBytesMax + (64u << 10);
static_assert(limits::kSessionResultsMax < 1u << (8 * kSlotBytes));  // at most one more row than replies

void append_big_endian(Bytes& out, uint64_t value, size_t size) {
  for (size_t i = size; i > 0; --i) out.push_back(static_cast<char>(value >> (8 * (i - 1))));
}

uint64_t read_big_endian(BytesView bytes) {
  uint64_t value = 0;
  for (char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

Bytes row_prefix(uint32_t generation, RowKind kind, size_t reserve) {
  Bytes key;
  key.reserve(kGenerationBytes + 1 + reserve);
  append_big_endian(key, generation, kGenerationBytes);
  key.push_back(static_cast<char>(kind));
  return key;
}

// The key, its end, a revision.
bool parse_history_name(BytesView rest, RowName& name) {
  size_t at = 0;
  for (; at + 1 < rest.size() && rest.substr(at, kKeyEnd.size()) != kKeyEnd; ++at) {
    name.key.push_back(rest[at]);
    if (rest[at] == '\0' && rest[++at] != '\xff') return false;
  }
  if (rest.size() != at + kKeyEnd.size() + kNumberBytes || name.key.size() > limits::kKeyBytesMax)
    return false;
  name.number = read_big_endian(rest.substr(at + kKeyEnd.size()));
  return !name.key.empty();
}

Result<> finish_row(wire::Reader& reader, const char* what) {
  if (auto finished = reader.finish(what); !finished)
    return fail(Code::CORRUPT, "stored {}", finished.error().message);
  return {};
}

}  // namespace

void encode_owner(wire::Writer& writer, const NodeId& owner) {
  if (owner != NodeId()) writer.fixed(owner.view());
}

NodeId decode_owner(wire::Reader& reader) {
  NodeId owner;
  if (reader.at_end()) return owner;
  if (BytesView bytes = reader.fixed(NodeId::kSize); bytes.size() == NodeId::kSize) {
    owner = *NodeId::from_bytes(bytes);
    if (owner == NodeId()) reader.refuse("an owner of zeros");
  }
  return owner;
}

BytesView head_key() {
  return BytesView("\0", 1);
}

Bytes generation_prefix(uint32_t generation) {
  Bytes key;
  append_big_endian(key, generation, kGenerationBytes);
  return key;
}

Bytes progress_key(uint32_t generation) {
  return row_prefix(generation, RowKind::progress, 0);
}

Bytes record_key(uint32_t generation, BytesView key) {
  return row_prefix(generation, RowKind::record, key.size()).append(key);
}

Bytes records_prefix(uint32_t generation) {
  return row_prefix(generation, RowKind::record, 0);
}

Bytes session_key(uint32_t generation, SessionId session, uint16_t slot) {
  Bytes key = row_prefix(generation, RowKind::session, kSessionBytes + kSlotBytes);
  append_big_endian(key, session, kSessionBytes);
  append_big_endian(key, slot, kSlotBytes);
  return key;
}

Bytes sessions_prefix(uint32_t generation) {
  return row_prefix(generation, RowKind::session, 0);
}

Bytes rows_prefix(uint32_t generation, RowKind kind) {
  return row_prefix(generation, kind, 0);
}

Bytes history_bound(uint32_t generation, BytesView key) {
  Bytes row = row_prefix(generation, RowKind::history, key.size() + kKeyEnd.size() + kNumberBytes);
  for (char byte : key) {
    row.push_back(byte);
    if (byte == '\0') row.push_back('\xff');
  }
  return row;
}

Bytes history_key(uint32_t generation, BytesView key, uint64_t mod_revision) {
  Bytes row = history_bound(generation, key).append(kKeyEnd);
  append_big_endian(row, mod_revision, kNumberBytes);
  return row;
}

Bytes changes_key(uint32_t generation, uint64_t revision) {
  Bytes row = row_prefix(generation, RowKind::changes, kNumberBytes);
  append_big_endian(row, revision, kNumberBytes);
  return row;
}

Bytes lease_key(uint32_t generation, LeaseId lease) {
  Bytes row = row_prefix(generation, RowKind::lease, kNumberBytes);
  append_big_endian(row, lease, kNumberBytes);
  return row;
}

Bytes attachment_key(uint32_t generation, LeaseId lease, BytesView key) {
  Bytes row = row_prefix(generation, RowKind::attachment, kNumberBytes + key.size());
  append_big_endian(row, lease, kNumberBytes);
  return row.append(key);
}

Bytes quota_key(uint32_t generation, BytesView prefix) {
  return row_prefix(generation, RowKind::quota, prefix.size()).append(prefix);
}

Bytes index_key(uint32_t generation, uint64_t index) {
  Bytes row = row_prefix(generation, RowKind::index, kNumberBytes);
  append_big_endian(row, index, kNumberBytes);
  return row;
}

Bytes index_entry_key(uint32_t generation, uint64_t index, BytesView entry) {
  Bytes row = row_prefix(generation, RowKind::index_entry, kNumberBytes + entry.size());
  append_big_endian(row, index, kNumberBytes);
  return row.append(entry);
}

Result<RowName> parse_row_name(BytesView key) {
  if (key.empty()) return fail(Code::CORRUPT, "stored row without a kind");
  RowName name;
  name.kind = static_cast<RowKind>(key[0]);
  BytesView rest = key.substr(1);
  switch (name.kind) {
    case RowKind::progress:
      if (rest.empty()) return name;
      break;
    case RowKind::record:
      name.record = rest;
      if (!rest.empty() && rest.size() <= limits::kKeyBytesMax) return name;
      break;
    case RowKind::session:
      if (rest.size() != kSessionBytes + kSlotBytes) break;
      name.session = read_big_endian(rest.substr(0, kSessionBytes));
      name.slot = static_cast<uint16_t>(read_big_endian(rest.substr(kSessionBytes)));
      return name;
    case RowKind::history:
      if (parse_history_name(rest, name)) return name;
      break;
    case RowKind::changes:
    case RowKind::lease:
    case RowKind::index:
      if (rest.size() != kNumberBytes) break;
      name.number = read_big_endian(rest);
      return name;
    case RowKind::attachment:
      if (rest.size() <= kNumberBytes || rest.size() > kNumberBytes + limits::kKeyBytesMax) break;
      name.number = read_big_endian(rest.substr(0, kNumberBytes));
      name.key = rest.substr(kNumberBytes);
      return name;
    case RowKind::quota:
      name.key = rest;
      if (rest.size() <= limits::kKeyBytesMax) return name;
      break;
    case RowKind::index_entry:
      if (rest.size() <= kNumberBytes || rest.size() > kNumberBytes + limits::kIndexEntryBytesMax) break;
      name.number = read_big_endian(rest.substr(0, kNumberBytes));
      name.key = rest.substr(kNumberBytes);
      return name;
  }
  return fail(Code::CORRUPT, "stored row of kind {} with a key of {} bytes", static_cast<uint8_t>(key[0]),
              rest.size());
}

Bytes encode(const Head& head) {
  wire::Writer writer;
  writer.u64(kFormatVersion);
  writer.u64(head.generation);
  writer.boolean(head.restored.has_value());
  if (head.restored) writer.bytes(raft::encode(*head.restored));
  return writer.take();
}

Bytes encode(const Progress& progress) {
  wire::Writer writer;
  writer.u64(progress.applied);
  writer.i64(progress.time);
  writer.u64(progress.compacted);
  return writer.take();
}

Bytes encode(const SessionRow& session) {
  wire::Writer writer;
  writer.u64(session.counter);
  writer.i64(session.last_used);
  writer.u64(session.acknowledged_below);
  writer.u64(session.replies.size());
  for (const SessionRow::Reply& reply : session.replies) {
    writer.u64(reply.sequence);
    writer.bytes(reply.reply);
  }
  encode_owner(writer, session.owner);
  return writer.take();
}

Bytes encode_history(uint64_t until, BytesView record_row) {
  wire::Writer writer;
  writer.u64(until);
  writer.fixed(record_row);
  return writer.take();
}

Bytes encode(const ChangeRow& changes) {
  wire::Writer writer;
  writer.u64(changes.items.size());
  for (const ChangeRow::Item& item : changes.items) {
    writer.u8(static_cast<uint8_t>(item.kind));
    writer.bytes(item.key);
    writer.u64(item.previous);
  }
  return writer.take();
}

Bytes encode(const LeaseRow& lease) {
  wire::Writer writer;
  writer.i64(lease.ttl);
  writer.i64(lease.granted);
  writer.u64(lease.keys);
  writer.u64(lease.key_bytes);
  writer.bytes(lease.prefix);
  return writer.take();
}

Bytes encode(const QuotaRow& quota) {
  wire::Writer writer;
  for (uint64_t number : {quota.bytes_max, quota.keys_max, quota.bytes, quota.keys}) writer.u64(number);
  return writer.take();
}

Bytes encode(const IndexRow& index) {
  wire::Writer writer;
  writer.bytes(index.name);
  writer.bytes(index.prefix);
  writer.bytes(index.extractor);
  writer.u8(index.state);
  writer.bytes(index.cursor);
  writer.u64(index.records);
  return writer.take();
}

Result<Head> decode_head(BytesView bytes) {
  wire::Reader reader(bytes);
  Head head;
  head.version = reader.u64();
  if (reader.ok() && (head.version < kFormatVersionMin || head.version > kFormatVersion)) {
    return fail(Code::UNSUPPORTED, "the key-value state has format version {}; this build reads {} to {}",
                head.version, kFormatVersionMin, kFormatVersion);
  }
  head.generation = static_cast<uint32_t>(reader.u64_max(UINT32_MAX - 1, "generation"));
  if (reader.ok() && head.generation == 0) reader.refuse("generation is 0");
  if (reader.boolean()) {
    auto meta = raft::decode_snapshot_meta(reader.bytes(kMetaBytesMax, "snapshot meta"));
    if (meta) {
      head.restored = *std::move(meta);
    } else if (reader.ok()) {
      reader.refuse(meta.error().message);
    }
  }
  ASPEN_CHECK(finish_row(reader, "head"));
  return head;
}

Result<Progress> decode_progress(BytesView bytes) {
  wire::Reader reader(bytes);
  Progress progress;
  progress.applied = reader.u64();
  progress.time = reader.i64();
  progress.compacted = reader.u64();
  ASPEN_CHECK(finish_row(reader, "progress"));
  return progress;
}

Result<SessionRow> decode_session(BytesView bytes) {
  wire::Reader reader(bytes);
  SessionRow session;
  session.counter = reader.u64();
  session.last_used = reader.i64();
  session.acknowledged_below = reader.u64();
  size_t replies = reader.count(limits::kSessionResultsMax, "replies");
  session.replies.reserve(replies);
  for (size_t i = 0; i < replies && reader.ok(); ++i) {
    uint64_t sequence = reader.u64();
    if (i > 0 && sequence <= session.replies.back().sequence) reader.refuse("replies out of order");
    session.replies.push_back({sequence, reader.bytes(kReplyBytesMax, "reply")});
  }
  session.owner = decode_owner(reader);
  ASPEN_CHECK(finish_row(reader, "session"));
  return session;
}

Result<HistoryRow> decode_history(BytesView bytes) {
  wire::Reader reader(bytes);
  HistoryRow row;
  row.until = reader.u64();
  row.record = decode_record_view(reader);
  ASPEN_CHECK(finish_row(reader, "history"));
  return row;
}

Result<ChangeRow> decode_changes(BytesView bytes) {
  wire::Reader reader(bytes);
  ChangeRow row;
  size_t count = reader.count(limits::kRevisionKeysMax, "changes");
  if (reader.ok() && count == 0) reader.refuse("no changes");
  row.items.reserve(count);
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    ChangeRow::Item item{};
    uint8_t kind = reader.u8();
    item.kind = static_cast<Event::Kind>(kind);
    if (kind != 1 && kind != 2) reader.refuse(fmt::format("unknown change {}", kind));
    item.key = reader.bytes(limits::kKeyBytesMax, "key");
    item.previous = reader.u64();
    if (i > 0 && item.key <= row.items.back().key) reader.refuse("keys are not in order");
    row.items.push_back(item);
  }
  ASPEN_CHECK(finish_row(reader, "changes"));
  return row;
}

Result<LeaseRow> decode_lease(BytesView bytes) {
  wire::Reader reader(bytes);
  LeaseRow lease;
  lease.ttl = reader.i64();
  lease.granted = reader.i64();
  lease.keys = reader.u64_max(limits::kLeaseKeysMax, "keys of a lease");
  lease.key_bytes = reader.u64_max(limits::kLeaseKeyBytesMax, "bytes of a lease's keys");
  lease.prefix = reader.bytes(limits::kKeyBytesMax, "prefix of a lease");
  ASPEN_CHECK(finish_row(reader, "lease"));
  return lease;
}

Result<QuotaRow> decode_quota(BytesView bytes) {
  wire::Reader reader(bytes);
  QuotaRow quota;
  for (uint64_t* number : {&quota.bytes_max, &quota.keys_max, &quota.bytes, &quota.keys}) {
    *number = reader.u64();
  }
  ASPEN_CHECK(finish_row(reader, "quota"));
  return quota;
}

Result<IndexRow> decode_index(BytesView bytes) {
  wire::Reader reader(bytes);
  IndexRow index;
  index.name = reader.bytes(limits::kIndexNameBytesMax, "index name");
  index.prefix = reader.bytes(limits::kKeyBytesMax, "index prefix");
  index.extractor = reader.bytes(limits::kExtractorBytesMax, "extractor");
  index.state = reader.u8();
  if (reader.ok() && (index.state < 1 || index.state > 3)) {
    reader.refuse(fmt::format("unknown index state {}", index.state));
  }
  index.cursor = reader.bytes(limits::kKeyBytesMax + 1, "cursor");
  index.records = reader.u64();
  ASPEN_CHECK(finish_row(reader, "index"));
  return index;
}

Result<RecordView> decode_record(BytesView bytes) {
  wire::Reader reader(bytes);
  RecordView record = decode_record_view(reader);
  ASPEN_CHECK(finish_row(reader, "record"));
  return record;
}

}  // namespace aspen::kv::layout
